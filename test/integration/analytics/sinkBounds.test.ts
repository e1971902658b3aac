/** The sink's bounds: the size of a block, the pace of blocks, and the pace of retries. No engine is needed to see them. */
import { describe, expect, it } from 'vitest';
import type { AnalyticsBlock } from '../../../src/pipeline/ports.ts';
import {
  createSink,
  type JournalEntry,
  liveIntervalMs,
  runSink,
  type SinkPosition,
  type SinkPositions,
} from '../../../src/pipeline/sink.ts';
import { blockBytesMax, blockRowsMax, type BlockStore } from '../../../src/pipeline/sinkBlock.ts';
import { featureNames, makeRecord, seededRandom } from './records.ts';

function memoryPositions(): SinkPositions {
  let position: SinkPosition | undefined;
  const now = (): SinkPosition => position ?? { nextSeq: 0, pending: undefined, absentToSeq: 0, powerLost: false };
  return {
    load: () => position,
    start: (nextSeq, absentToSeq) => (position = { ...now(), nextSeq, absentToSeq }),
    begin: (pending) => (position = { ...now(), pending }),
    commit: (nextSeq) => (position = { ...now(), nextSeq, pending: undefined }),
  };
}

function watchingStore(onBlock: (block: AnalyticsBlock) => void): BlockStore {
  const insert = async (block: AnalyticsBlock): Promise<void> => onBlock(block);
  return { insertBlock: insert, insertAgain: insert, insertAbsent: insert, isEmpty: () => Promise.resolve(true) };
}

/** `count` entries that share one record, so that the journal costs nothing. */
function journalOf(count: number, entry: JournalEntry) {
  return {
    readDecisions: (fromSeq: number, max: number): JournalEntry[] => {
      const from = Math.max(fromSeq, 1);
      return Array.from({ length: Math.max(0, Math.min(max, count - from + 1)) }, (_, i) => ({
        ...entry,
        seq: from + i,
      }));
    },
    lastSeq: () => count,
  };
}

const record = makeRecord(seededRandom(1), 1);
const label = { tenantId: 'default', paymentId: 'p', label: 'fraud', source: 'other', labelledAtMs: 1 } as const;

describe('sink bounds', () => {
  it('blocks of large payments stay under the bytes of a block, blocks of small entries under its rows', async () => {
    const sizes: { rows: number; bytes: number }[] = [];
    const store = watchingStore(({ rows, labels }) => {
      const bytes = rows.reduce((sum, row) => sum + row.record.decision.byteLength + row.record.payment.byteLength, 0);
      sizes.push({ rows: rows.length + labels.length, bytes });
    });
    const large = { ...record, payment: new Uint8Array(16_384) };
    for (const [count, entry] of [
      [3_000, { seq: 0, kind: 'decision', record: large }],
      [blockRowsMax + 10, { seq: 0, kind: 'label', label }],
    ] as const) {
      const source = journalOf(count, entry);
      const sink = createSink({ source, store, positions: memoryPositions(), featureNamesOf: () => featureNames });
      while (sink.lagRows() > 0) expect((await sink.step()).full).toBe(sink.lagRows() > 0);
    }
    expect(sizes.reduce((sum, size) => sum + size.rows, 0)).toBe(3_000 + blockRowsMax + 10);
    expect(sizes.every((size) => size.bytes <= blockBytesMax && size.rows <= blockRowsMax)).toBe(true);
    expect(sizes.length).toBeLessThan(8);
  });

  it('at the end of the log it waits between blocks; behind, it does not; a failure is retried ever later, within a bound', async () => {
    const waits: number[] = [];
    const stop = new AbortController();
    const steps = [
      { rows: 9, full: true },
      { rows: 1, full: false },
      { rows: 0, full: false },
    ];
    const sink = {
      step: () => {
        const step = steps.shift();
        return step === undefined ? Promise.reject(new Error('away')) : Promise.resolve(step);
      },
    };
    const wait = (ms: number): Promise<void> => {
      waits.push(ms);
      if (waits.length === 12) stop.abort();
      return Promise.resolve();
    };
    let errors = 0;
    await runSink(sink, { wait, onStep: () => undefined, onError: () => (errors += 1) }, stop.signal);
    expect(waits.slice(0, 2)).toEqual([liveIntervalMs, liveIntervalMs]);
    const retries = waits.slice(2);
    expect(errors).toBe(retries.length);
    expect(retries).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000]);
  });
});
