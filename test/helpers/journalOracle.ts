/** Reads a data directory after the fact and holds it against a naive recount. */
import { expect } from 'vitest';
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { openEmbedded } from '../../src/adapters/sqlite/open.ts';
import type { DecisionRecord } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { ReleaseStore } from '../../src/releases/store.ts';
import { ringEventsDefault } from '../../src/features/definitions.ts';
import { createFeatureMatrix } from '../../src/features/frame.ts';
import { createPaymentDecoder } from '../../src/domain/decode.ts';
import { Payment } from '../../src/domain/payment.ts';
import { decodeRecord } from '../../src/pipeline/codec.ts';

const hourMs = 3_600_000;

interface Counted {
  readonly occurredAtMs: number;
  readonly amountMinor: number;
}

/** The features that are recounted: an entity's field, and what is computed of its payments in the window. */
const checks = [
  { name: 'customer.count.1h', field: 'customerId', windowMs: hourMs, of: (events: Counted[]) => events.length },
  { name: 'card.count.24h', field: 'cardId', windowMs: 24 * hourMs, of: (events: Counted[]) => events.length },
  { name: 'terminal.count.1h', field: 'terminalId', windowMs: hourMs, of: (events: Counted[]) => events.length },
  {
    name: 'customer.sum.amountMinor.24h',
    field: 'customerId',
    windowMs: 24 * hourMs,
    of: (events: Counted[]) => events.reduce((sum, { amountMinor }) => sum + amountMinor, 0),
  },
] as const;

/** What a check must be, and whether the entity still has all its events in the ring: then it must be that exactly. */
interface Expected {
  readonly name: string;
  readonly value: number;
  readonly inRing: boolean;
}

class Recount {
  readonly #events = new Map<string, Counted[]>();

  /** Adds the payment and returns what each check must be, itself included. */
  add(payment: Payment): Expected[] {
    for (const field of ['customerId', 'cardId', 'terminalId'] as const) {
      const key = `${field}/${String(payment[field])}`;
      this.#events.set(key, [...(this.#events.get(key) ?? []), payment]);
    }
    return checks.map(({ name, field, windowMs, of }) => {
      const events = this.#events.get(`${field}/${String(payment[field])}`) ?? [];
      const { occurredAtMs } = payment;
      const value = of(
        events.filter((e) => e.occurredAtMs <= occurredAtMs && e.occurredAtMs > occurredAtMs - windowMs),
      );
      return { name, value, inRing: events.length <= ringEventsDefault };
    });
  }
}

/** Equal; beyond the ring at most as far off as the bound that was reported with the value. */
function compare(what: string, names: readonly string[], seen: Measured, expected: readonly Expected[]): void {
  for (const { name, value, inRing } of expected) {
    const index = names.indexOf(name);
    const [measured, bound] = [seen.values[index] as number, seen.bounds[index] as number];
    if (bound === 0) expect(measured, `${name} of ${what}`).toBe(value);
    else {
      expect(inRing, `${name} of ${what} is not exact though the ring holds all`).toBe(false);
      expect(Math.abs(measured - value), `${name} of ${what}, ${measured} ± ${bound} for ${value}`).toBeLessThanOrEqual(
        bound,
      );
    }
  }
}

interface Measured {
  readonly values: Float64Array;
  readonly bounds: Float64Array;
}

/**
 * Opens the directory as a restart would and checks every decision of the journal, in order: one a payment, its features
 * equal to the recount or, beyond the ring, within the bound that it records; and then the live counters by a probe a customer.
 * @returns the decision's JSON by payment id.
 */
export async function checkJournal(dataDirectory: string): Promise<Map<string, string>> {
  const releases = new ReleaseStore(dataDirectory);
  const embedded = await openEmbedded(dataDirectory, {});
  try {
    const decoder = createPaymentDecoder();
    const recount = new Recount();
    const decisions = new Map<string, string>();
    const customers = new Map<string, Payment>();
    let releaseId = '';
    for await (const messages of embedded.log.read(topics.decisions)) {
      for (const message of messages) {
        const record: DecisionRecord = decodeRecord(message.value);
        const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
        if (!(payment instanceof Payment)) throw new Error('a recorded payment does not decode');
        expect(decisions.has(record.paymentId), `second decision of ${record.paymentId}`).toBe(false);
        decisions.set(record.paymentId, Buffer.from(record.decision).toString());
        const names = (await releases.compiled(record.releaseId)).features.names;
        const seen = { values: record.features, bounds: record.bounds };
        compare(record.paymentId, names, seen, recount.add(payment));
        customers.set(payment.customerId, payment);
        releaseId = record.releaseId;
      }
    }
    if (releaseId !== '') await probe(embedded, releases, releaseId, [...customers.values()], recount);
    return decisions;
  } finally {
    await embedded.close();
  }
}

/** One more payment for each customer: what the recovered state answers must be what the recount says. */
async function probe(
  embedded: Awaited<ReturnType<typeof openEmbedded>>,
  releases: ReleaseStore,
  releaseId: string,
  lastPayments: readonly Payment[],
  recount: Recount,
): Promise<void> {
  const release = await releases.compiled(releaseId);
  const velocity = await embedded.velocity((hooks) => createVelocityMemory(release.features, hooks));
  const { names } = release.features;
  for (const [i, last] of lastPayments.entries()) {
    const next = Object.assign(new Payment(), last, { paymentId: `probe-${i}`, occurredAtMs: last.occurredAtMs + 1 });
    const out = createFeatureMatrix(names.length, 1);
    await velocity.appendAndRead('default', [next], out, 1);
    compare(`the probe of customer ${next.customerId}`, names, out, recount.add(next));
  }
}

/** Every answer that was given is the recorded decision, byte for byte. */
export function verifyAnswers(decisions: ReadonlyMap<string, string>, answered: ReadonlyMap<string, string>): void {
  for (const [paymentId, decision] of answered) expect(decisions.get(paymentId)).toBe(decision);
}
