// Guarantee: an explanation is exact occlusion (logit minus logit with that input at its training mean), ranked, deterministic.
import { expect, test } from 'vitest';
import { randomArtefact } from '../../../bench/fixtures/randomModel.ts';
import { bindModel } from '../../../src/models/bind.ts';
import type { ModelArtefact } from '../../../src/models/types.ts';
import { factNames, frameOf, layoutOf } from './frames.ts';

/** logit = w · (x − mean) / deviation + b, with variance + epsilon = deviation². */
function linear(weights: readonly number[], means: readonly number[], variances: readonly number[]): ModelArtefact {
  const facts = factNames(weights.length);
  const sound = randomArtefact(facts, 1, []);
  const values = Float32Array.from([...means, ...variances.map((v) => v - 1e-3), ...weights, 0.25]);
  const inputs = facts.map((fact) => ({ fact, transform: 'none' as const, missing: 0 }));
  return { ...sound, weightData: Buffer.from(values.buffer).toString('base64'), card: { id: 'linear', inputs } };
}

test('of a linear model it is weight × standardised distance from the mean, largest first', async () => {
  const artefact = linear([2, -3, 0.5, 1], [10, 20, 30, 40], [4, 1, 1, 1]);
  const layout = layoutOf(factNames(4));
  const model = await bindModel(artefact, layout);
  const frame = frameOf(layout, [
    [0, 0, 0, 0],
    [14, 22, 30, 41],
  ]);
  const contributions = model.explain(frame, 1, 3);
  expect(contributions.map((c) => c.fact)).toEqual(['fact1', 'fact0', 'fact3']);
  expect(contributions.map((c) => c.contribution)).toEqual([
    expect.closeTo(-6, 5),
    expect.closeTo(4, 5),
    expect.closeTo(1, 5),
  ]);
  expect(model.explain(frame, 1, 10)).toHaveLength(3);
  expect(model.explain(frame, 1, 0)).toEqual([]);
});

test('a missing fact is explained by the value that stands for it', async () => {
  const layout = layoutOf(factNames(2));
  const model = await bindModel(linear([1, 1], [5, 0], [1, 1]), layout);
  expect(model.explain(frameOf(layout, [[Number.NaN, 0]]), 0, 5)).toEqual([
    { fact: 'fact0', contribution: expect.closeTo(-5, 5) },
  ]);
});

test('the same row is explained the same, bit for bit, in any frame, before and after others were scored', async () => {
  const layout = layoutOf(factNames(150));
  const model = await bindModel(randomArtefact(layout.numeric, 5), layout);
  const row = layout.numeric.map((_, i) => i * 1.7);
  const first = model.explain(frameOf(layout, [row]), 0, 150);
  const other = frameOf(layout, [row.map((x) => x + 1), row.map((x) => -x), row]);
  model.score(other, new Float64Array(3));
  expect(first.length).toBeGreaterThan(140);
  expect(model.explain(other, 2, 150)).toEqual(first);
});
