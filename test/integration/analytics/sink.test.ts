/** The sink against the real embedded engine: each journal entry is one row, whatever fails at whichever step. */
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openSinkPositions } from '../../../src/adapters/clickhouse/sinkPositions.ts';
import type { ClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import type { AnalyticsBlock } from '../../../src/pipeline/ports.ts';
import {
  createSink,
  type JournalEntry,
  type JournalSource,
  type Sink,
  type SinkPositions,
} from '../../../src/pipeline/sink.ts';
import type { BlockStore } from '../../../src/pipeline/sinkBlock.ts';
import { useChdb } from '../../helpers/chdb.ts';
import { featureNames, makeLabel, makeRecord, seededRandom, startMs } from './records.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
let directory: string;
let client: ClickHouseClient;
let database: string;
let store: ClickHouseStore;

const freshStore = useChdb((fresh) => {
  ({ client, database, store, directory } = fresh);
});
beforeEach(freshStore);

function makeJournal(decisions: number, random: () => number): { entries: JournalEntry[]; source: JournalSource } {
  const entries: JournalEntry[] = [];
  let seq = 1;
  for (let i = 0; i < decisions; i += 1) {
    const record = makeRecord(random, i);
    entries.push({ seq, kind: 'decision', record });
    seq += random() < 0.1 ? 3 : 1;
    if (random() < 0.1) entries.push({ seq: seq++, kind: 'label', label: makeLabel(random, record, startMs + i) });
  }
  const source: JournalSource = {
    readDecisions: (fromSeq, max) => entries.filter((entry) => entry.seq >= fromSeq).slice(0, max),
    lastSeq: () => entries.at(-1)?.seq ?? 0,
  };
  return { entries, source };
}

/** Rows and distinct rows of each table, in one answer: a row that was inserted twice shows as a difference. */
async function counts(): Promise<Record<string, number>> {
  const rows = await select<Record<string, number>>(
    client,
    `SELECT (SELECT count() FROM ${database}.decisions) AS decisions, (SELECT uniqExact(paymentId) FROM ${database}.decisions) AS payments,
            (SELECT count() FROM ${database}.rule_hits) AS hits, (SELECT sum(length(rules)) FROM ${database}.decisions) AS fired,
            (SELECT count() FROM ${database}.labels) AS labels`,
    {},
  );
  return rows[0] ?? {};
}

function expectedCounts(entries: readonly JournalEntry[]): Record<string, number> {
  const decisions = entries.filter((entry) => entry.kind === 'decision');
  const decoder = new TextDecoder();
  const hits = decisions.reduce((sum, entry) => {
    const decision = JSON.parse(decoder.decode(entry.record.decision)) as { rules: unknown[] };
    return sum + decision.rules.length;
  }, 0);
  return {
    decisions: decisions.length,
    payments: decisions.length,
    hits,
    fired: hits,
    labels: entries.length - decisions.length,
  };
}

/** Every effect of the sink passes here; the one whose turn it is dies before or after it took place. */
function failing(
  when: { turn: number; after: boolean },
  real: BlockStore,
  positions: SinkPositions,
): { store: BlockStore; positions: SinkPositions } {
  let turn = 0;
  const crash = (): never => {
    throw new Error('crash');
  };
  const step = <Value>(effect: () => Value): Value => {
    turn += 1;
    if (turn === when.turn && !when.after) crash();
    const value = effect();
    if (turn === when.turn && when.after) crash();
    return value;
  };
  const boundary = (): void => {
    step(() => undefined);
  };
  const insert = (method: 'insertBlock' | 'insertAgain' | 'insertAbsent') => async (block: AnalyticsBlock) => {
    // Table by table, so that a crash falls between two of them too.
    boundary();
    await real[method]({ ...block, labels: [] });
    boundary();
    await real[method](block);
    boundary();
  };
  return {
    store: {
      insertBlock: insert('insertBlock'),
      insertAgain: insert('insertAgain'),
      insertAbsent: insert('insertAbsent'),
      isEmpty: () => real.isEmpty(),
    },
    positions: {
      load: () => positions.load(),
      start: (fromSeq, absentToSeq) => step(() => positions.start(fromSeq, absentToSeq)),
      begin: (range) => step(() => positions.begin(range)),
      commit: (nextSeq) => step(() => positions.commit(nextSeq)),
    },
  };
}

async function drain(sink: Sink, source: JournalSource): Promise<void> {
  for (let steps = 0; sink.lagRows() > 0 && source.lastSeq() > 0; steps += 1) {
    if (steps > 50) throw new Error('the sink does not get to the end');
    await sink.step();
  }
}

describe(`sink (seed ${seed})`, { timeout: 120_000 }, () => {
  it('a crash before or after any of its effects, and a restart, gives each entry exactly one row', async () => {
    for (let turn = 1; turn <= 6; turn += 1) {
      for (const after of [false, true]) {
        await freshStore();
        const { entries, source } = makeJournal(300, seededRandom(seed + turn));
        const positions = openSinkPositions(join(directory, 'sink.db'));
        const broken = failing({ turn, after }, store, positions);
        const crashed = createSink({ source, ...broken, featureNamesOf: () => featureNames });
        await expect(drain(crashed, source), `turn ${turn}`).rejects.toThrow('crash');
        const restarted = createSink({ source, store, positions, featureNamesOf: () => featureNames });
        await drain(restarted, source);
        expect(await counts(), `turn ${turn}, ${after ? 'after' : 'before'}`).toEqual(expectedCounts(entries));
        positions.close();
      }
    }
  });

  it('entries that arrive between blocks, and a failing store, lose and repeat nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 }),
        async (runSeed, arrivals) => {
          await freshStore();
          const { entries, source: whole } = makeJournal(
            arrivals.reduce((a, b) => a + b, 0),
            seededRandom(runSeed),
          );
          let visible = 0;
          const source: JournalSource = {
            readDecisions: (fromSeq, max) => whole.readDecisions(fromSeq, max).filter((entry) => entry.seq <= visible),
            lastSeq: () => visible,
          };
          const positions = openSinkPositions(join(directory, 'sink.db'));
          let fail = false;
          const flaky: BlockStore = {
            ...store,
            async insertBlock(block) {
              await store.insertBlock(block);
              fail = !fail;
              if (fail) throw new Error('the answer was lost');
            },
          };
          const sink = createSink({ source, store: flaky, positions, featureNamesOf: () => featureNames });
          let shown = 0;
          for (const arrival of arrivals) {
            shown = Math.min(shown + arrival, entries.length);
            visible = entries[shown - 1]?.seq ?? visible;
            await sink.step().catch(() => undefined);
          }
          visible = entries.at(-1)?.seq ?? 0;
          for (let i = 0; i < 4; i += 1) await sink.step().catch(() => undefined);
          expect(sink.lagRows()).toBe(0);
          expect(await counts()).toEqual(expectedCounts(entries));
          positions.close();
        },
      ),
      { numRuns: 6, seed },
    );
  });

  it('a lost position file costs time, not rows: what the store holds is not inserted again', async () => {
    const { entries, source } = makeJournal(500, seededRandom(seed));
    const first = openSinkPositions(join(directory, 'lost-1.db'));
    await drain(createSink({ source, store, positions: first, featureNamesOf: () => featureNames }), source);
    first.close();
    const second = openSinkPositions(join(directory, 'lost-2.db'));
    const sink = createSink({ source, store, positions: second, featureNamesOf: () => featureNames });
    await drain(sink, source);
    expect(await counts()).toEqual(expectedCounts(entries));
    second.close();
  });

  it('a release that cannot be read stops the sink with a reason, and nothing is lost when it is back', async () => {
    const { entries, source } = makeJournal(50, seededRandom(seed));
    const positions = openSinkPositions(join(directory, 'release.db'));
    let known = false;
    const sink = createSink({ source, store, positions, featureNamesOf: () => (known ? featureNames : undefined) });
    await expect(sink.step()).rejects.toThrow(/feature names of release a+ cannot be read/);
    expect(sink.lagRows()).toBeGreaterThan(0);
    known = true;
    await drain(sink, source);
    expect(await counts()).toEqual(expectedCounts(entries));
    positions.close();
  });
});
