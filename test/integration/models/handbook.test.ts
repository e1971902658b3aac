// Guarantee: the measures on the default model's card are true: the whole way from the data file (decoder, feature code,
// delayed labels, split, compiled kernel) gives the same numbers again, and TF.js itself gives the same probabilities.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { openSource, type ReplayItem } from '../../../src/cli/replay/source.ts';
import { rowFacts, scoreHistory } from '../../../src/cli/train/evaluate.ts';
import { buildHistory, dayMs, trainingLayout } from '../../../src/cli/train/history.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { numericInputs } from '../../../src/models/inputs.ts';
import { prepareFact } from '../../../src/models/arithmetic.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { rankingMetrics } from '../../../src/models/metrics.ts';
import { loadable } from '../../../src/models/tensorflow.ts';
import type { TrainedCard } from '../../../src/models/training/card.ts';
import { splitRows } from '../../../src/models/training/protocol.ts';
import { requires } from '../../helpers/requirements.ts';

const handbook = requires('handbook');
const config = resolve(import.meta.dirname, '../../../config/default');
/** Longest window and delay of the inputs, and a day to spare: what is older cannot matter, and leaving it out halves the time. */
const memoryDays = 30 + 7 + 1;

async function* recent(trainStartDay: number): AsyncGenerator<ReplayItem> {
  for await (const item of openSource(handbook.path, undefined).items()) {
    if (item.kind === 'payment' && (item.occurredAtMs ?? 0) >= (trainStartDay - memoryDays) * dayMs) yield item;
  }
}

/** The default definitions without the entities that no input is about. */
function neededFeatures(): unknown {
  const all = JSON.parse(readFileSync(join(config, 'features.json'), 'utf8')) as {
    features: { entity: string }[];
    derived: { name: string }[];
  };
  return {
    ...all,
    features: all.features.filter(({ entity }) => entity === 'customer' || entity === 'terminal'),
    derived: all.derived.filter(({ name }) => name.startsWith('customer.')),
  };
}

test.skipIf(!handbook.met)('the default card’s measures come out again', { timeout: 300_000 }, async () => {
  const artefact = await readModelDirectory(join(config, 'model'));
  const { split, metrics, inputs } = artefact.card as TrainedCard;
  const program = compileFeatures(neededFeatures());
  const trainStartDay = Date.parse(split.trainStart) / dayMs;
  const days = { trainStartDay, trainDays: split.trainDays, delayDays: split.delayDays, testDays: split.testDays };
  const history = await buildHistory(recent(trainStartDay), {
    memory: createVelocityMemory(program, {}),
    facts: inputs.map(({ fact }) => fact),
    layout: trainingLayout(program),
    firstDay: trainStartDay,
    endDay: trainStartDay + days.trainDays + days.delayDays + days.testDays,
    delayDays: days.delayDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('stopped');
  const rows = splitRows(history, days);
  expect([rows.train.length, rows.test.length]).toEqual([split.trainRows, split.testRows]);
  const scored = await scoreHistory(artefact, history, rows.test);
  expect(rankingMetrics(scored)).toEqual(metrics);

  await tf.setBackend('cpu');
  const facts = rowFacts(history, rows.test, inputs.length);
  const prepared = Float32Array.from(facts, (fact, at) => {
    const input = numericInputs(inputs)[at % inputs.length];
    return input ? prepareFact(fact, input.transform, input.missing) : Number.NaN;
  });
  const model = await loadLayersModel(loadable(artefact));
  const answer = model.predict(tf.tensor2d(prepared, [rows.test.length, inputs.length]), {
    batchSize: 4096,
  }) as tf.Tensor;
  const theirs = answer.dataSync();
  const worst = scored.reduce((most, { score }, at) => Math.max(most, Math.abs(score - (theirs[at] ?? Number.NaN))), 0);
  expect(worst).toBeLessThanOrEqual(1e-6);
});
