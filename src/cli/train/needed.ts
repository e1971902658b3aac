/** The part of feature definitions that some facts need: entities that no input is about cost time and memory for nothing. */
import type { FeatureDefinitions } from '../../features/definitions.ts';
import { expandFeatures } from '../../features/expand.ts';
import { stateKind } from '../../features/roles.ts';

/**
 * Definitions are linted before. Whole entities are left out or kept, never single features of one: what an entity's state
 * holds, and so every value, bit for bit, stays as the release computes it.
 */
export function neededDefinitions(definitions: FeatureDefinitions, facts: readonly string[]): FeatureDefinitions {
  const kindOf = new Map(expandFeatures(definitions).features.map(({ name, state }) => [name, state]));
  const derived = new Map((definitions.derived ?? []).map((one) => [one.name, one]));
  const kinds = new Set<string | undefined>();
  const open = [...facts];
  const seen = new Set(open);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const made = derived.get(name);
    if (made === undefined) kinds.add(kindOf.get(name));
    for (const operand of made?.of ?? []) {
      if (seen.has(operand)) continue;
      seen.add(operand);
      open.push(operand);
    }
  }
  const features = definitions.features.filter((definition) => kinds.has(stateKind(definition)));
  return features.length === 0
    ? definitions
    : { ...definitions, features, derived: [...derived.values()].filter(({ name }) => seen.has(name)) };
}
