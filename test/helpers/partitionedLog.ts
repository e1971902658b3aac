/** A topic of several partitions with one consumer group, in memory: what a sink needs of Kafka, with rebalances on command. */
import type { Commit, Message } from '../../src/pipeline/ports.ts';
import type { SinkSubscription } from '../../src/pipeline/partitionSink.ts';

export interface PartitionedLog {
  append(partition: number, key: string, value: Uint8Array): void;
  /** A member without partitions, until the next `assign`. */
  join(): SinkSubscription;
  /** Gives each partition to a member; who gains one goes on from its committed offset. */
  assign(owners: readonly SinkSubscription[]): void;
  /** Messages that nobody has committed. */
  lag(): number;
}

export function createPartitionedLog(partitions: number): PartitionedLog {
  const logs: Message[][] = Array.from({ length: partitions }, () => []);
  const committed: number[] = logs.map(() => 0);
  let owners: readonly SinkSubscription[] = [];
  const positions = new Map<SinkSubscription, Map<number, number>>();
  const lag = (): number => logs.reduce((sum, log, partition) => sum + log.length - (committed[partition] ?? 0), 0);

  function join(): SinkSubscription {
    let turn = 0;
    const member: SinkSubscription = {
      poll(max) {
        const mine = positions.get(member) ?? new Map<number, number>();
        for (let i = 0; i < partitions; i += 1) {
          turn = (turn + 1) % partitions;
          const from = mine.get(turn);
          const messages = from === undefined ? [] : (logs[turn] ?? []).slice(from, from + max);
          if (messages.length === 0) continue;
          mine.set(turn, (from ?? 0) + messages.length);
          return Promise.resolve(messages);
        }
        return Promise.resolve([]);
      },
      commit(commits: readonly Commit[]) {
        for (const { partition, nextOffset } of commits) {
          if (owners[partition] === member) committed[partition] = Math.max(committed[partition] ?? 0, nextOffset);
        }
        return Promise.resolve();
      },
      lag: () => Promise.resolve(lag()),
    };
    positions.set(member, new Map());
    return member;
  }

  return {
    append(partition, key, value) {
      const log = logs[partition] ?? [];
      log.push({ partition, offset: log.length, key, value });
    },
    join,
    assign(next) {
      for (const [partition, member] of next.entries()) {
        if (owners[partition] === member) continue;
        for (const mine of positions.values()) mine.delete(partition);
        positions.get(member)?.set(partition, committed[partition] ?? 0);
      }
      owners = next;
    },
    lag,
  };
}
