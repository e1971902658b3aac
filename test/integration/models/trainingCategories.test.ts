// Guarantee: a category whose value decides is learned; the trained model, an ensemble folded and calibrated, scores in the kernel as
// TF.js does; a text that was never seen is scored as "other", which nothing in training favours; the same seed gives the same bytes,
// and the derivatives are those of the loss.
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { codeFirstLiteral, codeOther } from '../../../src/features/frame.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { averagePrecisionOf } from '../../../src/models/metrics.ts';
import { startWasmBackend } from '../../../src/models/tensorflow.ts';
import { assemble } from '../../../src/models/training/assemble.ts';
import {
  embeddingGradients,
  gatherEmbedded,
  settleUnseen,
  startEmbeddings,
} from '../../../src/models/training/embeddings.ts';
import { foldEnsemble } from '../../../src/models/training/ensemble.ts';
import { type FitOptions, fit, startParameters } from '../../../src/models/training/fit.ts';
import { lossAndGradients } from '../../../src/models/training/gradients.ts';
import { uniform } from '../../../src/models/training/random.ts';
import { categoryTable, trainingTable } from '../../../src/models/training/table.ts';
import type { CardInput, CategoryInput, ModelInput } from '../../../src/models/types.ts';

const vocabulary = ['5411', '5812', '7995', '4829'];
const amount: ModelInput = { fact: 'amountMinor', transform: 'signedLog1p', missing: 0 };
const code: CategoryInput = { fact: 'merchantCategoryCode', kind: 'category', vocabulary };
const channel: CategoryInput = { fact: 'channel', kind: 'category', vocabulary: ['ecommerce', 'card_present'] };
const inputs: CardInput[] = [code, amount, channel];
const rows = 4000;
const all = Int32Array.from({ length: rows }, (_, row) => row);
const options: FitOptions = {
  hidden: [8, 4],
  epochs: 8,
  batchRows: 100,
  learningRate: 0.02,
  weightDecay: 0.01,
  dropout: 0,
  patienceEpochs: 6,
  seed: 5,
};

beforeAll(startWasmBackend);

/** Fraud is code 7995 over the channel ecommerce, and nothing else: about 6 % of the rows. */
function examples() {
  const random = uniform(3);
  const [amounts, labels] = [new Float64Array(rows), new Uint8Array(rows)];
  const codes = Array.from({ length: rows }, (_, row) => {
    const merchant = random() < 0.12 ? 2 : Math.floor(random() * 4);
    const over = random() < 0.3 ? 0 : 1;
    amounts[row] = random() * 10_000;
    labels[row] = merchant === 2 && over === 0 ? 1 : 0;
    return [codeFirstLiteral + merchant, codeFirstLiteral + over] as const;
  });
  const table = {
    ...trainingTable([amount], { rows, value: (row) => amounts[row] ?? Number.NaN }, labels),
    categories: categoryTable([code, channel], [3, 2], rows, (row, category) => codes[row]?.[category] ?? 0),
  };
  return { table, labels, amounts, codes };
}

const trained = (seed: number) => {
  const fitted = fit(
    { table: examples().table, rows: all, validationRows: new Int32Array(0), options: { ...options, seed } },
    { stopped: () => false, onEpoch: () => undefined },
  );
  if (fitted === undefined) throw new Error('nothing was fitted');
  return fitted;
};

/** Three networks as one, calibrated. */
async function ensemble() {
  const members = [1, 2, 3].map(trained);
  const parameters = foldEnsemble(
    members.map((member) => member.parameters),
    { slope: 0.8, offset: -0.3 },
  );
  const artefact = await assemble(members[0]?.scale ?? trained(1).scale, parameters, { id: 'test', inputs });
  return { members, artefact };
}

const layout = {
  numeric: ['amountMinor'],
  categorical: [
    { name: 'channel', vocabulary: channel.vocabulary },
    { name: 'merchantCategoryCode', vocabulary },
  ],
  featureCount: 1,
};

test('what decides is learned; the kernel gives TF.js’s answer for the folded, calibrated ensemble', async () => {
  const { artefact } = await ensemble();
  const kernel = await bindModel(artefact, layout, { backend: 'kernel' });
  const theirs = await bindModel(artefact, layout, { backend: 'wasm' });
  expect([kernel.backend, theirs.backend]).toEqual(['kernel', 'wasm']);
  const { labels, amounts, codes } = examples();
  const facts = Float64Array.from({ length: rows * 3 }, (_, at) => {
    const row = Math.floor(at / 3);
    return [codes[row]?.[0], amounts[row], codes[row]?.[1]][at % 3] ?? Number.NaN;
  });
  const logits = kernel.logits(facts);
  expect(averagePrecisionOf(logits, labels)).toBeGreaterThan(0.999);
  const probability = (logit: number): number => 1 / (1 + Math.exp(-logit));
  theirs.logits(facts).forEach((logit, row) => {
    expect(Math.abs(probability(logit) - probability(logits[row] ?? 0))).toBeLessThan(1e-6);
  });
});

test('a folded ensemble says slope × mean + offset of its members', async () => {
  const { members, artefact } = await ensemble();
  const bound = await bindModel(artefact, layout, { backend: 'kernel' });
  const single = await Promise.all(
    members.map(async ({ scale, parameters }) =>
      bindModel(await assemble(scale, parameters, { id: 'one', inputs }), layout, { backend: 'kernel' }),
    ),
  );
  for (const row of [Float64Array.of(4, 800, 2), Float64Array.of(2, 12, 3), Float64Array.of(0, 5000, 1)]) {
    const mean = single.reduce((sum, model) => sum + (model.logits(row)[0] ?? 0), 0) / members.length;
    expect(bound.logits(row)[0]).toBeCloseTo(0.8 * mean - 0.3, 3);
  }
});

test('a text that was never seen is “other”, whose vector is the mean of the payments, and is no alert', async () => {
  const { artefact } = await ensemble();
  const bound = await bindModel(artefact, layout, { backend: 'kernel' });
  const score = (merchant: number, over: number): number => bound.logits(Float64Array.of(merchant, 5000, over))[0] ?? 0;
  const [fraud, genuine] = [score(4, 2), score(2, 2)];
  expect(fraud).toBeGreaterThan(0);
  expect(genuine).toBeLessThan(-2);
  for (const other of [score(codeOther, 3), score(codeOther, codeOther), score(0, 3)]) expect(other).toBeLessThan(-2);

  const { table } = examples();
  const [embedding] = startEmbeddings(table.categories.embeddings, 9);
  if (embedding === undefined) throw new Error('no embedding');
  const [, width = 0] = embedding.shape;
  const mean = new Float64Array(width);
  for (const row of all) {
    const from = (table.categories.codes[row * 2] ?? 0) * width;
    mean.forEach((_, i) => {
      mean[i] = (mean[i] ?? 0) + (embedding.values[from + i] ?? 0) / rows;
    });
  }
  settleUnseen(table.categories, [embedding, ...startEmbeddings(table.categories.embeddings, 9).slice(1)], all);
  for (const unseen of [0, 1])
    mean.forEach((value, i) => expect(embedding.values[unseen * width + i]).toBeCloseTo(value, 5));
});

test('the same seed gives the same numbers, another seed others', () => {
  expect(trained(5)).toEqual(trained(5));
  expect(trained(6).parameters.at(-1)).not.toEqual(trained(5).parameters.at(-1));
});

test('the derivatives by the vectors are those of the loss', () => {
  const { table } = examples();
  const { categories } = table;
  const some = Int32Array.from([0, 1, 1, 7, 30]);
  const embeddings = startEmbeddings(categories.embeddings, 2);
  const dense = startParameters(6, [4], 0.2, 8);
  const labels = Float32Array.from([1, 0, 0, 1, 0]);
  const loss = (slopesFrom?: number) => {
    const gathered = Float32Array.from({ length: some.length * 6 }, (_, at) => Math.sin(at));
    gatherEmbedded(categories, embeddings, some, gathered, 6, 1);
    return lossAndGradients({ inputs: gathered, labels, masks: [] }, dense, slopesFrom);
  };
  const tensors = tf.memory().numTensors;
  const gradients = embeddingGradients(categories, some, loss(1).inputSlopes);
  expect(tf.memory().numTensors).toBe(tensors);
  const step = 0.01;
  embeddings.forEach(({ values }, category) => {
    values.forEach((value, at) => {
      values[at] = value + step;
      const above = loss().loss;
      values[at] = value - step;
      const below = loss().loss;
      values[at] = value;
      expect(gradients[category]?.[at]).toBeCloseTo((above - below) / (2 * step), 3);
    });
  });
});
