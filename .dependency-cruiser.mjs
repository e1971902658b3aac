/** DESIGN's import directions: domain ← features, rules, models, policy ← pipeline, releases, cases, ledger, compliance ← api, adapters ← cli. */
const pure = '^src/(domain|features|rules|models|policy|simulator)/';
const middle = '^src/(pipeline|releases|cases|ledger|compliance)/';
/** Training reads a clock, directory.ts and import.ts the files of a model, tensorflow.ts and tfjsNode.ts find the backends; scoring is pure. */
const modelsEdge = '^src/models/(training/|directory[.]ts|tensorflow[.]ts|tfjsNode[.]ts|import[.]ts)';

const only = (name, from, allowed, comment) => ({
  name,
  severity: 'error',
  comment,
  from,
  to: { path: '^(src|workers|bench|test|scripts|bin)/', pathNot: allowed },
});

export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-undeclared',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'not-to-test', severity: 'error', from: { path: '^(src|workers|bench|scripts)/' }, to: { path: '^test/' } },
    only('domain-imports-nothing-of-ours', { path: '^src/domain/' }, '^src/domain/'),
    only('simulator-is-alone', { path: '^src/simulator/' }, '^src/(simulator|domain)/'),
    only('features-over-domain', { path: '^src/features/' }, '^src/(features|domain)/'),
    only('rules-over-features', { path: '^src/rules/' }, '^src/(rules|features|domain)/'),
    only('models-over-features', { path: '^src/models/' }, '^src/(models|features|domain)/'),
    only('policy-over-rules', { path: '^src/policy/' }, '^src/(policy|rules|models|features|domain)/'),
    only('middle-over-pure', { path: middle }, `${pure}|${middle}`),
    only('config-is-alone', { path: '^src/config/' }, '^src/(config|domain)/'),
    only('api-over-middle', { path: '^src/api/' }, `${pure}|${middle}|^src/(api|config)/`),
    only('adapters-over-middle', { path: '^src/adapters/' }, `${pure}|${middle}|^src/(adapters|config)/`),
    only('workers-pick-nothing', { path: '^workers/' }, '^(workers|src)/'),
    {
      name: 'cli-is-the-root',
      severity: 'error',
      comment: 'only the composition roots, tests and benchmarks may import them',
      from: { path: '^(src|workers)/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'pure-rooms-do-no-io',
      severity: 'error',
      comment: 'the middle gives the same answer for ever: no Node module in it',
      from: { path: pure, pathNot: modelsEdge },
      to: {
        dependencyTypes: ['core'],
        dependencyTypesNot: ['type-only'],
        pathNot: '^(node:)?(assert|buffer|util|crypto)(/|$)',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dashboards/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
    moduleSystems: ['es6', 'cjs'],
  },
};
