import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded } from '../../../src/adapters/sqlite/open.ts';
import { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { deadLetterMessage } from '../../../src/pipeline/deadletter.ts';
import type { EventLog } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { holdfast } from '../../helpers/cli.ts';
import { readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';
import type { KafkaServer } from '../../../scripts/services/kafka.ts';
import { startKafka } from '../../../scripts/services/kafka.ts';

const payload = '{"customerId":"someone"}';
const letters = [1, 2].map((offset) =>
  deadLetterMessage(
    topics.payments,
    { partition: 0, offset, key: 'someone', value: Buffer.from(payload) },
    'invalid_payment',
    new Date(Date.now() - 3_600_000 * 5).toISOString(),
  ),
);

/** What an operator does: look, mend, retry one, look, retry the rest. */
async function retryOneByOne(environment: NodeJS.ProcessEnv): Promise<void> {
  const shown = await holdfast(['deadletter', 'list'], environment);
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expect(shown.stdout).toContain(`${topics.payments}/0/1  invalid_payment  5 h old, ${payload.length} bytes`);
  expect(shown.stdout).not.toContain('someone');
  expect((await holdfast(['deadletter', 'list', '--payload'], environment)).stdout).toContain(payload);

  expect(await holdfast(['deadletter', 'retry'], environment)).toMatchObject({ code: 2 });
  expect(await holdfast(['deadletter', 'retry', 'nowhere/0/0'], environment)).toMatchObject({ code: 2 });
  const one = await holdfast(['deadletter', 'retry', `${topics.payments}/0/2`, '--json'], environment);
  expect([one.code, JSON.parse(one.stdout)]).toEqual([0, { retried: 1 }]);
  const left = await holdfast(['deadletter', 'list', '--json'], environment);
  expect(JSON.parse(left.stdout)).toMatchObject([{ place: `${topics.payments}/0/1`, retriedAt: null }]);

  const rest = await holdfast(['deadletter', 'retry', '--all', '--json'], environment);
  expect([rest.code, JSON.parse(rest.stdout)]).toEqual([0, { retried: 1 }]);
  expect((await holdfast(['deadletter', 'list'], environment)).stdout).toBe('no dead letters\n');
  const all = await holdfast(['deadletter', 'list', '--all', '--json'], environment);
  expect(JSON.parse(all.stdout)).toHaveLength(2);
}

async function expectRetried(log: EventLog): Promise<void> {
  expect((await readAll(log, topics.payments)).map(({ value }) => Buffer.from(value).toString())).toEqual([
    payload,
    payload,
  ]);
}

describe('holdfast deadletter shows what could not be decided and puts it on its topic again', {
  timeout: 60_000,
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-deadletter-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('in the data directory; beside a running Holdfast it lists, and does not write', async () => {
    const environment = { HOLDFAST_DATA_DIR: directory };
    expect(await holdfast(['deadletter', 'list'], { HOLDFAST_DATA_DIR: join(directory, 'none') })).toMatchObject({
      code: 1,
    });
    const before = await openEmbedded(directory);
    await before.log.append(topics.deadletter, letters);
    expect(await holdfast(['deadletter', 'list'], environment)).toMatchObject({ code: 0 });
    const refused = await holdfast(['deadletter', 'retry', '--all'], environment);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('stop it')]);
    await before.close();
    await retryOneByOne(environment);
    const after = await openEmbedded(directory);
    await expectRetried(after.log);
    await after.close();
  });

  describe.skipIf(!requires('kafka').met)('in Kafka', () => {
    let server: KafkaServer;
    beforeAll(async () => {
      // The command knows no prefix: a broker of its own.
      server = await startKafka();
    }, 120_000);
    afterAll(() => server.stop());

    test('the same; a Kafka that is away is exit code 3', async () => {
      const log = new KafkaEventLog({ connection: { brokers: [server.brokers] } });
      await log.append(topics.deadletter, letters);
      await retryOneByOne({ KAFKA_BROKERS: server.brokers });
      await expectRetried(log);
      await log.close();
      expect(await holdfast(['deadletter', 'list'], { KAFKA_BROKERS: '127.0.0.1:1' })).toMatchObject({ code: 3 });
    });
  });
});
