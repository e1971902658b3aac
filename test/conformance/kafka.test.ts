import { beforeAll, describe } from 'vitest';
import { kafkaClients, makeKafkaLog } from '../helpers/kafkaLog.ts';
import { requires } from '../helpers/requirements.ts';
import { sharedKafka } from '../helpers/services/shared.ts';
import { eventLogConformance } from './eventLog.ts';

describe.skipIf(!requires('kafka').met)('Kafka', () => {
  beforeAll(sharedKafka, 120_000);
  for (const client of kafkaClients) eventLogConformance(`Kafka by ${client}`, () => makeKafkaLog({ client }));
});
