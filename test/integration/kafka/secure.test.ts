// Guarantee: over TLS and with each way to log in, messages go to a real broker and come back; without the right certificate,
// password or protocol nothing does, the sentence says that Kafka does not answer, and no password stands in it.
import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kafkaJars } from '../../../scripts/services/install.ts';
import type { KafkaServer } from '../../../scripts/services/kafka.ts';
import { startKafka } from '../../../scripts/services/kafka.ts';
import { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { connectionOf } from '../../../src/adapters/kafka/settings.ts';
import type { SaslMechanism } from '../../../src/adapters/kafka/options.ts';
import { LogUnavailable } from '../../../src/pipeline/logErrors.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { kafkaClients } from '../../helpers/kafkaLog.ts';
import { readAll } from '../../helpers/messages.ts';
import { requires } from '../../helpers/requirements.ts';

const execute = promisify(execFile);
const username = 'holdfast';
const password = randomUUID();
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

describe.skipIf(!requires('kafka').met)('Kafka over TLS with a login', { timeout: 60_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-secure-'));
  const fileOf = (name: string): string => join(directory, name);
  const told: string[] = [];
  let server: KafkaServer;

  function makeCertificate(name: string): void {
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`];
    const files = ['-keyout', fileOf(`${name}.key`), '-out', fileOf(`${name}.pem`)];
    execFileSync('openssl', [...args, '-addext', 'subjectAltName=IP:127.0.0.1', ...files], { stdio: 'ignore' });
  }
  const text = (name: string): string => readFileSync(fileOf(name), 'utf8').replaceAll('\n', '\\n');
  const module = (name: string): string => `org.apache.kafka.common.security.${name}LoginModule required`;

  async function addUser(mechanism: string): Promise<void> {
    const tool = ['-cp', `${kafkaJars}/*`, 'kafka.admin.ConfigCommand', '--bootstrap-server', server.brokers];
    const login = ['--add-config', `${mechanism}=[password=${password}]`];
    await execute('java', [...tool, '--alter', ...login, '--entity-type', 'users', '--entity-name', username]);
  }

  beforeAll(async () => {
    makeCertificate('broker');
    makeCertificate('stranger');
    server = await startKafka({
      secure: {
        'sasl.enabled.mechanisms': mechanisms.map((name) => name.toUpperCase()).join(','),
        'plain.sasl.jaas.config': `${module('plain.Plain')} user_${username}="${password}";`,
        'scram-sha-256.sasl.jaas.config': `${module('scram.Scram')};`,
        'scram-sha-512.sasl.jaas.config': `${module('scram.Scram')};`,
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.certificate.chain': text('broker.pem'),
        'ssl.keystore.key': text('broker.key'),
      },
    });
    // The tool takes one way to log in a time.
    await Promise.all(['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(addUser));
  }, 120_000);
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  interface Changes {
    readonly client: (typeof kafkaClients)[number];
    readonly mechanism?: SaslMechanism;
    readonly password?: string;
    readonly ca?: string;
    readonly plainText?: boolean;
  }
  /** A log as the environment's settings make it. */
  function openLog(changes: Changes, prefix = `${randomUUID()}.`): KafkaEventLog {
    const { mechanism = 'scram-sha-512', ca = 'broker.pem', plainText = false } = changes;
    const connection = connectionOf({
      brokers: [server.secure],
      tls: plainText ? undefined : { caFile: fileOf(ca) },
      sasl: { mechanism, username, password: changes.password ?? password },
    });
    const onLog = (_severity: string, message: string, fields: unknown): void => {
      told.push(message, JSON.stringify(fields));
    };
    return new KafkaEventLog({ client: changes.client, connection, prefix, onLog });
  }

  describe.each(kafkaClients)('by %s', (client) => {
    test.each(mechanisms)('%s: what is appended comes back', async (mechanism) => {
      const log = openLog({ client, mechanism });
      await log.append(topics.payments, [{ key: 'k', value: Buffer.from('v') }]);
      expect((await readAll(log, topics.payments)).map(({ key, value }) => [key, String(value)])).toEqual([['k', 'v']]);
      await log.close();
    });

    test.each([
      ['a wrong password', { password: 'n0t-the-0ne' }],
      ['a wrong password for plain', { mechanism: 'plain', password: 'n0t-the-0ne' }],
      ['a certificate of somebody else', { ca: 'stranger.pem' }],
      ['no TLS', { plainText: true }],
    ] as const)('%s: nothing goes through, and the failure names no secret', async (_what, changes) => {
      const log = openLog({ client, ...changes });
      const failure: unknown = await log.ping().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(LogUnavailable);
      const secret = 'password' in changes ? changes.password : password;
      for (const said of [String(failure), ...told]) expect(said).not.toContain(secret);
      await log.close();
    });
  });
});
