/** Whether a history has come to rest, and if not, what is left. */
import { outboxGroup } from '../../../src/pipeline/outbox.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { streamGroup } from '../../../src/pipeline/stream.ts';
import type { SimKafka } from './kafka.ts';
import type { Machine } from './machines.ts';
import type { Plan } from './plan.ts';
import { sinkGroups } from './sink.ts';

/** Topics that are read to their end, by group. */
const consumed = [
  [streamGroup, topics.payments],
  ['holdfast-labels', topics.labels],
] as const;
const sunk = [
  [sinkGroups[topics.decisions], topics.decisions],
  [sinkGroups[topics.labels], topics.labels],
] as const;
const journalled = [
  [streamGroup, topics.payments],
  [outboxGroup, topics.decisions],
] as const;

function machineLeft({ name, disk, process, stopping }: Machine): string[] {
  const left: string[] = [];
  if (process === undefined || stopping) left.push(`${name} is down`);
  if (disk.spooled.length > 0) left.push(`${name} has ${disk.spooled.length} messages in its spool`);
  const uncounted = process?.decider?.uncounted() ?? [];
  if (uncounted.length > 0) left.push(`${name} is still to count ${uncounted.join(', ')}`);
  for (const [group, topic] of journalled) {
    const messages = disk.journal.of(topic).length - disk.journal.position(group, topic);
    if (messages > 0) left.push(`${group} has ${messages} messages of the journal of ${name} left`);
  }
  return left;
}

/** What is left to do; empty at rest. */
export function leftOver(plan: Plan, kafka: SimKafka, machines: readonly Machine[], waiting: number): string[] {
  const left = machines.flatMap(machineLeft);
  for (const [name, topic] of plan.sinks > 0 ? [...consumed, ...sunk] : consumed) {
    const { committed } = kafka.groupOf(name, topic);
    kafka.listsOf(topic).forEach((list, partition) => {
      const messages = list.length - committed[partition]!;
      if (messages > 0) left.push(`${name} has ${messages} messages of partition ${partition} left`);
    });
  }
  if (kafka.world.nowMs < plan.lastAtMs) left.push('not everything has been sent');
  if (waiting > 0) left.push(`${waiting} senders wait`);
  return left;
}
