// Guarantee: the measures on the default model's card are true: the whole way from the data file (decoder, feature code,
// delayed labels, split, compiled kernel) gives the same numbers again, and TF.js itself gives the same probabilities.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { dayMs } from '../../../src/cli/history/feed.ts';
import { buildHistory, trainingLayout } from '../../../src/cli/history/history.ts';
import type { LabelledPayments } from '../../../src/cli/history/labelled.ts';
import { openPayments } from '../../../src/cli/history/payments.ts';
import { neededDefinitions } from '../../../src/cli/train/needed.ts';
import { scoredPayments, scoreRows } from '../../../src/cli/train/score.ts';
import type { FeatureDefinitions } from '../../../src/features/definitions.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { prepareFact } from '../../../src/models/arithmetic.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { numericInputs } from '../../../src/models/inputs.ts';
import { loadable } from '../../../src/models/tensorflow.ts';
import type { TrainedCard } from '../../../src/models/training/card.ts';
import { evaluationOf } from '../../../src/models/training/evaluation.ts';
import { splitRows } from '../../../src/models/training/protocol.ts';
import { requires } from '../../helpers/requirements.ts';

const handbook = requires('handbook');
const config = resolve(import.meta.dirname, '../../../config/default');
/** Longest window and delay of the inputs, and a day to spare: what is older cannot matter, and leaving it out halves the time. */
const memoryDays = 30 + 7 + 1;

async function* recent(trainStartDay: number): AsyncGenerator<LabelledPayments> {
  const from = (trainStartDay - memoryDays) * dayMs;
  for await (const some of openPayments(handbook.path, undefined).payments()) {
    const keep = some.payments.map((payment) => payment.occurredAtMs >= from);
    yield {
      payments: some.payments.filter((_, at) => keep[at] === true),
      frauds: some.frauds.filter((_, at) => keep[at] === true),
    };
  }
}

test.skipIf(!handbook.met)('the default card’s measures come out again', { timeout: 300_000 }, async () => {
  const artefact = await readModelDirectory(join(config, 'model'));
  const { split, metrics } = artefact.card as TrainedCard;
  const inputs = numericInputs(artefact.card.inputs);
  const facts = inputs.map(({ fact }) => fact);
  const definitions = JSON.parse(readFileSync(join(config, 'features.json'), 'utf8')) as FeatureDefinitions;
  const program = compileFeatures(neededDefinitions(definitions, facts));
  const trainStartDay = Date.parse(split.trainStart) / dayMs;
  const days = {
    trainStartDay,
    trainDays: split.trainDays,
    historyDays: 0,
    delayDays: split.delayDays,
    testDays: split.testDays,
  };
  const history = await buildHistory(recent(trainStartDay), {
    memory: createVelocityMemory(program, {}),
    facts,
    layout: trainingLayout(program),
    firstDay: trainStartDay,
    endDay: trainStartDay + days.trainDays + days.delayDays + days.testDays,
    delayDays: days.delayDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('stopped');
  const rows = splitRows(history, days);
  expect(rows.test).toHaveLength(split.testRows);
  const scored = scoredPayments(history, rows.test, await scoreRows(artefact, facts, history, rows.test));
  const { segments, ...measured } = evaluationOf(scored);
  const { segments: stated, ...expected } = metrics;
  expect(measured).toEqual(expected);
  expect(segments.slice(0, 6)).toEqual(stated.slice(0, 6));

  await tf.setBackend('cpu');
  const prepared = new Float32Array(rows.test.length * inputs.length);
  rows.test.forEach((row, at) => {
    inputs.forEach(({ transform, missing }, input) => {
      prepared[at * inputs.length + input] = prepareFact(history.facts.value(row, input), transform, missing);
    });
  });
  const model = await loadLayersModel(loadable(artefact));
  const answer = model.predict(tf.tensor2d(prepared, [rows.test.length, inputs.length]), {
    batchSize: 4096,
  }) as tf.Tensor;
  const theirs = answer.dataSync();
  const worst = scored.reduce((most, { score }, at) => Math.max(most, Math.abs(score - (theirs[at] ?? Number.NaN))), 0);
  expect(worst).toBeLessThanOrEqual(1e-6);
});
