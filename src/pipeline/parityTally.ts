/** What both parity checks (parity.ts over a journal, sharedParity.ts over topics) choose, compare and count alike. */
import type { Decision } from '../domain/decision.ts';
import type { Payment } from '../domain/payment.ts';
import { fieldValue } from '../features/fields.ts';
import type { FeatureMatrix } from '../features/frame.ts';
import { hashText } from '../features/hash.ts';
import type { FeatureProgram } from '../features/types.ts';
import { paymentKey } from './codec.ts';
import { parityBounds, type ParityMismatch, type ParityReason, type ParityReport } from './parityTypes.ts';
import type { DecisionRecord } from './ports.ts';

export interface Sampled {
  readonly record: DecisionRecord;
  readonly payment: Payment;
}

export const decisionOf = (record: Pick<DecisionRecord, 'decision'>): Decision =>
  JSON.parse(Buffer.from(record.decision).toString()) as Decision;

/** Whether the velocity state had no part, or not all of it, in the decision. */
export const isDegraded = (record: DecisionRecord): boolean =>
  decisionOf(record).degraded.some((stage) => stage.startsWith('velocity:'));

/** The entities of a payment by these plans, by kind and values, as texts that only the checks know. */
export function entitiesOf(plans: FeatureProgram['entities'], tenantId: string, payment: Payment): string[] {
  return plans.flatMap(({ kind, fields }) => {
    const values = fields.map((field) => fieldValue(payment, field));
    return values.includes(undefined) ? [] : [JSON.stringify([tenantId, kind, ...values])];
  });
}

/** All plans by which a payment's features are read: of its own entities, and of those it has in other roles. */
export const readBy = ({ entities, roles }: FeatureProgram): FeatureProgram['entities'] => [...entities, ...roles];

/** The so many decisions whose hash is smallest, each payment once: a sample that nothing but the seed chose. */
export class ParitySample {
  readonly #max: number;
  readonly #seed: number;
  #chosen = new Map<string, { readonly order: number; readonly record: DecisionRecord }>();

  constructor(max: number, seed: number) {
    this.#max = Math.min(max, parityBounds.sampleMax);
    this.#seed = seed;
  }

  add(record: DecisionRecord): void {
    const { tenantId, paymentId } = record;
    const key = paymentKey(tenantId, paymentId);
    // The first stands: what a crash appended again has the same content.
    if (this.#chosen.has(key)) return;
    this.#chosen.set(key, { order: hashText(`${this.#seed} ${tenantId} ${paymentId}`), record });
    if (this.#chosen.size >= 2 * this.#max + parityBounds.sliceEntries) this.#keepBest();
  }

  records(): readonly DecisionRecord[] {
    this.#keepBest();
    return [...this.#chosen.values()].map(({ record }) => record);
  }

  #keepBest(): void {
    const best = [...this.#chosen].sort(([, a], [, b]) => a.order - b.order);
    this.#chosen = new Map(best.slice(0, this.#max));
  }
}

/**
 * Values must agree bit for bit; of one that is not exact, on either side, a difference within the two bounds is told apart.
 * @param i of the feature, in the record and in the first row of `again`
 */
export function agreement(
  record: DecisionRecord,
  i: number,
  again: FeatureMatrix,
): 'same' | 'withinBounds' | 'differs' {
  const online = record.features[i] as number;
  const recomputed = again.values[i] as number;
  if (Object.is(online, recomputed) && Object.is(record.bounds[i], again.bounds[i])) return 'same';
  const bound = (record.bounds[i] as number) + (again.bounds[i] as number);
  const within = bound > 0 && (Object.is(online, recomputed) || Math.abs(online - recomputed) <= bound);
  return within ? 'withinBounds' : 'differs';
}

/** What a check came to so far. */
export class ParityTally {
  readonly #reasons = new Map<ParityReason, number>();
  readonly #shown: ParityMismatch[] = [];
  compared = 0;
  values = 0;
  otherOrder = 0;
  orderUnknown = 0;
  notCovered = 0;
  #withinBounds = 0;
  #mismatches = 0;

  skip(reason: ParityReason, payments = 1): void {
    if (payments > 0) this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + payments);
  }

  /** Counts the value of feature i of the record against the first row of `again`. */
  count(record: DecisionRecord, feature: string, i: number, again: FeatureMatrix): void {
    const found = agreement(record, i, again);
    if (found === 'withinBounds') this.#withinBounds++;
    else if (found === 'differs')
      this.mismatch(record, feature, record.features[i] as number, again.values[i] as number);
  }

  mismatch({ tenantId, paymentId }: DecisionRecord, feature: string, online: number, recomputed: number): void {
    this.#mismatches++;
    if (this.#shown.length >= parityBounds.shownMax) return;
    const shown = (value: number): number | null => (Number.isNaN(value) ? null : value);
    this.#shown.push({ tenantId, paymentId, feature, online: shown(online), recomputed: shown(recomputed) });
  }

  report(sampled: number): ParityReport {
    const { compared, values, otherOrder, orderUnknown, notCovered } = this;
    const counts = { withinBounds: this.#withinBounds, otherOrder, orderUnknown, notCovered };
    const notComparable = Object.fromEntries(this.#reasons);
    return { sampled, compared, values, ...counts, mismatches: this.#mismatches, shown: this.#shown, notComparable };
  }
}
