/** Which payments a process is still to count: with Redis away they wait in its memory, and are lost with it. */
import type { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import type { Payment } from '../../../src/domain/payment.ts';
import type { VelocityStore } from '../../../src/pipeline/ports.ts';

export class Uncounted {
  readonly #store: RedisVelocityStore;
  /** Sent and not answered. */
  readonly #sent = new Map<Payment, number>();
  /** Refused or missed, to be counted later. */
  readonly #waiting = new Set<string>();

  constructor(store: RedisVelocityStore) {
    this.#store = store;
  }

  /** The store, watched. */
  readonly velocity: VelocityStore = {
    appendAndRead: async (tenantId, payments, ...rest) => {
      const own = [...payments];
      for (const payment of own) this.#sent.set(payment, 1);
      try {
        return await this.#store.appendAndRead(tenantId, payments, ...rest);
      } catch (error) {
        for (const { paymentId } of own) this.#waiting.add(paymentId);
        throw error;
      } finally {
        for (const payment of own) this.#sent.delete(payment);
      }
    },
    missed: (tenantId, payments) => {
      for (const { paymentId } of payments) this.#waiting.add(paymentId);
      this.#store.missed(tenantId, payments);
    },
    retract: (tenantId, payment) => this.#store.retract(tenantId, payment),
    markLabel: (tenantId, payment, fraud) => this.#store.markLabel(tenantId, payment, fraud),
  };

  /** As of now. */
  ids(): readonly string[] {
    const sent = [...this.#sent.keys()].map(({ paymentId }) => paymentId);
    if (this.#store.state().backlog === 0) this.#waiting.clear();
    return [...sent, ...this.#waiting];
  }
}
