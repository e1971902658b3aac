import type { Payment } from '../../domain/payment.ts';

/** A change of the velocity state that Redis has not taken yet. */
export interface Missed {
  readonly tenantId: string;
  readonly payment: Payment;
  /** Take the payment out again, if it came in at all. */
  readonly retract: boolean;
}

/** What Redis missed while it was away, oldest first, by reference and at most so much of it. */
export class Backlog {
  readonly #max: number;
  readonly #missed = new Map<string, Missed>();
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#missed.size;
  }

  /** Changes that are lost because the backlog was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The last change of a payment stands; the oldest are given up when there are too many. */
  add(missed: Missed): void {
    const key = keyOf(missed);
    this.#missed.delete(key);
    this.#missed.set(key, missed);
    if (this.#missed.size <= this.#max) return;
    const oldest = this.#missed.keys().next();
    if (oldest.done === true) return;
    this.#missed.delete(oldest.value);
    this.#dropped++;
  }

  has(tenantId: string, payment: Payment): boolean {
    return this.#missed.has(keyOf({ tenantId, payment }));
  }

  /** The oldest changes of one tenant and one kind, at most so many. They stay until `done`. */
  next(max: number): Missed[] {
    const taken: Missed[] = [];
    for (const missed of this.#missed.values()) {
      const [first = missed] = taken;
      if (taken.length === max || missed.tenantId !== first.tenantId || missed.retract !== first.retract) break;
      taken.push(missed);
    }
    return taken;
  }

  /** Forgets changes that cannot be made; they count as dropped. */
  giveUp(taken: readonly Missed[]): void {
    this.done(taken);
    this.#dropped += taken.length;
  }

  /** Forgets what Redis has taken, unless it was changed meanwhile. */
  done(taken: readonly Missed[]): void {
    for (const missed of taken) {
      const key = keyOf(missed);
      if (this.#missed.get(key) === missed) this.#missed.delete(key);
    }
  }
}

function keyOf({ tenantId, payment }: Pick<Missed, 'tenantId' | 'payment'>): string {
  return `${tenantId}\u0000${payment.paymentId}`;
}
