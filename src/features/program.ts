import type { DerivedDefinition, FeatureDefinitions } from './definitions.ts';
import type { CommonFeature } from './common.ts';
import { compileDerived, type DerivedFeature } from './derived.ts';
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

/** @param sets by feature, where its values are gathered: those that are wanted here are added */
function compileCommon(
  { of }: DerivedDefinition,
  feature: number,
  names: readonly string[],
  sets: Map<number, number>,
): CommonFeature {
  const setOf = (operand: number): number => {
    const set = sets.get(operand) ?? sets.size;
    sets.set(operand, set);
    return set;
  };
  const [a, b] = of.map((name) => names.indexOf(name)) as [number, number];
  return { feature, operands: [a, b], sets: [setOf(a), setOf(b)] };
}

function compileChecked(definitions: FeatureDefinitions): FeatureProgram {
  const { features } = expandFeatures(definitions);
  const kinds = new Map<string, { feature: ExpandedFeature; index: number }[]>();
  features.forEach((feature, index) => {
    const own = kinds.get(feature.state);
    if (own === undefined) kinds.set(feature.state, [{ feature, index }]);
    else own.push({ feature, index });
  });
  const names = [...features.map((f) => f.name), ...(definitions.derived ?? []).map((d) => d.name)];
  const sets = new Map<number, number>();
  const derived: DerivedFeature[] = [];
  const common: CommonFeature[] = [];
  (definitions.derived ?? []).forEach((definition, i) => {
    const feature = features.length + i;
    if (definition.op === 'common') common.push(compileCommon(definition, feature, names, sets));
    else derived.push(compileDerived(definition, feature, features, names));
  });
  const plans = [...kinds].map(([kind, own], index) => buildPlans(kind, index, own, definitions, sets));
  const entities = plans.map(({ entity }) => entity);
  return {
    names,
    stateFingerprint: fingerprintText(JSON.stringify(entities.map((e) => [e.kind, e.fingerprint]))),
    entities,
    roles: plans.flatMap(({ roles }) => roles),
    derived,
    common,
    valueSets: sets.size,
  };
}
