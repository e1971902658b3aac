// Guarantee: categories embedded by a model give what TF.js gives, by the kernel and by every TF.js backend that is there, for
// every code: missing, other and each text of the vocabulary; the kernel's bits of a row do not depend on its batch; backends
// agree within 1e-5 on the probability.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { codeFirstLiteral, codeMissing, codeOther, Frame, type FrameLayout } from '../../../src/features/frame.ts';
import { prepareFact } from '../../../src/models/arithmetic.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { isCategory } from '../../../src/models/inputs.ts';
import { tfjsNodePath } from '../../../src/models/tfjsNode.ts';
import type { Backend, BoundModel, CardInput } from '../../../src/models/types.ts';
import { buildCategorical, cardInputs, type CategoricalShape, savedCategorical } from './categorical.ts';

const tfjsNodeDirectory = process.env['HOLDFAST_TFJS_NODE_DIR'];
const native = tfjsNodePath(tfjsNodeDirectory) !== undefined;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** The frame's vocabularies begin with texts that only rules know, so that its codes are not the model's. */
function layoutFor(inputs: readonly CardInput[]): FrameLayout {
  return {
    numeric: ['unused', ...inputs.flatMap((input) => (isCategory(input) ? [] : [input.fact])).toReversed()],
    categorical: inputs.flatMap((input) =>
      isCategory(input) ? [{ name: input.fact, vocabulary: ['rule', ...input.vocabulary.toReversed()] }] : [],
    ),
    featureCount: 0,
  };
}

type Row = readonly (number | string | null)[];

/** @param rows [row][card input] */
function fill(layout: FrameLayout, inputs: readonly CardInput[], rows: readonly Row[]): Frame {
  const frame = new Frame(layout, Math.max(1, rows.length));
  rows.forEach((row, at) => {
    inputs.forEach((input, i) => {
      const cell = row[i] ?? null;
      if (!isCategory(input)) {
        const column = frame.numbers[layout.numeric.indexOf(input.fact)] as Float64Array;
        column[at] = typeof cell === 'number' ? cell : Number.NaN;
        return;
      }
      const column = layout.categorical.findIndex(({ name }) => name === input.fact);
      const place = layout.categorical[column]?.vocabulary.indexOf(cell as string) ?? -1;
      (frame.codes[column] as Int32Array)[at] =
        cell === null ? codeMissing : place < 0 ? codeOther : codeFirstLiteral + place;
    });
  });
  frame.rows = rows.length;
  return frame;
}

function predicted(model: LayersModel, inputs: readonly CardInput[], rows: readonly Row[]): Float32Array {
  return tf.tidy(() => {
    const numbers = rows.map((row) =>
      inputs.flatMap((input, i) => {
        const cell = row[i];
        if (isCategory(input)) return [];
        return [prepareFact(typeof cell === 'number' ? cell : Number.NaN, input.transform, input.missing)];
      }),
    );
    const codes = inputs.flatMap((input, i) =>
      isCategory(input)
        ? [
            rows.map((row) => {
              const cell = row[i] ?? null;
              if (cell === null) return [0];
              const place = input.vocabulary.indexOf(cell as string);
              return [place < 0 ? 1 : 2 + place];
            }),
          ]
        : [],
    );
    const answer = model.predict([tf.tensor2d(numbers), ...codes.map((column) => tf.tensor2d(column))]);
    return Float32Array.from((answer as tf.Tensor).dataSync());
  });
}

const shapes: fc.Arbitrary<CategoricalShape> = fc.record({
  numeric: fc.integer({ min: 1, max: 20 }),
  categories: fc.array(fc.record({ texts: fc.integer({ min: 1, max: 12 }), width: fc.integer({ min: 1, max: 9 }) }), {
    minLength: 1,
    maxLength: 4,
  }),
  leading: fc.constantFrom('none', 'normalise'),
  encoded: fc.constantFrom(0, 0, 13),
  hidden: fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 2 }),
  activation: fc.constant('relu'),
  seed: fc.nat(),
});

function rowsOf(inputs: readonly CardInput[], count: number, seed: number): Row[] {
  return Array.from({ length: count }, (_, row) =>
    inputs.map((input, i) => {
      const pick = (row * 31 + i * 17 + (seed % 97)) % 23;
      if (!isCategory(input)) return pick === 5 ? null : (pick - 11) / 4;
      if (pick === 0) return null;
      return pick < 4
        ? (['rule', 'never seen', ''][pick - 1] ?? null)
        : (input.vocabulary[pick % input.vocabulary.length] ?? null);
    }),
  );
}

function scored(model: BoundModel, frame: Frame): Float64Array {
  const out = new Float64Array(frame.rows);
  model.score(frame, out);
  return out;
}

test('kernel = TF.js within 1e-6 over random models with categories; the same bits alone and in a batch', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (shape) => {
      const inputs = cardInputs(shape);
      const layout = layoutFor(inputs);
      const model = buildCategorical(shape);
      const artefact = await savedCategorical(model, inputs);
      const bound = await bindModel(artefact, layout, { backend: 'kernel' });
      const rows = rowsOf(inputs, 9, shape.seed);
      const ours = scored(bound, fill(layout, inputs, rows));
      predicted(model, inputs, rows).forEach((theirs, i) => {
        expect(Math.abs(theirs - (ours[i] ?? 2))).toBeLessThanOrEqual(1e-6);
      });
      rows.forEach((row, i) => expect(scored(bound, fill(layout, inputs, [row]))[0]).toBe(ours[i]));
      model.dispose();
    }),
    { numRuns: 40 },
  );
});

const fixed: CategoricalShape = {
  numeric: 12,
  categories: [
    { texts: 5, width: 3 },
    { texts: 9, width: 4 },
  ],
  leading: 'normalise',
  encoded: 0,
  hidden: [24],
  activation: 'relu',
  seed: 5,
};

test.for<[Backend, boolean]>([
  ['wasm', true],
  ['tfjs-node', native],
])(
  '%s gives what the kernel gives within 1e-5, logits, background and reasons too',
  async ([backend, there], { skip }) => {
    skip(!there, 'tfjs-node is not installed: npm run setup:tfjs-node');
    const inputs = cardInputs(fixed);
    const layout = layoutFor(inputs);
    const artefact = await savedCategorical(buildCategorical(fixed), inputs);
    const kernel = await bindModel(artefact, layout);
    const other = await bindModel(artefact, layout, { backend, tfjsNodeDirectory });
    expect([kernel.backend, other.backend]).toEqual(['kernel', backend]);
    expect(other.version).toBe(kernel.version);
    const frame = fill(layout, inputs, rowsOf(inputs, 70, 3));
    const [ours, theirs] = [scored(kernel, frame), scored(other, frame)];
    ours.forEach((probability, i) => expect(Math.abs(probability - (theirs[i] ?? 2))).toBeLessThanOrEqual(1e-5));
    const rows = Float64Array.from([...kernel.gather(frame, 3), ...kernel.gather(frame, 4)]);
    expect(other.gather(frame, 4)).toEqual(kernel.gather(frame, 4));
    const logits = other.logits(rows);
    kernel.logits(rows).forEach((logit, i) => expect(Math.abs(logit - (logits[i] ?? 99))).toBeLessThanOrEqual(1e-3));
    expect(kernel.explain(frame, 3, 3)).toHaveLength(3);
    expect(other.explain(frame, 3, 3)).toHaveLength(3);
  },
);

test('what the kernel does not cover runs on wasm with its categories, and the operator who asks for the kernel is told why', async () => {
  const shape: CategoricalShape = { ...fixed, activation: 'elu' };
  const inputs = cardInputs(shape);
  const layout = layoutFor(inputs);
  const model = buildCategorical(shape);
  const artefact = await savedCategorical(model, inputs);
  const rows = rowsOf(inputs, 40, 1);
  await tf.setBackend('cpu');
  const expected = predicted(model, inputs, rows);
  const bound = await bindModel(artefact, layout);
  expect(bound.backend).toBe('wasm');
  const ours = scored(bound, fill(layout, inputs, rows));
  expected.forEach((theirs, i) => expect(Math.abs(theirs - (ours[i] ?? 2))).toBeLessThanOrEqual(1e-5));
  await expect(bindModel(artefact, layout, { backend: 'kernel' })).rejects.toMatchObject({
    code: 'model_unsupported',
    message: expect.stringMatching(/activation "elu"/),
  });
});

test('a vocabulary larger than its embedding, and a category that the graph has not, are refused', async () => {
  const inputs = cardInputs(fixed);
  const artefact = await savedCategorical(buildCategorical(fixed), inputs);
  const larger = inputs.map((input) =>
    isCategory(input) ? { ...input, vocabulary: [...input.vocabulary, 'more'] } : input,
  );
  const more: CardInput[] = [...inputs, { fact: 'kind9', kind: 'category', vocabulary: ['a'] }];
  for (const [changed, message] of [
    [larger, /embeds 7 codes; the vocabulary of kind0 needs 8/],
    [more, /no embedding for the category kind9/],
  ] as const) {
    const faulty = { ...artefact, card: { ...artefact.card, inputs: changed } };
    await expect(bindModel(faulty, layoutFor(changed))).rejects.toMatchObject({
      code: 'model_inputs',
      message: expect.stringMatching(message),
    });
  }
});

test('the fastest is measured: the kernel stays unless another is faster by more than the margin', async () => {
  const inputs = cardInputs(fixed);
  const layout = layoutFor(inputs);
  const artefact = await savedCategorical(buildCategorical(fixed), inputs);
  expect((await bindModel(artefact, layout, { backend: 'fastest', tfjsNodeDirectory })).backend).toBe('kernel');
});
