// Guarantee: what the running system recorded as features is what the journal gives when it is counted again from nothing; a
// feature that is not is found and shown; and what cannot be compared is counted apart, with its reason.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournalReader } from '../../../src/adapters/sqlite/reader.ts';
import { openParity } from '../../../src/adapters/sqlite/parityLog.ts';
import { startSystem, type System } from '../../../src/cli/up/system.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import type { OpenParity } from '../../../src/pipeline/parityJob.ts';
import { checkParity } from '../../../src/pipeline/parity.ts';
import type { ParityLog, ParityOptions } from '../../../src/pipeline/parityTypes.ts';
import type { JournalEntry } from '../../../src/pipeline/sink.ts';
import { createPaymentStream } from '../../../src/simulator/stream.ts';
import { holdfast } from '../../helpers/cli.ts';
import { defaultBundle } from '../../helpers/models.ts';

const dayMs = 86_400_000;
const startMs = Math.floor(Date.now() / dayMs) * dayMs - 20 * dayMs;
const simulation = {
  seed: 5,
  customers: 40,
  terminals: 8,
  days: 15,
  profile: 'full',
  attacksPerDay: 20,
  startMs,
} as const;
const paymentsMax = 800;
const concurrent = 40;
const directory = mkdtempSync(join(tmpdir(), 'holdfast-parity-'));
const plain = await defaultBundle();
const defined = plain.features as FeatureDefinitions;
/** Accounts are also read as those that were paid; and so few events are kept one by one that busy entities have windows that are not exact. */
const inRole = { entity: 'account', as: 'counterpartyAccount' };
const features: FeatureDefinitions = {
  ...defined,
  ringEventsMax: 16,
  features: [
    ...defined.features,
    { ...inRole, aggregate: 'sum', windows: ['7d'] },
    { ...inRole, aggregate: 'sinceLast' },
    { ...inRole, aggregate: 'distinct', field: 'account', windows: ['7d'] },
    { entity: 'counterpartyAccount', as: 'account', aggregate: 'isFirst' },
  ],
  derived: [
    ...(defined.derived ?? []),
    {
      name: 'account.payersInCommon.7d',
      op: 'common',
      of: ['accountAsCounterpartyAccount.distinct.account.7d', 'counterpartyAccount.distinct.account.7d'],
    },
  ],
};
const bundle = { ...plain, features };
let reader: ReturnType<typeof openJournalReader>;
let open: OpenParity;

const start = (): Promise<System> =>
  startSystem({ dataDirectory: directory, bundle, logger: pino({ level: 'silent' }), scoringThreads: 0 });

/** Payments in groups that are in flight together, and labels of the frauds among those before. */
async function feed(
  system: System,
  payments: readonly { body: Buffer; paymentId: string; fraud: boolean }[],
): Promise<void> {
  for (let from = 0; from < payments.length; from += concurrent) {
    const group = payments.slice(from, from + concurrent);
    const nowMs = performance.now();
    const answers = group.map(({ body }) => system.service.decide('default', body, nowMs, nowMs + 60_000));
    for (const answer of await Promise.all(answers)) expect(answer.kind).toBe('decided');
    const labels = group
      .filter(({ fraud }) => fraud)
      .map(({ paymentId }) => ({
        paymentId,
        label: 'fraud' as const,
        source: 'analyst' as const,
        labelledAtMs: Date.now(),
      }));
    expect(await system.service.label('default', labels)).toEqual(labels.map(() => 'recorded'));
  }
}

beforeAll(async () => {
  const payments = [];
  for (const { payment, label } of createPaymentStream(simulation)) {
    const n: number = payments.length;
    const transfer = { ...payment, accountId: `A${n % 37}`, counterpartyAccountId: `A${(n * 7) % 41}` };
    payments.push({
      body: Buffer.from(JSON.stringify(transfer)),
      paymentId: payment.paymentId,
      fraud: label === 'fraud',
    });
    if (payments.length === paymentsMax) break;
  }
  for (const part of [payments.slice(0, 350), payments.slice(350)]) {
    const system = await start();
    try {
      await feed(system, part);
    } finally {
      await system.close();
    }
  }
  reader = openJournalReader(directory);
  open = openParity(directory);
}, 120_000);
afterAll(() => {
  reader.close();
  open.close();
  rmSync(directory, { recursive: true, force: true });
});

function options(changes: Partial<ParityOptions> = {}): ParityOptions {
  return {
    ...open.tools,
    sample: 400,
    lookBackEntries: Number.POSITIVE_INFINITY,
    seed: 1,
    decidedBeforeMs: Number.POSITIVE_INFINITY,
    entriesMax: 1e6,
    relatedPaymentsMax: 1e6,
    ...changes,
  };
}

/** The log with each entry as `change` leaves it; undefined leaves it out. */
function changed(change: (entry: JournalEntry) => JournalEntry | undefined): ParityLog {
  const { log } = open.tools;
  const all = function* (entries: Iterable<JournalEntry>): Generator<JournalEntry> {
    for (const entry of entries) {
      const left = change(entry);
      if (left !== undefined) yield left;
    }
  };
  return { ends: () => log.ends(), recent: (from) => all(log.recent(from)), inOrder: () => all(log.inOrder()) };
}

describe('the parity check', () => {
  it('finds no mismatch in what the embedded system recorded, over a restart, concurrent payments and labels', async () => {
    const report = await checkParity(options());
    expect(report).toMatchObject({ sampled: 400, compared: 400, mismatches: 0, shown: [], notComparable: {} });
    expect(report.values).toBe(400 * openFeatures());
    const inexact = reader
      .entries(1, 10_000)
      .filter((entry) => entry.kind === 'decision' && entry.record.bounds.some((bound) => bound > 0));
    expect(inexact.length).toBeGreaterThan(20);
    // Of the log only what concerns the sampled payments is counted again: also who paid their accounts.
    for (let seed = 1; seed <= 5; seed++) {
      expect(await checkParity(options({ sample: 4, seed }))).toMatchObject({
        compared: 4,
        mismatches: 0,
        withinBounds: 0,
      });
    }
    const everything = await checkParity(options({ sample: 10_000 }));
    expect(everything).toMatchObject({ sampled: paymentsMax, compared: paymentsMax, mismatches: 0, withinBounds: 0 });
  });

  it('gives up the payments of the busiest entities where there are too many, and compares the others', async () => {
    const report = await checkParity(options({ sample: 40, relatedPaymentsMax: Math.floor(paymentsMax / 3) }));
    const skipped = report.notComparable.too_many_payments ?? 0;
    expect(skipped).toBeGreaterThan(0);
    expect(report.compared).toBeGreaterThan(0);
    expect(report).toMatchObject({ compared: 40 - skipped, mismatches: 0, withinBounds: 0 });
  });

  const openFeatures = (): number => {
    const [entry] = reader.entries(1, 1);
    return entry?.kind === 'decision' ? entry.record.features.length : 0;
  };

  it('finds a feature that was recorded wrong, and shows payment, feature and both values', async () => {
    const names = open.tools.programOf(releaseOf()).names;
    const at = names.indexOf('customer.count.24h');
    let wrong: string | undefined;
    const log = changed((entry) => {
      if (entry.kind !== 'decision') return entry;
      if (wrong === undefined && entry.seq > 400) wrong = entry.record.paymentId;
      if (entry.record.paymentId !== wrong) return entry;
      const { tenantId, paymentId, occurredAtMs, decision, payment, releaseId, bounds } = entry.record;
      const features = Float64Array.from(entry.record.features);
      features[at] = (features[at] as number) + 1;
      return {
        ...entry,
        record: { tenantId, paymentId, occurredAtMs, decision, payment, releaseId, features, bounds },
      };
    });
    const report = await checkParity(options({ log, sample: 10_000 }));
    expect(report).toMatchObject({ compared: paymentsMax, mismatches: 1 });
    const [shown] = report.shown;
    expect(shown).toMatchObject({ tenantId: 'default', paymentId: wrong, feature: 'customer.count.24h' });
    expect(shown?.online).toBe((shown?.recomputed ?? 0) + 1);
  });

  it('finds a payment, and a label, that the velocity state saw and the log does not have', async () => {
    const lost = changed((entry) => (entry.kind === 'decision' && entry.seq === 20 ? undefined : entry));
    const withoutPayment = await checkParity(options({ log: lost, sample: 10_000 }));
    expect(withoutPayment.mismatches).toBeGreaterThan(0);
    const unlabelled = changed((entry) => (entry.kind === 'label' ? undefined : entry));
    const withoutLabels = await checkParity(options({ log: unlabelled, sample: 10_000 }));
    expect(withoutLabels.mismatches).toBeGreaterThan(0);
    expect(withoutLabels.shown.every(({ feature }) => feature.includes('fraud') || feature.includes('label'))).toBe(
      true,
    );
  });

  const releaseOf = (): string => {
    const [entry] = reader.entries(1, 1);
    if (entry?.kind !== 'decision') throw new Error('the journal begins with a decision');
    return entry.record.releaseId;
  };

  it('counts what cannot be compared with its reason, never as a match', async () => {
    const degraded = changed((entry) => {
      if (entry.kind !== 'decision') return entry;
      const { tenantId, paymentId, occurredAtMs, payment, releaseId, features, bounds } = entry.record;
      const before = JSON.parse(Buffer.from(entry.record.decision).toString()) as Decision;
      const decision = Buffer.from(JSON.stringify({ ...before, degraded: ['velocity:unavailable'] }));
      return {
        ...entry,
        record: { tenantId, paymentId, occurredAtMs, decision, payment, releaseId, features, bounds },
      };
    });
    const { log } = options();
    const unreadable = () => {
      throw new Error('no such release');
    };
    const outcomes: readonly [Partial<ParityOptions>, string][] = [
      [{ log: degraded }, 'velocity_degraded'],
      [{ programOf: unreadable }, 'release_unreadable'],
      [{ entriesMax: 100 }, 'log_too_long'],
      [{ log: { ...log, ends: () => ({ first: 7, last: log.ends().last }) } }, 'log_begins_later'],
    ];
    for (const [change, reason] of outcomes) {
      const report = await checkParity(options({ ...change, sample: 50 }));
      expect(report).toMatchObject({
        sampled: 50,
        compared: 0,
        values: 0,
        mismatches: 0,
        notComparable: { [reason]: 50 },
      });
    }
    expect(await checkParity(options({ decidedBeforeMs: 0 }))).toMatchObject({ sampled: 0, compared: 0 });
  });

  it('is a command whose exit code says whether anything differs', async () => {
    const run = await holdfast(['parity', '--sample', '50', '--json'], { HOLDFAST_DATA_DIR: directory });
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ mismatches: 0 });
    const none = await holdfast(['parity'], { HOLDFAST_DATA_DIR: join(directory, 'absent') });
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/no journal yet/)]);
  });
});
