// Guarantee: contributions + base = logit, to 1e-9, exact or sampled; exact values are those of the definition (a mean over all
// orders); sampled ones lie within their stated error of them; the same question has the same answer, within its budget.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomArtefact } from '../../../bench/fixtures/randomModel.ts';
import { uniform } from '../../../src/models/training/random.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { type Attribution, shapley, type ShapleyOptions } from '../../../src/models/shapley.ts';
import type { BoundModel } from '../../../src/models/types.ts';
import { factNames, layoutOf } from './frames.ts';

function explain(model: BoundModel, row: Float64Array, options: ShapleyOptions): Attribution {
  const steps = shapley(model, row, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

async function modelWith(inputs: number, backgroundRows: number, seed: number): Promise<BoundModel> {
  const layout = layoutOf(factNames(inputs));
  const random = uniform(seed);
  const background = Array.from({ length: backgroundRows }, () =>
    Array.from({ length: inputs }, () => (random() < 0.05 ? null : random() * 300)),
  );
  const artefact = randomArtefact(layout.numeric, seed, [16, 8]);
  return bindModel(backgroundRows === 0 ? artefact : { ...artefact, background }, layout);
}

const rowOf = (inputs: number, seed: number): Float64Array => {
  const random = uniform(seed + 7);
  return Float64Array.from({ length: inputs }, () => (random() < 0.05 ? Number.NaN : random() * 300));
};

const total = ({ base, contributions }: Attribution): number => contributions.reduce((sum, value) => sum + value, base);

const shapes = fc.record({
  inputs: fc.integer({ min: 1, max: 40 }),
  backgroundRows: fc.integer({ min: 0, max: 12 }),
  evaluationsMax: fc.constantFrom(100, 2000),
  seed: fc.nat(),
});

test('base + contributions = logit, whatever the method, and the budget holds', async () => {
  const methods = new Set<string>();
  await fc.assert(
    fc.asyncProperty(shapes, async ({ inputs, backgroundRows, evaluationsMax, seed }) => {
      const model = await modelWith(inputs, backgroundRows, seed);
      const row = rowOf(inputs, seed);
      const attribution = explain(model, row, { evaluationsMax, seed: 1 });
      methods.add(attribution.method);
      expect(Math.abs(total(attribution) - attribution.logit)).toBeLessThanOrEqual(1e-9);
      expect(attribution.logit).toBe(model.logits(row)[0]);
      const base = model.background.map((other) => model.logits(other)[0] ?? 0);
      expect(attribution.base).toBeCloseTo(base.reduce((sum, value) => sum + value, 0) / base.length, 9);
      const oneRound = 2 * inputs * model.background.length + 1;
      expect(attribution.evaluations).toBeLessThanOrEqual(Math.max(evaluationsMax + 1, oneRound));
      expect(explain(model, row, { evaluationsMax, seed: 1 })).toEqual(attribution);
    }),
    { numRuns: 60 },
  );
  expect(methods).toEqual(new Set(['exact', 'sampled']));
});

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

/** The definition: the mean, over every order of the inputs and every background row, of what an input adds. */
function byDefinition(model: BoundModel, row: Float64Array): Float64Array {
  const sums = new Float64Array(row.length);
  const orders = permutations([...row.keys()]);
  for (const order of orders)
    for (const from of model.background) {
      const at = Float64Array.from(from);
      let before = model.logits(at)[0] ?? 0;
      for (const input of order) {
        at[input] = row[input] ?? 0;
        const after = model.logits(at)[0] ?? 0;
        sums[input] = (sums[input] ?? 0) + after - before;
        before = after;
      }
    }
  return sums.map((sum) => sum / (orders.length * model.background.length));
}

test('exact values are the mean over all orders', async () => {
  const model = await modelWith(5, 3, 11);
  const row = rowOf(5, 2);
  const attribution = explain(model, row, { evaluationsMax: 1000, seed: 1 });
  expect(attribution.method).toBe('exact');
  byDefinition(model, row).forEach((value, input) => expect(attribution.contributions[input]).toBeCloseTo(value, 9));
});

test('sampled values lie within a few of their standard errors of the exact ones', async () => {
  const model = await modelWith(10, 4, 5);
  const row = rowOf(10, 4);
  const exact = explain(model, row, { evaluationsMax: 100_000, seed: 1 });
  const sampled = explain(model, row, { evaluationsMax: 3999, seed: 3 });
  expect([exact.method, sampled.method]).toEqual(['exact', 'sampled']);
  expect(sampled.pairs).toBe(4 * 49);
  exact.contributions.forEach((value, input) => {
    const error = sampled.standardErrors[input] ?? 0;
    expect(Math.abs((sampled.contributions[input] ?? 0) - value)).toBeLessThanOrEqual(4 * error + 1e-6);
  });
});

test('an input that is the same in the whole background has no part in it', async () => {
  const layout = layoutOf(factNames(3));
  const artefact = {
    ...randomArtefact(layout.numeric, 2, [8]),
    background: [
      [1, 5, null],
      [2, 5, null],
    ],
  };
  const model = await bindModel(artefact, layout);
  const attribution = explain(model, Float64Array.of(9, 5, Number.NaN), { evaluationsMax: 100, seed: 1 });
  expect([...attribution.contributions].slice(1)).toEqual([0, 0]);
  expect(attribution.evaluations).toBe(4);
  expect(Math.abs(total(attribution) - attribution.logit)).toBeLessThanOrEqual(1e-9);
});
