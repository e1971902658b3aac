// Guarantee: a clock that is set back does not silence a member of a consumer group.
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import '../../../src/adapters/kafka/repair.ts';

interface Group {
  memberId: string;
  coordinator: { heartbeat(): Promise<void> };
  lastRequest: number;
  heartbeat(options: { readonly interval: number }): Promise<void>;
}

const load = createRequire(import.meta.url);
const ConsumerGroup = load('kafkajs/src/consumer/consumerGroup') as new (options: unknown) => Group;
const intervalMs = 1000;

test('its heartbeats go on, no more often than they should', async () => {
  const group = new ConsumerGroup({ logger: { namespace: () => ({}) }, instrumentationEmitter: { emit: () => {} } });
  let beats = 0;
  group.memberId = 'm';
  group.coordinator = {
    heartbeat() {
      beats++;
      return Promise.resolve();
    },
  };
  group.lastRequest = 0;
  for (let i = 0; i < 5; i++) await group.heartbeat({ interval: intervalMs });
  expect(beats).toBe(1);
  // As it is when the clock was an hour ahead until now.
  group.lastRequest = Date.now() + 3_600_000;
  for (let i = 0; i < 5; i++) await group.heartbeat({ interval: intervalMs });
  expect(beats).toBe(2);
});
