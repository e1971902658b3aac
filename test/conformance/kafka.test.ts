import { beforeAll, describe, expect, it } from 'vitest';
import { topics } from '../../src/pipeline/ports.ts';
import { kafkaClients, makeKafkaLog } from '../helpers/kafkaLog.ts';
import { requires } from '../helpers/requirements.ts';
import { sharedKafka } from '../helpers/services/shared.ts';
import { eventLogConformance } from './eventLog.ts';

describe.skipIf(!requires('kafka').met)('Kafka', () => {
  beforeAll(sharedKafka, 120_000);
  for (const client of kafkaClients) {
    eventLogConformance(`Kafka by ${client}`, () => makeKafkaLog({ client }));

    it(`no more than asked for is read of a topic's end, each with its time, by ${client}`, async () => {
      const under = await makeKafkaLog({ client });
      const messages = Array.from({ length: 2_000 }, (_, i) => ({ key: `k${i}`, value: Buffer.from(String(i)) }));
      await under.log.append(topics.labels, messages);
      const read = [];
      for await (const page of under.log.read(topics.labels, 200)) read.push(...page);
      expect(read.length).toBe(200);
      expect(read.every(({ appendedAtMs }) => appendedAtMs !== undefined)).toBe(true);
      await under.dispose();
    }, 60_000);
  }
});
