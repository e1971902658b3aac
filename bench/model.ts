/**
 * `model`: micros a row of an MLP 20-64-32-1 behind its normalisation, from the frame's columns to the probability, by
 * backend and batch; `ratio` is its time ÷ that of a plain Float64 JavaScript forward pass of the same network and batch.
 * Backends take turns within every round.
 */
import '@tensorflow/tfjs-backend-cpu';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { Frame, type FrameLayout, frameRowsMax } from '../src/features/frame.ts';
import { prepareFact } from '../src/models/arithmetic.ts';
import { bindModel } from '../src/models/bind.ts';
import { loadable } from '../src/models/tensorflow.ts';
import { uniform } from '../src/models/training/random.ts';
import { randomArtefact } from './fixtures/randomModel.ts';
import { plainForward } from './fixtures/plainForward.ts';
import { median, printMetric } from './lib.ts';

const inputs = 20;
const batches = [1, 16, 128, 512];
const rounds = 15;
/** Rows a backend scores in one round, so that every measurement is long against the clock; tfjs at batch 1 gets fewer. */
const rowsPerRound = { fast: 8192, slow: 512 };

const facts = Array.from({ length: inputs }, (_, i) => `fact${i}`);
const layout: FrameLayout = { numeric: facts, categorical: [], featureCount: inputs };

function filledFrame(): Frame {
  const frame = new Frame(layout, frameRowsMax);
  const random = uniform(1);
  for (const column of frame.numbers) for (let row = 0; row < frameRowsMax; row++) column[row] = random() * 1e5;
  return frame;
}

/** model.predict as its users call it: a tensor of the batch, one call, the answer read back. */
function predictWith(model: LayersModel, frame: Frame): (rows: number) => void {
  const block = new Float32Array(frameRowsMax * inputs);
  return (rows) => {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < inputs; i++)
        block[row * inputs + i] = prepareFact(frame.numbers[i]?.[row] ?? 0, 'signedLog1p', 0);
    }
    tf.tidy(() => {
      const answer = model.predict(tf.tensor2d(block.subarray(0, rows * inputs), [rows, inputs]), { batchSize: rows });
      (answer as tf.Tensor).dataSync();
    });
  };
}

interface Backend {
  readonly name: string;
  readonly start: () => Promise<void>;
  readonly run: (rows: number) => void;
  readonly rowsPerRound: number;
}

async function backends(): Promise<Backend[]> {
  const artefact = randomArtefact(facts, 1);
  const frame = filledFrame();
  const probabilities = new Float64Array(frameRowsMax);
  const bound = await bindModel(artefact, layout);
  const plain = plainForward(artefact);
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm')))}/`);
  const nothing = () => Promise.resolve();
  const list: Backend[] = [
    {
      name: 'kernel',
      start: nothing,
      rowsPerRound: rowsPerRound.fast,
      run: (rows) => {
        frame.rows = rows;
        bound.score(frame, probabilities);
      },
    },
    {
      name: 'plain-js',
      start: nothing,
      rowsPerRound: rowsPerRound.fast,
      run: (rows) => plain(frame, rows, probabilities),
    },
  ];
  for (const name of ['wasm', 'cpu']) {
    await tf.setBackend(name);
    const run = predictWith(await loadLayersModel(loadable(artefact)), frame);
    const start = async (): Promise<void> => {
      await tf.setBackend(name);
    };
    list.push({ name: `tfjs-${name}`, start, run, rowsPerRound: rowsPerRound.slow });
  }
  return list;
}

function microsPerRow(backend: Backend, rows: number): number {
  const calls = Math.ceil(backend.rowsPerRound / Math.max(rows, backend.rowsPerRound === rowsPerRound.slow ? 16 : 1));
  const startedMs = performance.now();
  for (let call = 0; call < calls; call++) backend.run(rows);
  return ((performance.now() - startedMs) * 1000) / (calls * rows);
}

export async function run(): Promise<void> {
  const contestants = await backends();
  for (const batch of batches) {
    const micros = new Map(contestants.map(({ name }) => [name, [] as number[]]));
    const warmUps = 3;
    for (let round = -warmUps; round < rounds; round++) {
      for (const backend of contestants) {
        await backend.start();
        const value = microsPerRow(backend, batch);
        if (round >= 0) micros.get(backend.name)?.push(value);
      }
    }
    const reference = median(micros.get('plain-js') ?? []);
    for (const [backend, values] of micros) {
      const value = median(values);
      printMetric({
        bench: 'model',
        metric: 'micros_per_row',
        backend,
        batch,
        value,
        unit: 'us',
        ratio_to: 'plain-js',
        ratio: value / reference,
        n: values.length,
        spread: [Math.min(...values), Math.max(...values)],
      });
    }
  }
}
