// Guarantee: an imported ONNX export of XGBoost, LightGBM or scikit-learn's trees gives what onnxruntime and the library itself give,
// within 1e-6, missing values too; what cannot be imported is refused with a sentence, whatever was done to the file. The files are
// made by onnx/make.py.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bindModel } from '../../../src/models/bind.ts';
import { ModelError } from '../../../src/models/errors.ts';
import { importModel, type ModelMapping, readMapping } from '../../../src/models/import.ts';
import { readOnnxTrees } from '../../../src/models/onnx/trees.ts';
import { treeArtefact } from '../../../src/models/trees.ts';
import { factNames, frameOf, layoutOf } from '../../unit/models/frames.ts';

const fixture = (name: string) => new URL(`onnx/${name}`, import.meta.url).pathname;

interface Expected {
  readonly rows: readonly (readonly (number | null)[])[];
  readonly forestRows: readonly (readonly (number | null)[])[];
  readonly probabilities: Readonly<
    Record<string, { readonly onnxruntime: readonly number[]; readonly library: readonly number[] }>
  >;
}
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Expected;

const mapping: ModelMapping = {
  id: 'imported',
  inputs: factNames(4).map((fact) => ({ fact, missing: null })),
};

test.each(['xgboost', 'lightgbm', 'forest'])('%s: as onnxruntime and as the library', async (name) => {
  const artefact = await importModel(fixture(`${name}.onnx`), mapping);
  const layout = layoutOf(factNames(4));
  const model = await bindModel(artefact, layout);
  expect(model.backend).toBe('trees');
  const rows = (name === 'forest' ? expected.forestRows : expected.rows).map((row) => row.map((x) => x ?? Number.NaN));
  const ours = new Float64Array(rows.length);
  const frame = frameOf(layout, rows);
  model.score(frame, ours);
  const { onnxruntime, library } = expected.probabilities[name] ?? { onnxruntime: [], library: [] };
  expect(onnxruntime).toHaveLength(rows.length);
  ours.forEach((probability, row) => {
    expect(Math.abs(probability - (onnxruntime[row] ?? 2))).toBeLessThanOrEqual(1e-6);
    expect(Math.abs(probability - (library[row] ?? 2))).toBeLessThanOrEqual(1e-6);
    const [logit] = model.logits(model.gather(frame, row));
    expect(1 / (1 + Math.exp(-(logit ?? 0)))).toBeCloseTo(probability, 9);
  });
  expect(model.explain(frame, 1, 3).length).toBeGreaterThan(0);
});

test.each([
  ['mlp.onnx', /operators .*MatMul.*one tree ensemble/],
  ['regressor.onnx', /not a probability; export a binary classifier/],
])('%s is refused', async (name, message) => {
  await expect(importModel(fixture(name), mapping)).rejects.toThrow(message);
});

test('another number of inputs, another format, no file: each is told', async () => {
  const three = { ...mapping, inputs: mapping.inputs.slice(1) };
  await expect(importModel(fixture('xgboost.onnx'), three)).rejects.toThrow(/takes 4 inputs, but the mapping lists 3/);
  await expect(importModel(fixture('make.py'), mapping)).rejects.toThrow(/format that is not read here/);
  await expect(importModel(fixture('none.onnx'), mapping)).rejects.toThrow(/no such file/);
  expect(() => readMapping({ id: 'x', inputs: [{ fact: 'a', missing: 'zero' }] })).toThrow(
    /The mapping is not .*inputs/,
  );
});

test('a damaged file is refused or still gives probabilities: never a crash, never a walk without end', async () => {
  const sound = readFileSync(fixture('xgboost.onnx'));
  const layout = layoutOf(factNames(4));
  const rows = expected.rows.slice(0, 5).map((row) => row.map((x) => x ?? Number.NaN));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(sound.length)),
      async (changes, end) => {
        const bytes = Uint8Array.from(end === null ? sound : sound.subarray(0, end));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const { trees } = readOnnxTrees(bytes);
          const inputs = factNames(4).map((fact) => ({ fact, transform: 'none' as const, missing: 0 }));
          const model = await bindModel({ ...treeArtefact(trees, []), card: { id: 'damaged', inputs } }, layout);
          const out = new Float64Array(rows.length);
          model.score(frameOf(layout, rows), out);
          for (const probability of out) expect(probability >= 0 && probability <= 1).toBe(true);
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
        }
      },
    ),
    { numRuns: 300 },
  );
});
