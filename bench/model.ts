/**
 * `model`: micros a row of an MLP 20-64-32-1 behind its normalisation, from the frame's columns to the probability, by
 * backend and batch: the backends of a bound model (`kernel`, `wasm`, `tfjs-node` where it is installed) beside TF.js's own
 * `model.predict` (`predict-…`) and a plain Float64 JavaScript forward pass. `ratio` is the time ÷ that of the plain pass of the
 * same batch. Two lines more for each batch are a five-seed ensemble of 64-32 over the same inputs folded into one network
 * (`ratio_to` the single network: five times the work is 5), and one for the top-3 attribution of a row.
 * Backends take turns within every round.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { Frame, type FrameLayout, frameRowsMax } from '../src/features/frame.ts';
import { prepareFact } from '../src/models/arithmetic.ts';
import { bindModel } from '../src/models/bind.ts';
import { loadable, startWasmBackend } from '../src/models/tensorflow.ts';
import { startTfjsNode, tfjsNodePath } from '../src/models/tfjsNode.ts';
import { uniform } from '../src/models/training/random.ts';
import type { Backend, ModelArtefact } from '../src/models/types.ts';
import { randomArtefact } from './fixtures/randomModel.ts';
import { randomEnsemble } from './fixtures/randomEnsemble.ts';
import { plainForward } from './fixtures/plainForward.ts';
import { median, printMetric } from './lib.ts';

const inputs = 20;
const batches = [1, 16, 128, 512];
const rounds = 15;
const ensembleMembers = 5;
const ensembleName = `kernel-ensemble${ensembleMembers}`;
const tfjsNodeDirectory = process.env['HOLDFAST_TFJS_NODE_DIR'];
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

interface Contestant {
  readonly name: string;
  readonly start: () => Promise<void>;
  readonly run: (rows: number) => void;
  readonly rowsPerRound: number;
}

const nothing = () => Promise.resolve();

/** A bound model, as the pipeline runs it. */
async function boundContestant(
  name: string,
  backend: Backend,
  artefact: ModelArtefact,
  frame: Frame,
): Promise<Contestant> {
  const probabilities = new Float64Array(frameRowsMax);
  const bound = await bindModel(artefact, layout, { backend, tfjsNodeDirectory });
  const run = (rows: number): void => {
    frame.rows = rows;
    bound.score(frame, probabilities);
  };
  return { name, start: nothing, run, rowsPerRound: backend === 'kernel' ? rowsPerRound.fast : rowsPerRound.slow };
}

async function topThree(artefact: ModelArtefact, frame: Frame): Promise<Contestant> {
  const bound = await bindModel(artefact, layout);
  const run = (rows: number): void => {
    frame.rows = rows;
    for (let row = 0; row < rows; row++) bound.explain(frame, row, 3);
  };
  return { name: 'kernel-top3', start: nothing, run, rowsPerRound: rowsPerRound.slow };
}

/** TF.js as its users call it. */
async function predictContestant(name: string, artefact: ModelArtefact, frame: Frame): Promise<Contestant> {
  await tf.setBackend(name);
  const run = predictWith(await loadLayersModel(loadable(artefact)), frame);
  const start = async (): Promise<void> => {
    await tf.setBackend(name);
  };
  return { name: `predict-${name}`, start, run, rowsPerRound: rowsPerRound.slow };
}

async function backends(): Promise<Contestant[]> {
  const artefact = randomArtefact(facts, 1);
  const frame = filledFrame();
  const probabilities = new Float64Array(frameRowsMax);
  const plain = plainForward(artefact);
  const native = tfjsNodePath(tfjsNodeDirectory) !== undefined;
  await startWasmBackend();
  if (native) await startTfjsNode(tfjsNodeDirectory);
  return [
    await boundContestant('kernel', 'kernel', artefact, frame),
    {
      name: 'plain-js',
      start: nothing,
      rowsPerRound: rowsPerRound.fast,
      run: (rows) => plain(frame, rows, probabilities),
    },
    await boundContestant(ensembleName, 'kernel', randomEnsemble(facts, 1, ensembleMembers), frame),
    await topThree(artefact, frame),
    await boundContestant('wasm', 'wasm', artefact, frame),
    ...(native ? [await boundContestant('tfjs-node', 'tfjs-node', artefact, frame)] : []),
    await predictContestant('wasm', artefact, frame),
    await predictContestant('cpu', artefact, frame),
    ...(native ? [await predictContestant('tensorflow', artefact, frame)] : []),
  ];
}

function microsPerRow(backend: Contestant, rows: number): number {
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
    for (const [backend, values] of micros) {
      const value = median(values);
      const reference = backend === ensembleName || backend === 'kernel-top3' ? 'kernel' : 'plain-js';
      printMetric({
        bench: 'model',
        metric: 'micros_per_row',
        backend,
        batch,
        value,
        unit: 'us',
        ratio_to: reference,
        ratio: value / median(micros.get(reference) ?? []),
        n: values.length,
        spread: [Math.min(...values), Math.max(...values)],
      });
    }
  }
}
