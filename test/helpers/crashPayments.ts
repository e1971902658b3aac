/** Payments for crash tests, and the book of what was answered and what is still open. */
import { Random } from '../../src/simulator/random.ts';

const customers = 40;
const terminals = 10;

export class CrashBook {
  readonly random: Random;
  /** The decision's JSON as answered, by payment id. */
  readonly answered = new Map<string, string>();
  /** Sent and not answered, by number: they may have a decision or not, and are sent again after the restart. */
  readonly open = new Map<number, string>();
  #next = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** A new payment, now open. */
  issue(): { readonly number: number; readonly body: string } {
    const { random } = this;
    const number = this.#next++;
    const customer = random.below(customers);
    const body = JSON.stringify({
      paymentId: `crash-${number}`,
      // Often at the same moment as others, now and then late.
      occurredAt: new Date(Date.now() - random.below(5) * 250 - (random.below(20) === 0 ? 600_000 : 0)).toISOString(),
      amountMinor: 100 + random.below(10_000),
      currency: 'EUR',
      customerId: `c-${customer}`,
      cardId: `card-${customer}`,
      terminalId: `t-${random.below(terminals)}`,
    });
    this.open.set(number, body);
    return { number, body };
  }

  answer(number: number, decision: string): void {
    this.answered.set(`crash-${number}`, decision);
    this.open.delete(number);
  }
}

/** The seed of a run: given to repeat one, else of the moment; tests print it. */
export function testSeed(): number {
  return Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);
}
