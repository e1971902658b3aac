/** The naive recount of a journal, against which what survived a crash is held. */
import { openJournalReader } from '../../src/adapters/sqlite/reader.ts';
import { createPaymentDecoder } from '../../src/domain/decode.ts';
import { Payment } from '../../src/domain/payment.ts';
import { type Counts, keysOf } from './forgetfulMemory.ts';

/** Mulberry32: numbers in [0, 1), the same for a seed everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const decoder = createPaymentDecoder();

export function decodePayment(json: Uint8Array): Payment {
  const payment = decoder.decode(json, Number.POSITIVE_INFINITY);
  if (!(payment instanceof Payment))
    throw new Error(`a payment of the test does not decode: ${JSON.stringify(payment)}`);
  return payment;
}

export function paymentJson(
  paymentId: string,
  customer: number,
  card: number,
  terminal: number,
  amountMinor: number,
  minute = 0,
): { payment: Payment; json: Uint8Array } {
  const json = Buffer.from(
    JSON.stringify({
      paymentId,
      occurredAt: `2026-01-05T10:${String(minute).padStart(2, '0')}:00.000Z`,
      amountMinor,
      currency: 'EUR',
      customerId: `C${customer}`,
      cardId: `K${card}`,
      terminalId: `T${terminal}`,
    }),
  );
  return { payment: decodePayment(json), json };
}

/** Everything in the journal, counted from nothing. */
export function recount(dataDir: string): { payments: Payment[]; entities: Map<string, Counts>; problems: string[] } {
  const reader = openJournalReader(dataDir);
  const payments = new Map<string, Payment>();
  const frauds = new Map<string, boolean>();
  const problems: string[] = [];
  for (let from = 0; ; ) {
    const entries = reader.readDecisions(from, 1000);
    const last = entries.at(-1);
    if (last === undefined) break;
    from = last.seq + 1;
    for (const entry of entries) {
      if (entry.kind === 'label') {
        frauds.set(entry.label.paymentId, entry.label.label === 'fraud');
        continue;
      }
      const { paymentId, payment } = entry.record;
      if (payments.has(paymentId)) problems.push(`${paymentId} is decided twice`);
      payments.set(paymentId, decodePayment(payment));
    }
  }
  reader.close();
  const entities = new Map<string, Counts>();
  for (const [id, payment] of payments) {
    for (const key of keysOf('default', payment)) {
      const { count, sum, frauds: marked } = entities.get(key) ?? { count: 0, sum: 0, frauds: 0 };
      const fraud = frauds.get(id) === true ? 1 : 0;
      entities.set(key, { count: count + 1, sum: sum + payment.amountMinor, frauds: marked + fraud });
    }
  }
  return { payments: [...payments.values()], entities, problems };
}
