// Guarantee: over Kafka, Redis and ClickHouse, features are what the topics give when they are counted again, though several processes
// count at one time, and one that is not is found and shown; challengers are scored by the sink, never touch a decision even where
// they cannot be scored, and are compared; and how the models are stands in the metrics, in ClickHouse and in the API.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openServer } from '../../../src/adapters/clickhouse/server.ts';
import type { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { startSystem } from '../../../src/cli/up/system.ts';
import type { ParityReport } from '../../../src/pipeline/parityTypes.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { challenged } from '../../../src/releases/promotion.ts';
import { ReleaseStore } from '../../../src/releases/store.ts';
import { Random } from '../../../src/simulator/random.ts';
import { holdfast, repository } from '../../helpers/cli.ts';
import type { ClickHouseFront } from '../../helpers/clickhouseFront.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { defaultBundle, modelOf, shifted } from '../../helpers/models.ts';
import { requires } from '../../helpers/requirements.ts';
import { endRoles, roleKey, type RoleProcess, startRole } from '../../helpers/roles.ts';
import { type RoleEngines, startRoleEngines } from '../../helpers/roleEngines.ts';
import { waitFor } from '../../helpers/server.ts';

const seed = testSeed();
const streamed = 900;
const posted = 120;
const planted = 20;
const compared = 200;
const labelled = 40;
const parityPayments = 300;

interface Sent {
  readonly key: string;
  readonly value: Buffer;
}

/** Payments of the last hour; many of them share terminals, so that processes count them at the same time. */
function paymentsOf(count: number, prefix: string): Sent[] {
  const random = new Random(seed);
  const startMs = Date.now() - 3_600_000;
  return Array.from({ length: count }, (_, i) => {
    const customerId = `${prefix}-c${random.below(60)}`;
    const payment = {
      paymentId: `${prefix}-${i}`,
      occurredAt: new Date(startMs + i * 1000).toISOString(),
      amountMinor: 100 + random.below(10_000),
      currency: 'EUR',
      customerId,
      cardId: `${customerId}-card`,
      terminalId: `t${random.below(12)}`,
    };
    return { key: customerId, value: Buffer.from(JSON.stringify(payment)) };
  });
}

/** The number of a metric's series, 0 where it is not there. */
async function metric(role: RoleProcess, series: string): Promise<number> {
  const text = await (await fetch(`${role.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

const namesIn = (text: string, pattern: RegExp): ReadonlySet<string> =>
  new Set([...text.matchAll(pattern)].map(([, name]) => name ?? ''));

describe.skipIf(!requires('kafka').met || !requires('redis').met)('models over real engines', () => {
  let engines: RoleEngines;
  let front: ClickHouseFront;
  let log: KafkaEventLog;
  let environment: RoleEngines['environment'];
  let serve: RoleProcess;
  let sink: RoleProcess;
  let releaseFile = '';
  let whole: Buffer;
  const roles: RoleProcess[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-role-models-'));

  beforeAll(async () => {
    engines = await startRoleEngines();
    ({ front, log, environment } = engines);
    const bundle = await defaultBundle();
    const bold = shifted(modelOf(bundle), 'bold', 2);
    const { id } = await new ReleaseStore(directory).add(
      challenged(challenged(bundle, bold), shifted(bold, 'bolder', 3)),
    );
    const start = (role: RoleProcess['role'], ...options: string[]): Promise<RoleProcess> =>
      startRole(role, environment, directory, ['--release', id, ...options]);
    const started = await Promise.all([start('serve'), start('stream'), start('sink', '--parity-seconds', '4')]);
    roles.push(...started);
    [serve, , sink] = started;
    releaseFile = join(directory, 'sink', 'releases', `${id}.json`);
    whole = readFileSync(releaseFile);
    // Cut in half: the sink reads it when it sees the first decision.
    writeFileSync(releaseFile, whole.subarray(0, whole.length / 2));
  }, 120_000);
  afterAll(async () => {
    await endRoles(roles);
    await engines.close();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  /** Sent again where the answer says so: 503, as on a machine too busy to reach Redis in time. */
  const post = async (path: string, body: Buffer | string): Promise<void> => {
    const headers = {
      authorization: `Bearer ${roleKey}`,
      'content-type': 'application/json',
      'holdfast-deadline-ms': '5000',
    };
    const answer = await waitFor(`an answer to ${path}`, async () => {
      const response = await fetch(`${serve.url}${path}`, { method: 'POST', headers, body });
      const text = await response.text();
      return response.status === 503 ? undefined : { status: response.status, text };
    });
    expect(answer.status, answer.text).toBeLessThan(300);
  };
  const get = async (path: string): Promise<Record<string, unknown>> => {
    const response = await fetch(`${serve.url}${path}`, { headers: { authorization: `Bearer ${roleKey}` } });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const rowsOf = async <Row>(query: string): Promise<readonly Row[]> => {
    const { client, database } = openServer({ url: front.url, ...front.login });
    try {
      return await select<Row>(client, query.replaceAll('{db}', database), {});
    } finally {
      await client.close();
    }
  };
  const count = async (table: string): Promise<number> =>
    Number((await rowsOf<{ n: string }>(`SELECT count() AS n FROM {db}.${table}`))[0]?.n);
  const parity = async (...options: string[]): Promise<{ code: number; report: ParityReport }> => {
    const env = { KAFKA_BROKERS: environment['KAFKA_BROKERS'] ?? '', HOLDFAST_DATA_DIR: directory };
    const { code, stdout, stderr } = await holdfast(['parity', '--json', '--settled-seconds', '0', ...options], env);
    expect(stdout, stderr).not.toBe('');
    return { code, report: JSON.parse(stdout) as ParityReport };
  };

  let alone = 0;
  /** The decision of one payment that shares nothing with others; under load it may be made without the velocity state. */
  async function decideAlone(): Promise<string | undefined> {
    const prefix = `solo${++alone}-`;
    const [of] = paymentsOf(1, prefix.slice(0, -1));
    const text = (of?.value.toString() ?? '').replace(/,"cardId.*/, '}');
    await log.append(topics.payments, [{ key: prefix, value: Buffer.from(text) }]);
    const decision = await waitFor('the decision', async () => {
      for await (const page of log.read(topics.decisions)) {
        const found = page.find(({ value }) => Buffer.from(value).includes(`"${prefix}0"`));
        if (found !== undefined) return Buffer.from(found.value).toString().replaceAll(prefix, 'solo-');
      }
      return undefined;
    });
    return decision.includes('"velocity:') ? undefined : decision;
  }

  it('decide and store everything while a challenger cannot be scored, and say so', async () => {
    const sent = paymentsOf(streamed, 's');
    await log.append(topics.payments, sent);
    const own = paymentsOf(posted, 'h');
    for (let i = 0; i < posted; i += 20) {
      await Promise.all(own.slice(i, i + 20).map(({ value }) => post('/v1/decisions', value)));
    }
    await waitFor('every row', async () => ((await count('decisions')) === streamed + posted ? true : undefined));
    expect(await count('shadow_scores')).toBe(0);
    expect(await metric(sink, 'holdfast_shadow_failed')).toBeGreaterThanOrEqual(streamed + posted);
    const [row] = await rowsOf<{ degraded: string }>(
      `SELECT countIf(has(degraded, 'model:unavailable')) AS degraded FROM {db}.decisions`,
    );
    expect(Number(row?.degraded)).toBe(0);
  }, 120_000);

  it(`find every feature as the topics give it, from several processes at one time (seed ${seed})`, async () => {
    const { code, report } = await parity('--sample', String(parityPayments));
    expect(report.shown).toEqual([]);
    expect({ code, mismatches: report.mismatches, orderUnknown: report.orderUnknown }).toMatchObject({
      code: 0,
      mismatches: 0,
    });
    const skipped = report.notComparable.velocity_degraded ?? 0;
    expect(report.compared + skipped).toBe(parityPayments);
    expect(report.values).toBeGreaterThan(report.compared * 20);
    expect(report.notCovered).toBe(0);
  }, 60_000);

  it('show a feature that the topics do not give, on the command line and in the metrics', async () => {
    const decided = await waitFor('a decision with all features', decideAlone);
    expect(decided).toContain('"customer.count.1h":{"value":1');
    const wrong = decided.replace('"customer.count.1h":{"value":1', '"customer.count.1h":{"value":7');
    // So many that the sink's small sample has one.
    const ids = Array.from({ length: planted }, (_, i) => `fake${i}-`);
    await log.append(
      topics.decisions,
      ids.map((id) => ({ key: `${id}0`, value: Buffer.from(wrong.replaceAll('solo-', id)) })),
    );
    const shown = { feature: 'customer.count.1h', online: 7, recomputed: 1 };
    const { code, report } = await parity('--sample', '10000');
    const mismatches = report.shown.toSorted(
      (a, b) => Number(a.paymentId.slice(4, -2)) - Number(b.paymentId.slice(4, -2)),
    );
    expect(mismatches, JSON.stringify(report.notComparable)).toEqual(
      ids.map((id) => ({ tenantId: 'default', paymentId: `${id}0`, ...shown })),
    );
    expect({ code, mismatches: report.mismatches }).toEqual({ code: 1, mismatches: planted });
    // All that the check says, so that a failure tells what it did instead.
    const said = async (): Promise<string> => {
      const text = await (await fetch(`${sink.url}/metrics`)).text();
      return text
        .split('\n')
        .filter((line) => line.startsWith('holdfast_feature_parity_'))
        .join('\n');
    };
    await expect
      .poll(said, { timeout: 60_000, interval: 500 })
      .toMatch(/^holdfast_feature_parity_mismatches_total [1-9]/m);
    expect(await metric(sink, 'holdfast_feature_parity_compared_total')).toBeGreaterThan(0);
  }, 90_000);

  it('expose every metric that a dashboard or an alert names, or `up` does', async () => {
    const alone = mkdtempSync(join(tmpdir(), 'holdfast-metrics-'));
    const bundle = await defaultBundle();
    const system = await startSystem({
      dataDirectory: alone,
      bundle,
      logger: pino({ level: 'silent' }),
      scoringThreads: 0,
    });
    const scrapes = roles.map(async ({ url }) => (await fetch(`${url}/metrics`)).text());
    const exposed = namesIn(
      (await Promise.all([...scrapes, system.registry.metrics()])).join('\n'),
      /^# TYPE (\w+) /gm,
    );
    await system.close();
    rmSync(alone, { recursive: true });
    const boards = join(repository, 'dashboards/grafana/boards');
    const files = [
      join(repository, 'dashboards/prometheus/alerts.yml'),
      ...readdirSync(boards).map((file) => join(boards, file)),
    ];
    const text = files.map((file) => readFileSync(file, 'utf8')).join('\n');
    const named = namesIn(text, /\b((?:holdfast|process|nodejs)_[a-z0-9_]+?)(?:_bucket)?\b/g);
    expect(named.size).toBeGreaterThan(40);
    expect([...named].filter((name) => !exposed.has(name))).toEqual([]);
  }, 60_000);

  it('score challengers once they can be, compare them, and tell how all models are', async () => {
    writeFileSync(releaseFile, whole);
    await log.append(topics.payments, paymentsOf(compared, 'n'));
    const scores = `shadow_scores WHERE paymentId LIKE 'n-%'`;
    await waitFor('the scores', async () => ((await count(scores)) === 2 * compared ? true : undefined));
    expect(await metric(sink, 'holdfast_shadow_scored')).toBeGreaterThanOrEqual(2 * compared);
    const labels = Array.from({ length: labelled }, (_, i) => {
      const label = i % 4 === 0 ? 'fraud' : 'legitimate';
      return { paymentId: `n-${i}`, label, source: 'analyst', labelledAt: new Date().toISOString() };
    });
    await Promise.all(labels.map((body) => post('/v1/labels', JSON.stringify(body))));
    await waitFor('the labels', async () => ((await count('labels')) === labelled ? true : undefined));
    const { models, rows } = await get('/v1/models/champion/comparison');
    expect({ rows, roles: (models as { role: string }[]).map(({ role }) => role) }).toEqual({
      rows: labelled,
      roles: ['champion', 'challenger', 'challenger'],
    });
    const health = await get('/v1/models/bolder/health');
    expect(health).toMatchObject({ scored: compared, labels: { labelled, frauds: labelled / 4 } });
    expect(health['parity']).toMatchObject({
      shown: expect.arrayContaining([
        expect.objectContaining({ feature: 'customer.count.1h', online: 7, recomputed: 1 }),
      ]),
    });
    // The first of them are taken half a minute after the start.
    await waitFor('the metrics', async () =>
      (await metric(serve, 'holdfast_model_psi{model="champion",input="(score)"}')) > 0 ? true : undefined,
    );
    const measures = await waitFor('their record', async () => {
      const found = await rowsOf<{ measure: string }>('SELECT DISTINCT measure FROM {db}.model_health');
      return found.length === 0 ? undefined : found.map(({ measure }) => measure);
    });
    expect(measures).toEqual(expect.arrayContaining(['psi', 'missing_ratio', 'scored_payments']));
  }, 120_000);
});
