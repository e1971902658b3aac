import Type from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { Frame } from '../features/frame.ts';
import { compileRules } from './compile.ts';
import { factKind } from './facts.ts';
import { fillFromFacts } from './factFrame.ts';
import { createRuleHits, isHit } from './hits.ts';
import { lintRules } from './lint.ts';
import { collectColumnNeeds, layoutFor } from './needs.ts';
import type { FactValues } from './reference.ts';
import type { ExplainedNode } from './types.ts';

const ruleCasesMax = 20_000;

/** One example of one rule: with these facts it fires, or does not. Facts that are left out are missing. */
export const RuleCase = Type.Object(
  {
    rule: Type.String({ minLength: 1 }),
    name: Type.String({ minLength: 1, maxLength: 200 }),
    fires: Type.Boolean(),
    facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
  },
  { additionalProperties: false },
);
export type RuleCase = Static<typeof RuleCase>;
const RuleCases = Type.Array(RuleCase, { maxItems: ruleCasesMax });

const validator = Compile(RuleCases);

export interface RuleCaseResult {
  readonly rule: string;
  readonly name: string;
  readonly passed: boolean;
  /** Why it did not pass, as a sentence; empty when it passed. */
  readonly message: string;
  /** The rule's evaluation with the case's facts, for a case that did not pass. */
  readonly tree?: ExplainedNode;
}

export interface RuleCasesReport {
  readonly results: readonly RuleCaseResult[];
  readonly passed: number;
  readonly failed: number;
  /** Rules without a case that fires them, and without one that does not. */
  readonly withoutFiringCase: readonly string[];
  readonly withoutQuietCase: readonly string[];
}

export interface CaseContext {
  /** Names of the release's features. */
  readonly features: readonly string[];
  /** The release's lists (`compileLists`). */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Runs cases through the compiled rules: what `holdfast rules test` does.
 * @returns the report, or sentences that say why the rules or the cases cannot be run.
 */
export function runRuleCases(
  rules: readonly unknown[],
  cases: unknown,
  known: CaseContext,
): RuleCasesReport | { readonly problems: readonly string[] } {
  const problems = lintRules(rules, { features: known.features, lists: [...known.lists.keys()] }).map(
    (problem) => problem.message,
  );
  if (problems.length > 0) return { problems };
  if (!validator.Check(cases)) {
    return { problems: validator.Errors(cases).map((error) => `cases at ${error.instancePath}: ${error.message}`) };
  }
  const layout = layoutFor(collectColumnNeeds(rules, known.features), known.features);
  const compiled = compileRules(rules, layout);
  const frame = new Frame(layout, 1);
  const hits = createRuleHits(compiled.rules.length, 1);
  const features = new Set(known.features);

  function runCase({ rule, name, fires, facts }: RuleCase): RuleCaseResult {
    const failed = (message: string): RuleCaseResult => ({ rule, name, passed: false, message });
    const index = compiled.rules.findIndex((meta) => meta.id === rule);
    if (index < 0) return failed(`there is no rule ${rule}`);
    const stranger = Object.keys(facts).find((fact) => factKind(fact, (n) => features.has(n)) === 'unknown');
    if (stranger !== undefined) return failed(`${stranger} is not a fact of this release`);
    const values: FactValues = new Map(Object.entries(facts));
    frame.rows = 1;
    fillFromFacts(frame, 0, values, known.lists);
    compiled.evaluate(frame, hits);
    if (isHit(hits, index, 0) === fires) return { rule, name, passed: true, message: '' };
    const message = fires ? `${rule} should fire and does not` : `${rule} fires and should not`;
    return { ...failed(message), tree: compiled.explain(index, frame, 0) };
  }

  const results = cases.map(runCase);
  const without = (fires: boolean): readonly string[] => {
    const having = new Set(cases.filter((c) => c.fires === fires).map((c) => c.rule));
    return compiled.rules.map((meta) => meta.id).filter((id) => !having.has(id));
  };
  const passed = results.filter((result) => result.passed).length;
  return {
    results,
    passed,
    failed: results.length - passed,
    withoutFiringCase: without(true),
    withoutQuietCase: without(false),
  };
}
