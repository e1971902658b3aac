/** The ranges that sinks over a partitioned log have begun, in a table beside what they insert. */
import type { ClickHouseClient } from '@clickhouse/client';
import type { PartitionRange } from '../../pipeline/partitionSink.ts';
import { run, select } from './client.ts';

/** Ranges that can be open after one offset: one a sink that had the partition, and those are few. */
const rangesMax = 100;

/** Ranges of the partition that end at `offset` or after it, those begun first ahead. */
export async function rangesFrom(
  client: ClickHouseClient,
  database: string,
  at: { readonly topic: string; readonly partition: number; readonly offset: number },
): Promise<readonly PartitionRange[]> {
  return await select<PartitionRange>(
    client,
    `SELECT topic, partition, firstOffset, lastOffset FROM ${database}.sink_ranges
     WHERE topic = {topic:String} AND partition = {partition:UInt32} AND lastOffset >= {offset:UInt64}
     ORDER BY begunAt, firstOffset, lastOffset LIMIT ${rangesMax}`,
    { ...at },
  );
}

/** Writes a range down; on disk when it resolves. */
export async function beginRange(client: ClickHouseClient, database: string, range: PartitionRange): Promise<void> {
  const { topic, partition, firstOffset, lastOffset } = range;
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic)) throw new RangeError('not the name of a topic');
  await run(
    client,
    `INSERT INTO ${database}.sink_ranges (topic, partition, firstOffset, lastOffset) SETTINGS async_insert = 0
     VALUES ('${topic}', ${Math.trunc(partition)}, ${Math.trunc(firstOffset)}, ${Math.trunc(lastOffset)})`,
  );
}
