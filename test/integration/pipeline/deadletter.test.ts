import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deadLetterMessage, listDeadLetters, retryDeadLetters } from '../../../src/pipeline/deadletter.ts';
import type { Message } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import type { LogUnderTest } from '../../conformance/eventLog.ts';
import { makeEmbedded } from '../../helpers/embedded.ts';
import { makeKafkaLog } from '../../helpers/kafkaLog.ts';
import { readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';
import { sharedKafka } from '../../helpers/services/shared.ts';

const at = '2026-11-23T00:00:00.000Z';
const later = '2026-11-24T00:00:00.000Z';
const broken = (offset: number, value: Uint8Array): Message => ({ partition: 3, offset, key: `c${offset}`, value });

function deadLetterSuite(name: string, makeLog: () => Promise<LogUnderTest>): void {
  describe(`dead letters in ${name}`, () => {
    let under: LogUnderTest;
    beforeEach(async () => {
      under = await makeLog();
    });
    afterEach(() => under.dispose());

    test('a letter is listed once with place, code, size and time, however often it was written', async () => {
      const letter = deadLetterMessage(topics.payments, broken(7, Buffer.from('not json')), 'malformed_json', at);
      await under.log.append(topics.deadletter, [letter, letter]);
      await under.log.append(topics.deadletter, [
        { key: 'x', value: Buffer.from('somebody else wrote this') },
        { key: 'x', value: Buffer.from(JSON.stringify({ topic: '\u001b[2J', code: 'x', originalBase64: '' })) },
      ]);
      expect(await listDeadLetters(under.log)).toEqual([
        {
          place: `${topics.payments}/3/7`,
          topic: topics.payments,
          partition: 3,
          offset: 7,
          code: 'malformed_json',
          at,
          bytes: 8,
          retriedAt: undefined,
          originalKey: 'c7',
          originalBase64: Buffer.from('not json').toString('base64'),
        },
      ]);
    });

    test('a retry puts the original bytes and key on their topic again, and that is remembered through a restart', async () => {
      const originals = [1, 2, 3].map((n) => broken(n, Uint8Array.of(0, 255, n)));
      const letters = originals.map((message) => deadLetterMessage(topics.payments, message, 'invalid_utf8', at));
      await under.log.append(topics.deadletter, letters);
      const [first, second] = await listDeadLetters(under.log);
      if (first === undefined || second === undefined) throw new Error('letters are missing');
      expect(await retryDeadLetters(under.log, [first, second], later)).toBe(2);
      const again = await readAll(under.log, topics.payments);
      expect(again.map(({ key, value }) => [key, [...value]]).sort()).toEqual([
        ['c1', [0, 255, 1]],
        ['c2', [0, 255, 2]],
      ]);
      under = await under.reopen();
      expect((await listDeadLetters(under.log)).map(({ retriedAt }) => retriedAt)).toEqual([later, later, undefined]);
    });
  });
}

deadLetterSuite('the embedded log', () => makeEmbedded());
describe.skipIf(!requires('kafka').met)('Kafka', () => {
  beforeAll(sharedKafka, 120_000);
  deadLetterSuite('Kafka', () => makeKafkaLog());
});
