// Guarantee: over HTTP, a running system tells which models its release points to, how each of them is, how they compare on the
// payments that were labelled, and that the features it recorded are those that its log gives.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ComparedModel } from '../../../src/models/monitoring/comparison.ts';
import type { ModelHealth } from '../../../src/models/monitoring/health.ts';
import { referenceOf } from '../../../src/models/monitoring/reference.ts';
import { modelVersion } from '../../../src/models/version.ts';
import type { ModelComparison } from '../../../src/pipeline/modelAnalytics.ts';
import type { ParityState } from '../../../src/pipeline/parityJob.ts';
import { compileRelease } from '../../../src/releases/compile.ts';
import { challenged, promoted } from '../../../src/releases/promotion.ts';
import { createPaymentStream } from '../../../src/simulator/stream.ts';
import { type ApiServer, startApi } from '../../helpers/apiServer.ts';
import { holdfast } from '../../helpers/cli.ts';
import { decidedPayments } from '../../helpers/decided.ts';
import { defaultBundle, modelOf, shifted, withoutReference } from '../../helpers/models.ts';

const key = 'hf_models-test';
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
const dayMs = 86_400_000;
const startMs = Math.floor(Date.now() / dayMs) * dayMs - 12 * dayMs;
const simulation = {
  seed: 9,
  customers: 50,
  terminals: 10,
  days: 8,
  profile: 'full',
  attacksPerDay: 25,
  startMs,
} as const;
const paymentsMax = 700;
const batchRows = 175;
const labelsAtOnce = 25;
const waitMs = 40_000;
const answerMs = 20_000;

const plain = await defaultBundle();
/** The default model with a card that says what it was trained on: here, payments that the simulator made. */
async function withReference() {
  const release = await compileRelease(plain);
  const decided = decidedPayments(release, 800).map(({ record }) => record);
  const model = modelOf(plain);
  const facts = model.card.inputs.map(({ fact }) => fact).filter((fact) => release.features.names.includes(fact));
  const columns = facts.map((fact) => {
    const at = release.features.names.indexOf(fact);
    return { fact, values: decided.map(({ features }) => features[at] ?? Number.NaN) };
  });
  const reference = referenceOf(
    columns,
    decided.map(() => 0.5),
  );
  // Without labels, some facts are missing in every row: there is nothing that could drift.
  const known = columns.filter(({ values }) => values.some((value) => !Number.isNaN(value))).map(({ fact }) => fact);
  return { facts: known, champion: { ...model, card: { ...model.card, reference } } };
}
const { facts, champion } = await withReference();
const challenger = shifted(withoutReference(modelOf(plain)), 'bold', 2);
const bundle = challenged(promoted(plain, champion, false), challenger);

let server: ApiServer;
const get = async (path: string): Promise<{ readonly status: number; readonly body: unknown }> => {
  const response = await fetch(`${server.url}/v1/${path}`, { headers });
  return { status: response.status, body: await response.json() };
};

interface Named {
  readonly role: 'champion' | 'challenger';
  readonly releaseId: string;
}
type Health = ModelHealth &
  Named & { readonly parity: Omit<ParityState, 'shown'> & { readonly shown: readonly unknown[] } };
type Comparison = Omit<ModelComparison, 'models'> & { readonly models: readonly (ComparedModel & Named)[] };

/** The body of an answer that is expected to be one. On a busy machine the store may take longer than a request may: asked again. */
async function ok(path: string): Promise<unknown> {
  return await vi.waitFor(
    async () => {
      const { status, body } = await get(path);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    },
    { timeout: answerMs, interval: 250 },
  );
}
const health = async (path: string): Promise<Health> => (await ok(`models/${path}`)) as Health;
const comparison = async (path: string): Promise<Comparison> => (await ok(`models/${path}`)) as Comparison;

/** Expects that it is taken; sent again where the answer says so: 503, as on a machine too busy to make it durable in time. */
async function post(path: string, body: unknown): Promise<void> {
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  const answer = await vi.waitFor(
    async () => {
      const response = await fetch(`${server.url}/v1/${path}`, init);
      const text = await response.text();
      expect(response.status, text).not.toBe(503);
      return { status: response.status, text };
    },
    { timeout: answerMs, interval: 250 },
  );
  expect(answer.status, answer.text).toBe(200);
}

beforeAll(async () => {
  server = await startApi(key, {
    bundle: () => bundle,
    parityTiming: { firstMs: 100, intervalMs: 500, settledMs: 2_000 },
  });
  const made = [];
  for (const payment of createPaymentStream(simulation)) {
    made.push(payment);
    if (made.length === paymentsMax) break;
  }
  for (let from = 0; from < made.length; from += batchRows) {
    const payments = made.slice(from, from + batchRows).map(({ payment }) => payment);
    await post('decisions/batch', payments);
  }
  const labelled = made.filter(({ label }, i) => label === 'fraud' || i % 4 === 0);
  for (let from = 0; from < labelled.length; from += labelsAtOnce) {
    const labelledAt = new Date(Date.now() - 1000).toISOString();
    const sent = labelled
      .slice(from, from + labelsAtOnce)
      .map(({ payment: { paymentId }, label }) => post('labels', { paymentId, label, source: 'analyst', labelledAt }));
    await Promise.all(sent);
  }
  await vi.waitFor(
    async () => {
      expect((await comparison('champion/comparison?assumedAfterDays=0')).known).toBe(paymentsMax);
      expect(server.system.analytics.state().lagRows).toBe(0);
    },
    { timeout: waitMs, interval: 250 },
  );
}, 120_000);
afterAll(async () => {
  await server.close();
});

describe('GET /v1/models', () => {
  it('lists the champion and the challengers of the release in use', async () => {
    expect(await ok('models')).toEqual({
      releaseId: server.system.release.id,
      models: [
        {
          id: 'handbook-mlp',
          version: modelVersion(champion),
          role: 'champion',
          inputs: champion.card.inputs.length,
          reference: true,
        },
        {
          id: 'bold',
          version: modelVersion(challenger),
          role: 'challenger',
          inputs: challenger.card.inputs.length,
          reference: false,
        },
      ],
    });
  });
});

describe('GET /v1/models/{id}/health', () => {
  it('tells drift and missing values of each input, calibration, label delay and alert precision', async () => {
    const body = await health('champion/health');
    expect(body).toMatchObject({
      id: 'handbook-mlp',
      role: 'champion',
      scored: paymentsMax,
      sampled: paymentsMax,
      referenceRows: 800,
    });
    expect(body.inputs.map(({ fact }) => fact)).toEqual(champion.card.inputs.map(({ fact }) => fact));
    for (const input of body.inputs) {
      if (facts.includes(input.fact)) expect(input.psi).toBeGreaterThanOrEqual(0);
      else expect(input).toMatchObject({ drift: 'unknown', psi: null });
      expect(input.missing).toBeGreaterThanOrEqual(0);
    }
    expect(body.labels.labelled).toBeGreaterThan(100);
    expect(body.labels.frauds).toBeGreaterThan(20);
    expect(body.labels.delaySeconds?.p50).toBeGreaterThan(3 * 86_400);
    expect(body.calibration.rows).toBe(body.labels.labelled);
    expect(body.calibration.observedFrauds).toBe(body.labels.frauds);
    expect(body.alerts.recall.of).toBe(body.labels.frauds);
    // Every score of the reference was 0.5, which the model seldom says.
    expect(body.score.drift).toBe('shifted');
  });

  it('says of a model without a reference that nothing can be told of drift', async () => {
    const body = await health(`${modelVersion(challenger).slice(0, 12)}/health`);
    expect(body).toMatchObject({
      id: 'bold',
      role: 'challenger',
      referenceRows: null,
      score: { drift: 'unknown', psi: null },
    });
    expect(body.labels.labelled).toBeGreaterThan(100);
  });

  it('compares recorded features with the journal beside the running system: no mismatch', async () => {
    const parity = await vi.waitFor(
      async () => {
        const { parity: seen } = await health('champion/health');
        expect(seen.compared).toBeGreaterThan(0);
        return seen;
      },
      { timeout: waitMs, interval: 250 },
    );
    expect(parity).toMatchObject({ mismatches: 0, shown: [], notComparable: {}, lastError: null });
    expect(parity.values).toBe(parity.compared * server.system.release.features.names.length);
  });
});

describe('GET /v1/models/{id}/comparison', () => {
  it('measures champion and challenger on the same labelled payments, with intervals, and the same for the same seed', async () => {
    const { models } = await comparison('champion/comparison?seed=5');
    expect(models.map(({ id, role }) => [id, role])).toEqual([
      ['handbook-mlp', 'champion'],
      ['bold', 'challenger'],
    ]);
    const [own, other] = models;
    expect(own?.differences).toBeNull();
    // A raised bias changes no order: the ranking is the same, and more is held.
    expect(other?.differences?.averagePrecision.value).toBeCloseTo(0, 3);
    expect(other?.differences?.alertShare.value).toBeGreaterThanOrEqual(0);
    const { low, high } = own?.measures.averagePrecision.interval ?? { low: 1, high: 0 };
    expect(low).toBeLessThan(high);
    expect((await comparison('champion/comparison?seed=5')).models).toEqual(models);
    expect((await comparison('bold/comparison')).models.length).toBe(2);
  });

  it('is a command too', async () => {
    const run = await holdfast(['model', 'compare', '--url', server.url, '--json'], { HOLDFAST_API_KEY: key });
    expect(run.code).toBe(0);
    expect((JSON.parse(run.stdout) as Comparison).models.length).toBe(2);
    const shown = await holdfast(['model', 'compare', 'bold', '--url', server.url], { HOLDFAST_API_KEY: key });
    expect(shown.stdout).toMatch(/averagePrecision .*against the champion/);
    const absent = await holdfast(['model', 'compare', 'nobody', '--url', server.url], { HOLDFAST_API_KEY: key });
    expect([absent.code, absent.stderr]).toEqual([1, expect.stringMatching(/model_not_found/)]);
    const refused = await holdfast(['model', 'compare', '--url', server.url], { HOLDFAST_API_KEY: 'hf_wrong' });
    expect(refused.code).toBe(2);
  }, 120_000);
});

describe('asking for models', () => {
  it('refuses a model that the release does not point to, and parameters that are none', async () => {
    expect(await get('models/nobody/health')).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
    for (const query of ['days=0', 'days=x', 'assumedAfterDays=-1', 'other=1']) {
      expect(await get(`models/champion/health?${query}`)).toMatchObject({
        status: 422,
        body: { code: 'invalid_query' },
      });
    }
    const response = await fetch(`${server.url}/v1/models`);
    expect(response.status).toBe(401);
    await response.arrayBuffer();
  });
});

describe('the metrics', () => {
  it('have a series for each model and input, and none that a payment brought', async () => {
    const text = await vi.waitFor(
      async () => {
        await server.system.modelGauges.refresh();
        const exposed = await (await fetch(`${server.url}/metrics`)).text();
        expect(exposed).toContain('holdfast_model_scored_payments{model="champion"}');
        return exposed;
      },
      { timeout: answerMs, interval: 250 },
    );
    const series = (name: string): string[] =>
      text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    expect(series('holdfast_model_psi').length).toBe(facts.length + 1);
    expect(series('holdfast_model_missing_ratio').length).toBe(
      champion.card.inputs.length + challenger.card.inputs.length,
    );
    expect(series('holdfast_model_scored_payments')).toContain(
      `holdfast_model_scored_payments{model="champion"} ${paymentsMax}`,
    );
    expect(series('holdfast_feature_parity_mismatches_total')).toEqual(['holdfast_feature_parity_mismatches_total 0']);
    expect(series('holdfast_feature_parity_not_comparable_total').length).toBe(7);
    expect(series('holdfast_shadow_scored')).toEqual([`holdfast_shadow_scored ${paymentsMax}`]);
    expect(text).not.toMatch(/sim-9-/);
  });
});
