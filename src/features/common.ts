/**
 * How many values two `distinct` features have in common: whom the payee has paid and who has paid the payer, for a ring of
 * three. Each feature gathers the values of its records while it is evaluated; they are compared when both are there.
 */
import { unboundedBound } from './derived.ts';
import type { Evaluation } from './evaluation.ts';
import type { Op } from './plan.ts';
import type { StateCell } from './state.ts';

/** A `distinct` feature whose values are gathered, and where they go. */
export interface Gather {
  readonly op: Op;
  readonly columnAt: number;
  readonly columnBytes: number;
  readonly set: number;
}

/** The values gathered for one payment, by set. Reused from payment to payment. */
export class ValueSets {
  readonly #values: readonly Set<number>[];
  /** Whether the whole window lay in records: of what is folded, values are not known. */
  readonly #whole: boolean[];

  constructor(count: number) {
    this.#values = Array.from({ length: count }, () => new Set<number>());
    this.#whole = new Array<boolean>(count).fill(false);
  }

  /** As many values as an entity has records at most. */
  gather({ op, columnAt, columnBytes, set }: Gather, cell: StateCell, evaluation: Evaluation): void {
    const values = this.#values[set] as Set<number>;
    values.clear();
    const stop = evaluation.stopOf(op);
    for (let i = evaluation.startOf(op); i < stop; i++) {
      const value = cell.columnValue(i, columnAt, columnBytes);
      if (value !== 0 && (cell.flagsAt(i) & op.mask) === op.mask) values.add(value);
    }
    this.#whole[set] = !cell.folded || evaluation.timeMs - op.reachMs >= cell.completeSinceMs;
  }

  common(a: number, b: number): number {
    const [one, other] = [this.#values[a], this.#values[b]] as [Set<number>, Set<number>];
    const [few, many] = one.size <= other.size ? [one, other] : [other, one];
    let count = 0;
    for (const value of few) if (many.has(value)) count++;
    return count;
  }

  areWhole(a: number, b: number): boolean {
    return this.#whole[a] === true && this.#whole[b] === true;
  }
}

/** A derived feature of the op `common`, compiled. */
export interface CommonFeature {
  readonly feature: number;
  readonly operands: readonly [number, number];
  readonly sets: readonly [number, number];
}

/** What records have in common is so for certain; what is folded can add to it, up to what the smaller set can hold. */
export function writeCommon(
  { feature, operands, sets }: CommonFeature,
  gathered: ValueSets,
  values: Float64Array,
  bounds: Float64Array,
  at: number,
): void {
  const [a, b] = operands.map((operand) => values[at + operand] as number) as [number, number];
  const missing = Number.isNaN(a) || Number.isNaN(b);
  const value = missing ? Number.NaN : gathered.common(sets[0], sets[1]);
  values[at + feature] = value;
  bounds[at + feature] = 0;
  if (missing || gathered.areWhole(sets[0], sets[1])) return;
  const most = Math.min(a + (bounds[at + operands[0]] as number), b + (bounds[at + operands[1]] as number));
  bounds[at + feature] = most >= unboundedBound ? unboundedBound : Math.max(0, most - value);
}
