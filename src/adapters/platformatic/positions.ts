/** Where to begin to read. */
import type { Consumer } from '@platformatic/kafka';
import { ListOffsetTimestamps } from '@platformatic/kafka';

/** By partition, the oldest offset that is left. */
export async function oldestOf(reader: Consumer, topicName: string): Promise<readonly bigint[]> {
  const listed = await reader.listOffsets({ topics: [topicName], timestamp: ListOffsetTimestamps.EARLIEST });
  return listed.get(topicName) ?? [];
}

/** By partition, the group's position; where it has none, the oldest offset. */
export async function positionsOf(
  reader: Consumer,
  topicName: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const topics = [{ topic: topicName, partitions: [...partitions] }];
  const committed = (await reader.listCommittedOffsets({ topics })).get(topicName);
  const found = new Map<number, number>();
  for (const partition of partitions) {
    // The client leaves holes where the group has nothing to say of a partition.
    const offset = committed?.[partition] ?? -1n;
    if (offset >= 0n) found.set(partition, Number(offset));
  }
  if (found.size === partitions.length) return found;
  const oldest = await oldestOf(reader, topicName);
  for (const partition of partitions) {
    const offset = oldest[partition];
    if (!found.has(partition) && offset !== undefined) found.set(partition, Number(offset));
  }
  return found;
}
