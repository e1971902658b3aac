/** The analytics store as the sinks see it: inserts with tokens, look-ups before them, and ranges that were begun. */
import { AnalyticsUnavailable } from '../../../src/pipeline/analyticsErrors.ts';
import type { PartitionRange, PartitionStore } from '../../../src/pipeline/partitionSink.ts';
import type { AnalyticsBlock } from '../../../src/pipeline/ports.ts';
import { call, type CallFaults } from './calls.ts';
import type { Actor, World } from './world.ts';

interface Row {
  readonly key: string;
  readonly content: string;
}

const latencyMs = 20;
const slowMs = 1500;
const timeoutMs = 5_000;
/** As src/adapters/clickhouse/insert.ts. */
const repairRoundsMax = 3;

function rowsOf({ rows, labels }: AnalyticsBlock): readonly Row[] {
  return [
    ...rows.map(({ record }) => ({ key: record.paymentId, content: Buffer.from(record.decision).toString() })),
    ...labels.map(({ paymentId, label, source, labelledAtMs }) => {
      const key = `label ${paymentId} ${label} ${source} ${labelledAtMs}`;
      return { key, content: key };
    }),
  ];
}

export class SimAnalytics {
  readonly world: World;
  readonly rows: Row[] = [];
  readonly #tokens = new Set<string>();
  readonly #ranges: PartitionRange[] = [];
  faults: CallFaults;

  constructor(world: World, faults: CallFaults) {
    this.world = world;
    this.faults = faults;
  }

  client(actor: Actor): PartitionStore {
    const ask = <T>(what: string, effect: (whole: boolean) => T): Promise<T> =>
      call({
        actor,
        what: `analytics ${what}`,
        faults: this.faults,
        latencyMs,
        slowMs,
        timeoutMs,
        effect,
        failure: (why) => new AnalyticsUnavailable(`simulated: ${why}`),
      });
    const insert = (rows: readonly Row[], token: string): Promise<void> =>
      rows.length === 0
        ? Promise.resolve()
        : ask(`insert ${rows.map(({ key }) => key).join(',')}`, (whole) => this.#insert(rows, token, whole));
    const missing = (rows: readonly Row[]): Promise<readonly Row[]> =>
      ask('look up', () => {
        const present = new Set(this.rows.map(({ key }) => key));
        return rows.filter(({ key }) => !present.has(key));
      });
    const absent = async (rows: readonly Row[], token: string) => {
      const own = await missing(rows);
      return { own, ownToken: own.length === rows.length ? token : `${token}:absent:${own.length}` };
    };
    const insertSurely = async (rows: readonly Row[], token: string): Promise<void> => {
      await insert(rows, token);
      for (let round = 1; round <= repairRoundsMax; round++) {
        const left = await missing(rows);
        if (left.length === 0) return;
        await insert(left, `${token}:repair:${round}:${left.length}`);
      }
      if ((await missing(rows)).length > 0) throw new AnalyticsUnavailable('rows stay absent');
    };
    return {
      rangesFrom: (topic, partition, offset) =>
        ask('ranges', () =>
          this.#ranges.filter(
            (range) => range.topic === topic && range.partition === partition && range.lastOffset >= offset,
          ),
        ),
      beginRange: (range) =>
        ask(`begin ${range.partition}/${range.firstOffset}-${range.lastOffset}`, () => {
          this.#ranges.push(range);
        }),
      insertNew: async (block) => {
        const { own, ownToken } = await absent(rowsOf(block), block.token);
        await insert(own, ownToken);
      },
      insertAbsent: async (block) => {
        const { own, ownToken } = await absent(rowsOf(block), block.token);
        if (own.length > 0) await insertSurely(own, ownToken);
      },
    };
  }

  /** A server that dies in the middle may have kept the token and not the rows. */
  #insert(rows: readonly Row[], token: string, whole: boolean): void {
    if (this.#tokens.has(token)) return;
    this.#tokens.add(token);
    if (!whole && this.world.random.chance(0.2)) return;
    this.rows.push(...rows);
  }
}
