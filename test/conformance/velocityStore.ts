/** What every VelocityStore must do, embedded or not; the arithmetic of features has its own tests. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Payment } from '../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../src/features/frame.ts';
import { compileFeatures } from '../../src/features/program.ts';
import type { FeatureProgram } from '../../src/features/types.ts';
import type { DecisionStore, VelocityStore } from '../../src/pipeline/ports.ts';
import { decodePayment } from '../helpers/journalHistory.ts';
import { noDeadlines, recordOf } from './records.ts';

export interface VelocityUnderTest {
  readonly velocity: VelocityStore;
  readonly decisions: DecisionStore;
  /** The same data through new connections, as after a restart. The old ones are closed by it. */
  reopen(): Promise<VelocityUnderTest>;
  /** Closes it and removes what it made. */
  dispose(): Promise<void>;
}

const program = compileFeatures({
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h', '30d'] },
    { entity: 'customer', aggregate: 'sum', field: 'amountMinor', windows: ['24h'] },
    { entity: 'terminal', aggregate: 'count', windows: ['1h'] },
    { entity: 'terminal', aggregate: 'fraudRate', windows: ['24h'] },
  ],
});
const names = [
  'customer.count.1h',
  'customer.sum.amountMinor.24h',
  'terminal.count.1h',
  'terminal.fraudRate.24h',
] as const;

const startMs = Date.UTC(2026, 0, 5, 10);
let made = 0;

interface Sample {
  readonly payment: Payment;
  readonly json: Uint8Array;
}

function sample(
  customer: string,
  options: { terminal?: string; amountMinor?: number; minutes?: number; id?: string } = {},
): Sample {
  const { terminal, amountMinor = 100, minutes = 0, id = `v${++made}` } = options;
  const json = Buffer.from(
    JSON.stringify({
      paymentId: id,
      occurredAt: new Date(startMs + minutes * 60_000).toISOString(),
      amountMinor,
      currency: 'EUR',
      customerId: customer,
      terminalId: terminal,
    }),
  );
  return { payment: decodePayment(json), json };
}

export function velocityStoreConformance(
  name: string,
  makeStore: (program: FeatureProgram) => Promise<VelocityUnderTest>,
): void {
  describe(`velocity store: ${name}`, () => {
    let under: VelocityUnderTest;
    let batch = 0;
    beforeEach(async () => {
      batch = 0;
      under = await makeStore(program);
    });
    afterEach(() => under.dispose());

    /** Appends and reads; one row of features a payment, in the order of `names`. */
    async function append(samples: readonly Sample[], tenantId = 'default'): Promise<(number | undefined)[][]> {
      const width = program.names.length;
      const out = createFeatureMatrix(width, samples.length);
      const payments = samples.map(({ payment }) => payment);
      await under.velocity.appendAndRead(tenantId, payments, out, ++batch);
      return samples.map((_, row) => names.map((each) => out.values[row * width + program.names.indexOf(each)]));
    }

    async function record(samples: readonly Sample[], tenantId = 'default'): Promise<void> {
      const records = samples.map(({ payment, json }) => ({
        ...recordOf(payment.paymentId, { tenantId }),
        payment: json,
      }));
      await under.decisions.record(records, noDeadlines(records), batch, []);
    }

    async function decide(samples: readonly Sample[], tenantId = 'default'): Promise<(number | undefined)[][]> {
      const features = await append(samples, tenantId);
      await record(samples, tenantId);
      return features;
    }

    const counts = (rows: (number | undefined)[][]): (number | undefined)[] => rows.map(([count]) => count);

    test('payments of one customer at the same moment are counted one after another, in the order given', async () => {
      const rows = await decide(Array.from({ length: 24 }, () => sample('c')));
      expect(counts(rows)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
      expect(rows.at(-1)?.[1]).toBe(2400);
    });

    test('calls at the same time lose no payment and count none twice', async () => {
      const calls = Array.from({ length: 16 }, () => [sample('c'), sample('d')]);
      const rows = (await Promise.all(calls.map((samples) => decide(samples)))).flat();
      expect(counts(rows).sort((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: 32 }, (_, i) => 1 + (i >> 1)),
      );
    });

    test('a payment that comes again is counted once and sees the same', async () => {
      const again = { ...sample('c', { id: 'again' }) };
      await decide([sample('c')]);
      expect(counts(await append([again]))).toEqual([2]);
      expect(counts(await append([again]))).toEqual([2]);
      await record([again]);
      expect(counts(await decide([sample('c')]))).toEqual([3]);
    });

    test('a late payment is counted where it belongs', async () => {
      await decide([sample('c', { minutes: 0 }), sample('c', { minutes: 90 })]);
      expect(counts(await decide([sample('c', { minutes: 30 })]))).toEqual([2]);
      expect(counts(await decide([sample('c', { minutes: 89 })]))).toEqual([2]);
      expect(counts(await decide([sample('c', { minutes: 91 })]))).toEqual([3]);
    });

    test('a missing entity has missing features, and others are not touched by it', async () => {
      const [without] = await decide([sample('c')]);
      expect(without?.[2]).toBeNaN();
      const [first] = await decide([sample('c', { terminal: 't' })]);
      expect(first?.slice(0, 3)).toEqual([2, 200, 1]);
    });

    test('tenants do not see each other', async () => {
      await decide([sample('c')], 'one');
      expect(counts(await decide([sample('c')], 'two'))).toEqual([1]);
      expect(counts(await decide([sample('c')], 'one'))).toEqual([2]);
    });

    test('a payment that was taken out again was never there', async () => {
      const kept = sample('c');
      const gone = sample('c', { amountMinor: 5000 });
      await append([kept, gone]);
      await record([kept]);
      under.velocity.retract('default', gone.payment);
      expect((await decide([sample('c')]))[0]?.slice(0, 2)).toEqual([2, 200]);
      expect((await decide([gone]))[0]?.slice(0, 2)).toEqual([3, 5200]);
    });

    test('a label counts for the entities of its payment, can be changed, and is counted once', async () => {
      const samples = Array.from({ length: 4 }, () => sample('c', { terminal: 't' }));
      await decide(samples);
      const mark = async (i: number, fraud: boolean, at: number): Promise<void> => {
        const { payment } = samples[i] as Sample;
        await under.velocity.markLabel('default', payment, fraud, ++batch);
        const label = {
          paymentId: payment.paymentId,
          label: fraud ? 'fraud' : 'legitimate',
          source: 'analyst',
          labelledAtMs: at,
        } as const;
        await under.decisions.recordLabels('default', [label], batch);
      };
      const rate = async (): Promise<number | undefined> => (await decide([sample('d', { terminal: 't' })]))[0]?.[3];
      await mark(0, true, 1);
      await mark(0, true, 2);
      await mark(1, true, 3);
      expect(await rate()).toBeCloseTo(2 / 5, 12);
      await mark(0, false, 4);
      expect(await rate()).toBeCloseTo(1 / 6, 12);
      under = await under.reopen();
      expect(await rate()).toBeCloseTo(1 / 7, 12);
    });

    test('after a restart everything that was recorded counts, once, and nothing else', async () => {
      await decide(Array.from({ length: 60 }, (_, i) => sample(`c${i % 3}`, { terminal: 't' })));
      const gone = sample('c0');
      await append([gone]);
      under.velocity.retract('default', gone.payment);
      under = await under.reopen();
      const rows = await decide([sample('c0', { terminal: 't' }), sample('c1'), sample('new')]);
      expect(rows.map((row) => row.slice(0, 3))).toEqual([
        [21, 2100, 61],
        [21, 2100, Number.NaN],
        [1, 100, Number.NaN],
      ]);
    });
  });
}
