// Guarantee: a row's probability from the compiled kernel depends on that row alone, bit for bit: not on the batch, its place
// in it, what was scored before, or which rows share a tile.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomArtefact } from '../../../bench/fixtures/randomModel.ts';
import { frameRowsMax } from '../../../src/features/frame.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { factNames, frameOf, layoutOf } from './frames.ts';

const shapes = fc.record({
  inputs: fc.integer({ min: 1, max: 70 }),
  hidden: fc.array(fc.integer({ min: 1, max: 130 }), { maxLength: 3 }),
  seed: fc.nat(),
});
const fact = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -1e4, max: 1e4, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 0, -0, 1e-300, 9e15, -9e15, 1e300, Infinity, -Infinity) },
);

test('the same bits in every batch and place, and always a probability', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer({ min: 1, max: 9 }), fc.infiniteStream(fact), async (shape, rows, facts) => {
      const layout = layoutOf(factNames(shape.inputs));
      const model = await bindModel(randomArtefact(layout.numeric, shape.seed, shape.hidden), layout);
      expect(model.backend).toBe('kernel');
      const values = Array.from({ length: rows }, () => [...facts.take(shape.inputs)]);
      const together = new Float64Array(rows);
      model.score(frameOf(layout, values), together);
      values.forEach((row, at) => {
        const alone = new Float64Array(1);
        model.score(frameOf(layout, [row]), alone);
        expect(alone[0]).toBe(together[at]);
        expect(alone[0]).toBeGreaterThanOrEqual(0);
        expect(alone[0]).toBeLessThanOrEqual(1);
      });
      const reversed = new Float64Array(rows);
      model.score(frameOf(layout, values.toReversed()), reversed);
      expect([...reversed].reverse()).toEqual([...together]);
    }),
    { numRuns: 60 },
  );
});

test('a full frame, several blocks of the kernel, gives each row what it gets alone', async () => {
  const layout = layoutOf(factNames(20));
  const model = await bindModel(randomArtefact(layout.numeric, 3), layout);
  const values = Array.from({ length: frameRowsMax }, (_, row) =>
    layout.numeric.map((_, i) => ((row * 31 + i * 7) % 97) ** 2),
  );
  const together = new Float64Array(frameRowsMax);
  model.score(frameOf(layout, values), together);
  const alone = values.map((row) => {
    const one = new Float64Array(1);
    model.score(frameOf(layout, [row]), one);
    return one[0];
  });
  expect([...together]).toEqual(alone);
  expect(new Set(alone).size).toBeGreaterThan(90);
});

test('only rows 0 … rows − 1 are written', async () => {
  const layout = layoutOf(factNames(3));
  const model = await bindModel(randomArtefact(layout.numeric, 1), layout);
  const frame = frameOf(layout, [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]);
  const out = new Float64Array(3).fill(-1);
  frame.rows = 2;
  model.score(frame, out);
  expect(out[2]).toBe(-1);
  frame.rows = 0;
  model.score(frame, new Float64Array(0));
});

test('columns are found by name, whatever their place in the layout', async () => {
  const artefact = randomArtefact(['a', 'b'], 9);
  const straight = layoutOf(['a', 'b']);
  const mixed = layoutOf(['z', 'b', 'y', 'a']);
  const [first, second] = [new Float64Array(1), new Float64Array(1)];
  (await bindModel(artefact, straight)).score(frameOf(straight, [[10, 20]]), first);
  (await bindModel(artefact, mixed)).score(frameOf(mixed, [[1, 20, 1, 10]]), second);
  expect(second).toEqual(first);
});
