/** Reads a data directory after the fact and holds it against a naive recount. */
import { expect } from 'vitest';
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { openEmbedded } from '../../src/adapters/sqlite/open.ts';
import type { DecisionRecord } from '../../src/pipeline/ports.ts';
import { topics } from '../../src/pipeline/ports.ts';
import { ReleaseStore } from '../../src/releases/store.ts';
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

class Recount {
  readonly #events = new Map<string, Counted[]>();

  /** Adds the payment and returns what each check must be, itself included. */
  add(payment: Payment): number[] {
    for (const field of ['customerId', 'cardId', 'terminalId'] as const) {
      const key = `${field}/${String(payment[field])}`;
      this.#events.set(key, [...(this.#events.get(key) ?? []), payment]);
    }
    return checks.map(({ field, windowMs, of }) => {
      const events = this.#events.get(`${field}/${String(payment[field])}`) ?? [];
      const { occurredAtMs } = payment;
      return of(events.filter((e) => e.occurredAtMs <= occurredAtMs && e.occurredAtMs > occurredAtMs - windowMs));
    });
  }
}

/**
 * Opens the directory as a restart would and checks every decision of the journal, in order: one a payment, its features
 * equal to the recount; and then the live counters by a probe a customer.
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
    for (let from = 0; ; ) {
      const messages = await embedded.log.poll('oracle', topics.decisions, 500, from);
      const last = messages.at(-1);
      if (last === undefined) break;
      from = last.offset + 1;
      for (const message of messages) {
        const record: DecisionRecord = decodeRecord(message.value);
        const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
        if (!(payment instanceof Payment)) throw new Error('a recorded payment does not decode');
        expect(decisions.has(record.paymentId), `second decision of ${record.paymentId}`).toBe(false);
        decisions.set(record.paymentId, Buffer.from(record.decision).toString());
        const names = (await releases.compiled(record.releaseId)).features.names;
        const seen = checks.map(({ name }) => record.features[names.indexOf(name)]);
        expect(seen, `features of ${record.paymentId}`).toEqual(recount.add(payment));
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
    const seen = checks.map(({ name }) => out.values[names.indexOf(name)]);
    expect(seen, `counters of customer ${next.customerId}`).toEqual(recount.add(next));
  }
}

/** Every answer that was given is the recorded decision, byte for byte. */
export function verifyAnswers(decisions: ReadonlyMap<string, string>, answered: ReadonlyMap<string, string>): void {
  for (const [paymentId, decision] of answered) expect(decisions.get(paymentId)).toBe(decision);
}
