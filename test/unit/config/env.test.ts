import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseEnvironment, variableNames } from '../../../src/config/env.ts';

describe('the environment is parsed once, and a mistake in it stops the start with a sentence that names it', () => {
  test('nothing set gives the documented defaults', () => {
    expect(parseEnvironment({})).toMatchObject({
      ok: true,
      unsupported: [],
      environment: {
        host: '127.0.0.1',
        port: 8080,
        dataDir: '.holdfast',
        logLevel: 'info',
        bootstrapKey: undefined,
      },
    });
  });

  test('an empty value counts as unset', () => {
    expect(parseEnvironment({ HOLDFAST_PORT: '', REDIS_URL: '' })).toEqual(parseEnvironment({}));
  });

  test('an unknown HOLDFAST_ name is refused by name; foreign variables are none of our business', () => {
    const result = parseEnvironment({ HOLDFAST_PROT: '80', PATH: '/bin' });
    expect(result).toMatchObject({ ok: false, problems: [expect.stringContaining('HOLDFAST_PROT')] });
    expect(parseEnvironment({ PATH: '/bin' }).ok).toBe(true);
  });

  test('every bad value is named in one go', () => {
    const result = parseEnvironment({ HOLDFAST_PORT: '80a', HOLDFAST_LOG_LEVEL: 'loud' });
    expect(result.ok ? [] : result.problems.map((problem) => problem.split(' ')[0])).toEqual([
      'HOLDFAST_PORT',
      'HOLDFAST_LOG_LEVEL',
    ]);
  });

  test('a port is accepted exactly when it is a whole number from 0 to 65535', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -10, max: 70_000 }).map(String), fc.string({ minLength: 1 })), (text) => {
        const valid = /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
        expect(parseEnvironment({ HOLDFAST_PORT: text }).ok).toBe(valid);
      }),
    );
  });

  test('a secret with a bad value is not repeated in the message', () => {
    const result = parseEnvironment({ HOLDFAST_BOOTSTRAP_KEY: 'hunter2 with a space' });
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toContain('hunter2');
  });

  test('a configured real service is reported by name, not silently replaced by its twin', () => {
    const result = parseEnvironment({ REDIS_URL: 'redis://x', DATABASE_URL: 'postgres://x' });
    expect(result.ok && result.unsupported.map((sentence) => sentence.split(' ')[0])).toEqual(['DATABASE_URL']);
  });

  test('the settings of Kafka are taken together, each that lacks another is named, and the password is never repeated', () => {
    const kafka = {
      KAFKA_BROKERS: 'a:9092,b:9093',
      KAFKA_SSL: 'true',
      KAFKA_SSL_CA: '/ca.pem',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'me',
      KAFKA_SASL_PASSWORD: 'hunter2',
    };
    const result = parseEnvironment(kafka);
    expect(result.ok && result.environment.kafka).toEqual({
      client: 'platformatic',
      brokers: ['a:9092', 'b:9093'],
      tls: { caFile: '/ca.pem' },
      sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'hunter2' },
    });
    const { KAFKA_SSL: _ssl, KAFKA_SASL_USERNAME: _username, ...lacking } = kafka;
    const refused = parseEnvironment(lacking);
    expect(refused.ok ? [] : refused.problems.map((problem) => problem.split(' ')[0])).toEqual([
      'KAFKA_SSL_CA',
      'KAFKA_SASL_MECHANISM',
    ]);
    expect(JSON.stringify(refused)).not.toContain('hunter2');
    expect(parseEnvironment({ ...kafka, KAFKA_CLIENT: 'other' }).ok).toBe(false);
    const named = { ...kafka, KAFKA_GROUP_INSTANCE_ID: 'stream-0' };
    const static_ = parseEnvironment(named);
    expect(static_.ok && static_.environment.kafka?.groupInstanceId).toBe('stream-0');
    expect(parseEnvironment({ ...named, KAFKA_CLIENT: 'kafkajs' })).toMatchObject({
      problems: [expect.stringContaining('KAFKA_GROUP_INSTANCE_ID needs KAFKA_CLIENT=platformatic')],
    });
    for (const bad of ['localhost', 'kafka://a:1', 'a:9092,', 'me:hunter2@a:9092']) {
      expect(parseEnvironment({ KAFKA_BROKERS: bad }).ok).toBe(false);
    }
  });

  test('the settings of Redis are taken together, each that lacks another is named, and secrets are never repeated', () => {
    const settings = (source: NodeJS.ProcessEnv) => {
      const result = parseEnvironment(source);
      return result.ok ? result.environment.redis : result.problems;
    };
    expect(settings({})).toBeUndefined();
    expect(settings({ REDIS_URL: 'redis://a:1' })).toMatchObject({ urls: ['redis://a:1'], cluster: false });
    expect(settings({ REDIS_URL: 'redis://a:1', REDIS_COPIES_MIB: '3' })).toMatchObject({
      copiesBytesMax: 3 * 2 ** 20,
    });
    expect(parseEnvironment({ REDIS_CLAIM_HOURS: '2' })).toMatchObject({ environment: { claimMs: 7_200_000 } });
    expect(settings({ REDIS_URL: 'redis://a:1/0?cluster=1' })).toMatchObject({
      urls: ['redis://a:1/0'],
      cluster: true,
    });
    const nodes = { REDIS_URL: 'rediss://a:1,rediss://b:2', REDIS_PASSWORD: 'hunter2', REDIS_TLS_CA: '/ca.pem' };
    expect(settings(nodes)).toMatchObject({
      urls: ['rediss://a:1', 'rediss://b:2'],
      cluster: true,
      password: 'hunter2',
      tlsCaFile: '/ca.pem',
    });
    for (const bad of [
      { REDIS_URL: 'http://me:hunter2@a' },
      { REDIS_URL: 'redis://a, redis://b' },
      { REDIS_URL: 'redis://a,rediss://b' },
      { REDIS_URL: 'redis://a', REDIS_TLS_CA: '/ca.pem' },
      { REDIS_URL: 'redis://a', REDIS_USERNAME: 'me' },
      { REDIS_PASSWORD: 'hunter2' },
    ]) {
      const problems = JSON.stringify(settings(bad));
      expect(problems).toContain('REDIS_');
      expect(problems).not.toContain('hunter2');
    }
  });

  test('the schema names each variable once', () => {
    expect(new Set(variableNames).size).toBe(variableNames.length);
  });
});
