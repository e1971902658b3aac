import type { FeatureDefinitions } from './definitions.ts';
import { compileDerived } from './derived.ts';
import { type ExpandedFeature, expandFeatures } from './expand.ts';
import { fingerprintText } from './hash.ts';
import { lintFeatures } from './lint.ts';
import { buildPlans } from './planBuilder.ts';
import type { FeatureProgram } from './types.ts';

/** Definitions that do not pass `lintFeatures`; the message lists every problem with its position. */
export class FeatureDefinitionError extends Error {
  override name = 'FeatureDefinitionError';
}

/**
 * Compiles a release's features.json. Lint it first where a person wrote it: here problems are an error.
 * Deterministic: the same definitions give the same names, order and fingerprint everywhere.
 */
export function compileFeatures(definitions: unknown): FeatureProgram {
  const lint = lintFeatures(definitions);
  if (!lint.ok) {
    throw new FeatureDefinitionError(lint.problems.map((p) => `${p.pointer || '/'}: ${p.message}`).join('\n'));
  }
  return compileChecked(lint.definitions);
}

function compileChecked(definitions: FeatureDefinitions): FeatureProgram {
  const { features } = expandFeatures(definitions);
  const kinds = new Map<string, { feature: ExpandedFeature; index: number }[]>();
  features.forEach((feature, index) => {
    const own = kinds.get(feature.state);
    if (own === undefined) kinds.set(feature.state, [{ feature, index }]);
    else own.push({ feature, index });
  });
  const plans = [...kinds].map(([kind, own], index) => buildPlans(kind, index, own, definitions));
  const entities = plans.map(({ entity }) => entity);
  const names = [...features.map((f) => f.name), ...(definitions.derived ?? []).map((d) => d.name)];
  const derived = (definitions.derived ?? []).map((d, i) => compileDerived(d, features.length + i, features, names));
  return {
    names,
    stateFingerprint: fingerprintText(JSON.stringify(entities.map((e) => [e.kind, e.fingerprint]))),
    entities,
    roles: plans.flatMap(({ roles }) => roles),
    derived,
  };
}
