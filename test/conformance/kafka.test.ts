import { beforeAll, describe } from 'vitest';
import { makeKafkaLog } from '../helpers/kafkaLog.ts';
import { requires } from '../helpers/requirements.ts';
import { sharedKafka } from '../helpers/services/shared.ts';
import { eventLogConformance } from './eventLog.ts';

describe.skipIf(!requires('kafka').met)('Kafka by kafkajs', () => {
  beforeAll(sharedKafka, 120_000);
  eventLogConformance('kafka', () => makeKafkaLog());
});
