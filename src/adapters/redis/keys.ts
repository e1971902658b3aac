import type { PaymentFacts } from '../../features/facts.ts';
import { mix32 } from '../../features/hash.ts';
import type { EntityPlan } from '../../features/plan.ts';

/** Keys are spread over so many hash tags: what one script call may touch together on a Redis Cluster. */
export const shardsMax = 256;
const base36 = 36;

/** The hash tag of a key as it stands in it. */
const tags = Array.from({ length: shardsMax }, (_, shard) => `v:{${shard}}:`);

export function hasKey(facts: PaymentFacts, plan: EntityPlan): boolean {
  const { fields } = plan;
  for (let i = 0; i < fields.length; i++) if (facts.codes[fields[i] as number] === 0) return false;
  return true;
}

/** The virtual shard of the entity of this kind that the payment touches; its fields must be present. */
export function shardOf(facts: PaymentFacts, plan: EntityPlan): number {
  const [first = 0, second] = plan.fields;
  let h = mix32((facts.codes[first] as number) ^ Math.imul(plan.index + 1, 0x9e3779b1));
  if (second !== undefined) h = mix32(h ^ (facts.codes[second] as number));
  return h & (shardsMax - 1);
}

/**
 * `v:{SHARD}:KIND:LAYOUT:TENANT:ID`. The layout (of a release's state bytes) keeps releases with different bytes apart:
 * both can run at one time, none misreads the other. Lengths stand before what may itself hold a colon.
 */
export function entityKey(facts: PaymentFacts, plan: EntityPlan, tenantPart: string, shard: number): string {
  const [first = 0, second] = plan.fields;
  const firstValue = facts.values[first] as string;
  const values = second === undefined ? firstValue : `${firstValue.length}:${firstValue}:${facts.values[second]}`;
  return (tags[shard] as string) + planParts(plan) + tenantPart + values;
}

export function tenantPartOf(tenantId: string): string {
  return `${tenantId.length}:${tenantId}:`;
}

const parts = new WeakMap<EntityPlan, string>();

function planParts(plan: EntityPlan): string {
  const known = parts.get(plan);
  if (known !== undefined) return known;
  const made = `${plan.kind}:${plan.fingerprint.toString(base36)}:`;
  parts.set(plan, made);
  return made;
}
