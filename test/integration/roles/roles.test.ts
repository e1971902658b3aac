// Guarantee: serve, stream and sink, as processes that share nothing but Kafka, Redis and ClickHouse, decide every payment
// once, count it once and store it once, also when processes are killed in the middle; and they stop cleanly.
// ClickHouse is an HTTP front over the embedded engine: a server of its own is not to be had where these tests run.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openServer } from '../../../src/adapters/clickhouse/server.ts';
import { createClient } from '../../../src/adapters/kafka/client.ts';
import type { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { decodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { Random } from '../../../src/simulator/random.ts';
import type { ClickHouseFront } from '../../helpers/clickhouseFront.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { holdfast, repository } from '../../helpers/cli.ts';
import { requires } from '../../helpers/requirements.ts';
import { endRoles, roleKey, type RoleProcess, startRole } from '../../helpers/roles.ts';
import { type RoleEngines, startRoleEngines } from '../../helpers/roleEngines.ts';
import { waitFor } from '../../helpers/server.ts';

const payments = 6000;
const overHttp = 60;
const customers = 150;
const seed = testSeed();

/** Payments of one day, in the order of their event times; a customer's are never at the same moment. */
function paymentsOf(count: number, prefix: string): { readonly key: string; readonly value: Buffer }[] {
  const random = new Random(seed);
  const startMs = Date.now() - 6 * 3_600_000;
  return Array.from({ length: count }, (_, i) => {
    const customer = `${prefix}-c${random.below(customers)}`;
    const payment = {
      paymentId: `${prefix}-${i}`,
      occurredAt: new Date(startMs + i * 1000).toISOString(),
      amountMinor: 100 + random.below(10_000),
      currency: 'EUR',
      customerId: customer,
      cardId: `${customer}-card`,
      terminalId: `t${random.below(40)}`,
    };
    return { key: customer, value: Buffer.from(JSON.stringify(payment)) };
  });
}

interface Decided {
  /** Different decisions of the payment: one, or something was decided twice. */
  readonly contents: Set<string>;
  readonly customerId: string;
  readonly count: number | undefined;
  readonly degraded: readonly string[];
}

async function decisionsOf(log: KafkaEventLog): Promise<Map<string, Decided>> {
  const decided = new Map<string, Decided>();
  for await (const page of log.read(topics.decisions)) {
    for (const { value } of page) {
      const { record, featureNames } = decodeDecisionMessage(value);
      const payment = JSON.parse(Buffer.from(record.payment).toString()) as { customerId: string };
      const { degraded } = JSON.parse(Buffer.from(record.decision).toString()) as { degraded: string[] };
      const count = record.features[featureNames.indexOf('customer.count.24h')];
      const known = decided.get(record.paymentId);
      const contents = known?.contents ?? new Set<string>();
      contents.add(Buffer.from(record.decision).toString());
      decided.set(record.paymentId, { contents, customerId: payment.customerId, count, degraded });
    }
  }
  return decided;
}

describe.skipIf(!requires('kafka').met || !requires('redis').met)('roles over real engines', () => {
  let engines: RoleEngines;
  let front: ClickHouseFront;
  let log: KafkaEventLog;
  let redis: Redis;
  let environment: RoleEngines['environment'];
  const roles: RoleProcess[] = [];
  const ownDirectory = mkdtempSync(join(tmpdir(), 'holdfast-release-'));

  beforeAll(async () => {
    engines = await startRoleEngines();
    ({ front, log, environment } = engines);
    redis = new Redis(environment['REDIS_URL'] ?? '');
  }, 120_000);
  afterAll(async () => {
    redis.disconnect();
    await endRoles(roles);
    await engines.close();
    rmSync(ownDirectory, { recursive: true, force: true });
  }, 60_000);

  const start = async (role: RoleProcess['role'], dataDirectory?: string): Promise<RoleProcess> => {
    const one = await startRole(role, environment, dataDirectory);
    roles.push(one);
    return one;
  };
  const running = (): readonly RoleProcess[] =>
    roles.filter(({ process: child }) => child.exitCode === null && child.signalCode === null);
  /** Dies without a word, and another comes in its place. */
  const replace = async (role: RoleProcess): Promise<RoleProcess> => {
    role.process.kill('SIGKILL');
    await role.exited;
    return start(role.role, role.dataDirectory);
  };

  it(`lose and double nothing while processes are killed (seed ${seed})`, async () => {
    const [serve, first, , sink] = await Promise.all([start('serve'), start('stream'), start('stream'), start('sink')]);
    const sent = paymentsOf(payments, 'k');
    const post = async (i: number): Promise<void> => {
      const body = paymentsOf(overHttp, 'h')[i]?.value ?? Buffer.alloc(0);
      const headers = {
        authorization: `Bearer ${roleKey}`,
        'content-type': 'application/json',
        'holdfast-deadline-ms': '5000',
      };
      const response = await fetch(`${serve.url}/v1/decisions`, { method: 'POST', headers, body });
      expect(response.status, await response.text()).toBe(200);
    };
    for (let i = 0; i < payments; i += 500) await log.append(topics.payments, sent.slice(i, i + 500));
    // Half way through: a stream and the sink die while the others go on, and payments come over HTTP.
    await waitFor('some decisions', async () => ((await decisionsOf(log)).size > payments / 10 ? true : undefined));
    await Promise.all([replace(first), replace(sink), ...Array.from({ length: overHttp }, (_, i) => post(i))]);
    const decided = await waitFor('every decision', async () => {
      const now = await decisionsOf(log);
      return now.size === payments + overHttp ? now : undefined;
    });
    checkOnce(decided);
    await checkRows(decided.size);
  }, 240_000);

  it('decide what is replayed to Kafka, and say what became of it; once more, everything is decided before', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
    const file = join(directory, 'payments.ndjson');
    const lines = paymentsOf(300, 'r').map(({ value }) => value.toString());
    const label = { paymentId: 'r-0', label: 'fraud', source: 'analyst', labelledAt: new Date().toISOString() };
    const refused = lines[0]?.replace('"r-0"', '"r-x"').replace('"EUR"', '"XXQ"') ?? '';
    writeFileSync(file, [...lines, JSON.stringify(label), refused].join('\n'));
    const replay = async (): Promise<unknown> => {
      const brokers = environment['KAFKA_BROKERS'] ?? '';
      const { code, stdout, stderr } = await holdfast(['replay', file, '--brokers', brokers, '--json']);
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout);
    };
    const summary = { rows: 301, decisions: 300, refused: 1, refusedByCode: { invalid_payment: 1 }, labelsSent: 1 };
    expect(await replay()).toMatchObject({ ...summary, repeated: 0 });
    expect(await replay()).toMatchObject({ ...summary, repeated: 300 });
    rmSync(directory, { recursive: true });
  }, 120_000);

  it('find, explain and label a payment when Redis has long forgotten it, also those that run another release', async () => {
    const [serve] = running().filter(({ role }) => role === 'serve');
    if (serve === undefined) throw new Error('nobody serves');
    const id = 'k-42';
    const before = await viewOf(serve, id);
    expect(before).toMatchObject({ paymentId: id, labels: [] });
    expect(Object.keys(before['features'] as object).length).toBeGreaterThan(50);
    expect(await redis.del(...(await redis.keys(`d:*:${id}`)))).toBe(1);
    // They remember what they decided themselves.
    const streams = running().filter(({ role }) => role === 'stream');
    await Promise.all(streams.map((stream) => replace(stream)));
    expect(await viewOf(serve, id)).toEqual(before);
    const label = { paymentId: id, label: 'fraud', source: 'chargeback', labelledAt: new Date().toISOString() };
    const headers = { authorization: `Bearer ${roleKey}`, 'content-type': 'application/json' };
    const labelled = await fetch(`${serve.url}/v1/labels`, { method: 'POST', headers, body: JSON.stringify(label) });
    expect(labelled.status, await labelled.text()).toBeLessThan(300);
    expect(await viewOf(serve, id)).toMatchObject({ labels: [{ source: 'chargeback' }] });
    // Labels are remembered longer than claims, and not for ever either.
    await waitFor('the label in ClickHouse', async () => ((await labelRows(id)) === 1 ? true : undefined));
    await waitFor('the label to be taken', labelsTaken);
    expect(await redis.del(...(await redis.keys(`l:*:${id}`)))).toBe(1);
    const other = await startRole('serve', environment, undefined, ['--release', otherRelease()]);
    roles.push(other);
    const elsewhere = await viewOf(other, id);
    const { labels, ...rest } = elsewhere;
    expect(labels).toHaveLength(1);
    expect({ ...rest, labels: [] }).toEqual(before);
    other.process.kill('SIGTERM');
    expect(await other.exited).toBe(0);
    for await (const page of log.read(topics.deadletter))
      for (const { value } of page) expect(Buffer.from(value).toString()).not.toContain('payment_unknown');
  }, 120_000);

  async function viewOf({ url }: RoleProcess, id: string): Promise<Record<string, unknown>> {
    const response = await fetch(`${url}/v1/decisions/${id}`, { headers: { authorization: `Bearer ${roleKey}` } });
    const body = (await response.json()) as Record<string, unknown>;
    expect(response.status, JSON.stringify(body)).toBe(200);
    return body;
  }

  /** A directory with the default release, less a rule. */
  function otherRelease(): string {
    const directory = join(ownDirectory, 'other');
    cpSync(join(repository, 'config/default'), directory, { recursive: true });
    const rules = JSON.parse(readFileSync(join(directory, 'rules.json'), 'utf8')) as unknown[];
    writeFileSync(join(directory, 'rules.json'), JSON.stringify(rules.slice(1)));
    return directory;
  }

  it('stop cleanly on SIGTERM', async () => {
    const left = running();
    expect(left.map(({ role }) => role).sort()).toEqual(['serve', 'sink', 'stream', 'stream']);
    for (const { process: child } of left) child.kill('SIGTERM');
    for (const { exited, role, said } of left) expect(await exited, `${role}: ${said()}`).toBe(0);
  }, 60_000);

  /** Each payment has one decision, and a customer's payments were counted 1, 2, 3 … in their order. */
  function checkOnce(decided: ReadonlyMap<string, Decided>): void {
    const seen = new Map<string, number>();
    const byNumber = [...decided].sort(([a], [b]) => numberOf(a) - numberOf(b));
    for (const [id, { contents, customerId, count, degraded }] of byNumber) {
      expect(contents.size, `decisions of ${id}`).toBe(1);
      const expected = (seen.get(customerId) ?? 0) + 1;
      seen.set(customerId, expected);
      // Over HTTP payments overtake one another; and where velocity was away that is said, and nothing is made up.
      if (id.startsWith('h-')) continue;
      if (degraded.includes('velocity:unavailable')) expect(count, id).toBeNaN();
      else expect(count, `count of ${id}`).toBe(expected);
    }
  }

  async function query<Row>(text: (database: string) => string): Promise<Row | undefined> {
    const { client, database } = openServer({ url: front.url, ...front.login });
    try {
      return (await select<Row>(client, text(database), {}))[0];
    } finally {
      await client.close();
    }
  }

  async function checkRows(expected: number): Promise<void> {
    const rows = await waitFor('every row', async () => {
      const row = await query<{ rows: string; ids: string }>(
        (database) => `SELECT count() AS rows, uniqExact(paymentId) AS ids FROM ${database}.decisions`,
      );
      return Number(row?.ids) === expected ? Number(row?.rows) : undefined;
    });
    expect(rows).toBe(expected);
  }

  async function labelRows(id: string): Promise<number> {
    const row = await query<{ n: number }>(
      (database) => `SELECT count() AS n FROM ${database}.labels WHERE paymentId = '${id}'`,
    );
    return row?.n ?? 0;
  }

  /** Whether the streams have taken every label. */
  async function labelsTaken(): Promise<true | undefined> {
    const admin = createClient({ brokers: [environment['KAFKA_BROKERS'] ?? ''] }, () => {}).admin();
    await admin.connect();
    try {
      const ends = await admin.fetchTopicOffsets(topics.labels);
      const [taken] = await admin.fetchOffsets({ groupId: 'holdfast-labels', topics: [topics.labels] });
      const positions = new Map(taken?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      const isTaken = ({ partition, high, low }: { partition: number; high: string; low: string }): boolean =>
        Number(high) === Number(low) || (positions.get(partition) ?? -1) >= Number(high);
      return ends.every(isTaken) ? true : undefined;
    } finally {
      await admin.disconnect();
    }
  }
});

const numberOf = (id: string): number => Number(id.slice(2));
