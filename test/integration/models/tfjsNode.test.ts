// Guarantee: where `npm run setup:tfjs-node` has been, training runs on TF.js's native backend and learns the same; the same
// seed gives the same bytes there too; and a model scores there as in the kernel.
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTrainer } from '../../../src/cli/train/trainer.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { isCategory } from '../../../src/models/inputs.ts';
import { averagePrecisionOf } from '../../../src/models/metrics.ts';
import type { TrainingBackend } from '../../../src/models/training/backend.ts';
import type { FitTask } from '../../../src/models/training/fit.ts';
import { uniform } from '../../../src/models/training/random.ts';
import { trainingTable } from '../../../src/models/training/table.ts';
import { requires } from '../../helpers/requirements.ts';
import { frameOf, layoutOf } from '../../unit/models/frames.ts';

const native = requires('tfjs-node');
const rows = 3000;
const width = 6;

function task(): FitTask {
  const random = uniform(3);
  const facts = Float64Array.from({ length: rows * width }, () => random() * 2 - 1);
  const value = (row: number, input: number): number => facts[row * width + input] ?? Number.NaN;
  const labels = Uint8Array.from({ length: rows }, (_, row) => (value(row, 0) + value(row, 1) > 1.2 ? 1 : 0));
  const inputs = Array.from({ length: width }, (_, i) => ({ fact: `f${i}`, transform: 'none' as const, missing: 0 }));
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  return {
    table: trainingTable(inputs, { rows, value }, labels),
    rows: all.subarray(0, 2000),
    validationRows: all.subarray(2000),
    options: {
      hidden: [16, 8],
      epochs: 10,
      batchRows: 128,
      learningRate: 0.02,
      weightDecay: 0.01,
      dropout: 0.1,
      patienceEpochs: 10,
      seed: 2,
    },
  };
}

async function trained(backend: TrainingBackend) {
  const trainer = createTrainer(backend, new AbortController().signal);
  try {
    const fitted = await trainer.fit(task(), () => undefined);
    if (fitted === undefined) throw new Error('nothing was fitted');
    return fitted;
  } finally {
    await trainer.close();
  }
}

describe.skipIf(!native.met)('TF.js’s native backend', () => {
  test('trains in a worker as WebAssembly does, and repeats itself', { timeout: 60_000 }, async () => {
    const [wasm, first, second] = [await trained('wasm'), await trained('tfjs-node'), await trained('tfjs-node')];
    expect(second.parameters).toEqual(first.parameters);
    expect(first.validationAp).toBeGreaterThan(0.9);
    expect(Math.abs((first.validationAp ?? 0) - (wasm.validationAp ?? 0))).toBeLessThan(0.02);
    const { table, validationRows } = task();
    const frauds = Uint8Array.from(validationRows, (row) => table.labels[row] ?? 0);
    expect(averagePrecisionOf(first.validationLogits, frauds)).toBe(first.validationAp);
  });

  test('scores the default model within 1e-5 of the kernel', { timeout: 60_000 }, async () => {
    const artefact = await readModelDirectory(resolve(import.meta.dirname, '../../../config/default/model'));
    const layout = layoutOf(artefact.card.inputs.map(({ fact }) => fact));
    const random = uniform(9);
    const frame = frameOf(
      layout,
      Array.from({ length: 200 }, () =>
        artefact.card.inputs.map((input) =>
          isCategory(input) || random() < 0.1 ? Number.NaN : (random() < 0.5 ? 1 : 10_000) * random(),
        ),
      ),
    );
    const scores = await Promise.all(
      (['kernel', 'tfjs-node'] as const).map(async (backend) => {
        const model = await bindModel(artefact, layout, { backend });
        expect(model.backend).toBe(backend);
        const out = new Float64Array(frame.rows);
        model.score(frame, out);
        return out;
      }),
    );
    scores[0]?.forEach((score, row) =>
      expect(Math.abs(score - (scores[1]?.[row] ?? Number.NaN))).toBeLessThanOrEqual(1e-5),
    );
  });
});
