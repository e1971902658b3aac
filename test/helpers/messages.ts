/** Reading topics in tests. */
import type { EventLog, Message, Subscription, Topic } from '../../src/pipeline/ports.ts';

/** Longest single wait: what waits for messages waits again, until the test's own timeout. */
const pollMs = 1000;
const pollMessagesMax = 500;

export async function readAll(log: EventLog, topic: Topic): Promise<Message[]> {
  const all: Message[] = [];
  for await (const page of log.read(topic)) all.push(...page);
  return all;
}

/** Polls until `count` messages or more have come. */
export async function pollCount(subscription: Subscription, count: number, max = pollMessagesMax): Promise<Message[]> {
  const all: Message[] = [];
  while (all.length < count) all.push(...(await subscription.poll(Math.min(max, count - all.length), pollMs)));
  return all;
}
