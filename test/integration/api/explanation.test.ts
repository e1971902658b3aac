// Guarantee: a recorded decision's explanation adds up (base + contributions = logit = recorded probability), and what it says
// would have let the payment through does: the same history with that change is allowed by the running system.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildCategorical, savedCategorical } from '../models/categorical.ts';
import type { PolicyDefinition } from '../../../src/policy/schema.ts';
import { startWasmBackend } from '../../../src/models/tensorflow.ts';
import type { CardInput, ModelArtefact } from '../../../src/models/types.ts';
import { type ApiServer, startApi } from '../../helpers/apiServer.ts';

const key = 'hf_explanation';
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };

const inputs: CardInput[] = [
  { fact: 'amountMinor', transform: 'signedLog1p', missing: 0 },
  { fact: 'channel', kind: 'category', vocabulary: ['ecommerce', 'atm'] },
  { fact: 'customer.amountToMean.30d', transform: 'none', missing: 1 },
  { fact: 'customer+device.isFirst', transform: 'none', missing: 0 },
];
const background = [
  [1000, 'ecommerce', 1, 0],
  [2500, 'atm', 0.8, 0],
  [50_000, null, 3, 1],
  [700, 'transfer', null, null],
];

/** A small model of numbers and a category, and rules that hold what is far above the customer's usual, or new and large. */
async function categoricalModel(): Promise<ModelArtefact> {
  await startWasmBackend();
  const shape = { numeric: 3, categories: [{ texts: 2, width: 3 }], leading: 'none' as const, encoded: 0, hidden: [8] };
  const model = buildCategorical({ ...shape, activation: 'relu', seed: 3 });
  const saved = await savedCategorical(model, inputs);
  model.dispose();
  // Small weights: the rules below decide, the model only adds to their score.
  const weights = new Float32Array(new Uint8Array(Buffer.from(saved.weightData, 'base64')).buffer).map((w) => w / 8);
  return { ...saved, weightData: Buffer.from(weights.buffer).toString('base64'), background };
}

const rule = (name: string, conditions: unknown, text: string) => ({
  name,
  priority: 10,
  conditions,
  event: { type: 'fraud-sign', params: { version: 1, outcome: 'hold', weight: 0.4, text } },
});

/** The probability alone holds nothing: the model here is random, the rules' scores decide. */
function byScore(policy: PolicyDefinition): PolicyDefinition {
  const bands = policy.thresholds.default.map((band) => ({ ...band, holdFromProbability: 0.99 }));
  return { ...policy, thresholds: { ...policy.thresholds, default: bands } };
}

let server: ApiServer;
beforeAll(async () => {
  const model = await categoricalModel();
  const rules = [
    rule(
      'R-901',
      {
        all: [
          { fact: 'customer.amountToMean.30d', operator: 'greaterThanInclusive', value: 2 },
          { fact: 'customer+device.isFirst', operator: 'equal', value: 1 },
        ],
      },
      '{customer.amountToMean.30d} times the usual on a new device',
    ),
    rule(
      'R-902',
      { all: [{ fact: 'customer.count.10m', operator: 'greaterThanInclusive', value: 6 }] },
      '{customer.count.10m} payments in 10 minutes',
    ),
  ];
  server = await startApi(key, {
    bundle: (bundle) => ({ ...bundle, rules, model, policy: byScore(bundle.policy as PolicyDefinition) }),
  });
});
afterAll(() => server.close());

interface Sent {
  readonly customer: string;
  readonly minute: number;
  readonly amountMinor: number;
  readonly device: string;
}

let sent = 0;
async function decide({ customer, minute, amountMinor, device }: Sent): Promise<{ paymentId: string; action: string }> {
  const body = {
    paymentId: `${customer}-${sent++}`,
    occurredAt: new Date(Date.UTC(2026, 0, 5, 12, minute)).toISOString(),
    amountMinor,
    currency: 'EUR',
    customerId: customer,
    deviceId: device,
    channel: 'ecommerce',
  };
  const answer = await fetch(`${server.url}/v1/decisions`, {
    method: 'POST',
    headers: { ...headers, 'holdfast-deadline-ms': '5000' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { paymentId: string; action: string };
}

interface Explanation {
  readonly action: string;
  readonly reproduced: boolean;
  readonly model: {
    readonly backend: string;
    readonly method: string;
    readonly base: number;
    readonly logit: number;
    readonly probability: number;
    readonly backgroundRows: number;
    readonly contributions: readonly { fact: string; value: unknown; contribution: number }[];
  };
  readonly counterfactuals: {
    readonly text: string;
    readonly found: readonly {
      readonly change: { kind: string; amountMinor?: number; entity?: string; value?: number };
      readonly text: string;
      readonly exact: boolean;
      readonly held: readonly string[];
    }[];
    readonly checked: { readonly amounts: number; readonly known: number };
  };
}

async function explanationOf(paymentId: string): Promise<Explanation> {
  const answer = await fetch(`${server.url}/v1/decisions/${paymentId}/explanation`, { headers });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Explanation;
}

/** Four ordinary payments hours apart, on one device, and then one more. */
async function history(customer: string, last: Pick<Sent, 'amountMinor' | 'device'>) {
  for (const [i, amountMinor] of [2000, 2400, 1800, 2200].entries())
    await decide({ customer, minute: i * 60, amountMinor, device: `${customer}-phone` });
  return decide({ customer, minute: 300, ...last });
}

test('of a held payment: contributions add up, and each change that is claimed is allowed when it is made', async () => {
  const held = await history('anna', { amountMinor: 90_000, device: 'anna-new' });
  expect(held.action).toBe('hold');
  const { model, counterfactuals, reproduced } = await explanationOf(held.paymentId);
  expect(reproduced).toBe(true);
  expect([model.backend, model.method, model.backgroundRows]).toEqual(['kernel', 'exact', 4]);
  const total = model.contributions.reduce((sum, { contribution }) => sum + contribution, model.base);
  expect(Math.abs(total - model.logit)).toBeLessThanOrEqual(1e-9);
  expect(1 / (1 + Math.exp(-model.logit))).toBeCloseTo(model.probability, 8);
  expect(model.contributions.find(({ fact }) => fact === 'channel')?.value).toBe('ecommerce');

  const below = counterfactuals.found.find(({ change }) => change.kind === 'amountBelow');
  const limit = below?.change.amountMinor ?? 0;
  expect(counterfactuals.text).toMatch(
    /^would be allowed below \d+\.\d\d EUR, or with a device known of this customer/,
  );
  expect(below?.exact).toBe(true);
  expect(counterfactuals.checked.amounts).toBeGreaterThan(60);
  expect((await history('berta', { amountMinor: limit - 1, device: 'berta-new' })).action).toBe('allow');
  expect((await history('carla', { amountMinor: limit + 200, device: 'carla-new' })).action).toBe('hold');

  const known = counterfactuals.found.find(({ change }) => change.kind === 'known');
  expect(known?.change.entity).toBe('customer+device');
  expect((await history('dora', { amountMinor: 90_000, device: 'dora-phone' })).action).toBe('allow');
});

test('of too many payments: how many fewer would have been allowed', async () => {
  let last = { paymentId: '', action: '' };
  for (let i = 0; i < 7; i++)
    last = await decide({ customer: 'emil', minute: i, amountMinor: 500, device: 'emil-phone' });
  expect(last.action).toBe('hold');
  const { counterfactuals } = await explanationOf(last.paymentId);
  expect(counterfactuals.found).toContainEqual(
    expect.objectContaining({ change: { kind: 'countAtMost', fact: 'customer.count.10m', value: 5 } }),
  );
});

test('an allowed payment has contributions and no counterfactual', async () => {
  const { paymentId, action } = await decide({ customer: 'fritz', minute: 0, amountMinor: 900, device: 'fritz-phone' });
  expect(action).toBe('allow');
  const { model, counterfactuals, reproduced } = await explanationOf(paymentId);
  expect(reproduced).toBe(true);
  expect(counterfactuals.found).toEqual([]);
  expect(model.contributions).toHaveLength(inputs.length);
});

test('the same question has the same answer; an unknown payment 404, no key 401', async () => {
  const { paymentId } = await decide({ customer: 'gerd', minute: 0, amountMinor: 900, device: 'gerd-phone' });
  expect(await explanationOf(paymentId)).toEqual(await explanationOf(paymentId));
  const path = `${server.url}/v1/decisions/nobody/explanation`;
  const unknown = await fetch(path, { headers });
  expect([unknown.status, await unknown.json()]).toEqual([
    404,
    expect.objectContaining({ code: 'decision_not_found' }),
  ]);
  expect((await fetch(path)).status).toBe(401);
});

test('ten explanations at once: as many as may be are answered, the others are told to come again', async () => {
  const { paymentId } = await decide({ customer: 'hans', minute: 0, amountMinor: 900, device: 'hans-phone' });
  const path = `${server.url}/v1/decisions/${paymentId}/explanation`;
  const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(path, { headers })));
  const statuses = new Set(answers.map(({ status }) => status));
  expect(statuses.has(200)).toBe(true);
  for (const status of statuses) expect([200, 503]).toContain(status);
});
