// Guarantee: every backend that is there gives the default model's probabilities within 1e-5 of the kernel's, on payments with real
// features (a simulated stream through the online feature code) and on a model with block-diagonal layers; the operator's choice is
// followed, and one that cannot be is refused with a sentence.
import { beforeAll, expect, test } from 'vitest';
import { randomEnsemble } from '../../../bench/fixtures/randomEnsemble.ts';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { tfjsNodePath } from '../../../src/models/tfjsNode.ts';
import type { Backend, BackendChoice, ModelArtefact } from '../../../src/models/types.ts';
import { Batch } from '../../../src/pipeline/batch.ts';
import { fillBatch } from '../../../src/pipeline/score.ts';
import { type CompiledRelease, compileRelease } from '../../../src/releases/compile.ts';
import { readReleaseDirectory } from '../../../src/releases/store.ts';
import { createPaymentStream } from '../../../src/simulator/stream.ts';
import { factNames, frameOf, layoutOf } from '../../unit/models/frames.ts';

const tfjsNodeDirectory = process.env['HOLDFAST_TFJS_NODE_DIR'];
const native = tfjsNodePath(tfjsNodeDirectory) !== undefined;
const rowsMax = 500;

let release: CompiledRelease;
let model: ModelArtefact;
let batch: Batch;

/** The last payments of a simulated week with fraud in it, as the pipeline's frame has them. */
beforeAll(async () => {
  const bundle = await readReleaseDirectory('config/default');
  if (bundle.model === null) throw new Error('the default release has a model');
  ({ model } = bundle);
  release = await compileRelease(bundle);
  const memory = createVelocityMemory(release.features);
  const decoder = createPaymentDecoder();
  batch = new Batch(release, rowsMax);
  const stream = createPaymentStream({
    seed: 4,
    customers: 100,
    terminals: 30,
    days: 10,
    profile: 'full',
    attacksPerDay: 20,
    startMs: Date.UTC(2026, 0, 1),
  });
  let payments: Payment[] = [];
  let number = 0;
  for (const { payment } of stream) {
    const decoded = decoder.decode(Buffer.from(JSON.stringify(payment)), Number.POSITIVE_INFINITY);
    if (decoded instanceof Payment) payments.push(decoded);
    if (payments.length < rowsMax) continue;
    batch.start(payments);
    memory.appendAndRead('default', payments, batch.features, ++number);
    fillBatch(batch);
    payments = [];
    if (number === 4) break;
  }
});

test.for<[Backend, boolean]>([
  ['wasm', true],
  ['tfjs-node', native],
])('%s on real features, as the kernel', async ([backend, there], { skip }) => {
  skip(!there, 'tfjs-node is not installed: npm run setup:tfjs-node');
  const other = await bindModel(model, release.layout, { backend, tfjsNodeDirectory });
  expect([release.model?.backend, other.backend]).toEqual(['kernel', backend]);
  const [ours, theirs] = [new Float64Array(rowsMax), new Float64Array(rowsMax)];
  release.model?.score(batch.frame, ours);
  other.score(batch.frame, theirs);
  expect(new Set(ours).size).toBeGreaterThan(400);
  const distances = ours.map((probability, row) => Math.abs(probability - (theirs[row] ?? 2)));
  expect(Math.max(...distances)).toBeLessThanOrEqual(1e-5);
});

test('wasm on a folded ensemble, as the kernel', async () => {
  const layout = layoutOf(factNames(17));
  const ensemble = randomEnsemble(layout.numeric, 2, 5, [24, 12]);
  const rows = Array.from({ length: 70 }, (_, row) => layout.numeric.map((_fact, i) => ((row * 31 + i * 7) % 89) ** 2));
  const frame = frameOf(layout, rows);
  const [ours, theirs] = [new Float64Array(70), new Float64Array(70)];
  (await bindModel(ensemble, layout, { backend: 'kernel' })).score(frame, ours);
  (await bindModel(ensemble, layout, { backend: 'wasm' })).score(frame, theirs);
  ours.forEach((probability, row) => expect(Math.abs(probability - (theirs[row] ?? 2))).toBeLessThanOrEqual(1e-5));
});

test.each<[BackendChoice | undefined, string]>([
  [undefined, 'kernel'],
  ['auto', 'kernel'],
  ['kernel', 'kernel'],
  ['wasm', 'wasm'],
  ['fastest', 'kernel'],
])('the choice %s runs the %s', async (backend, runs) => {
  expect((await bindModel(model, release.layout, { backend })).backend).toBe(runs);
});

test('a backend that is not installed is refused with how to install it', async () => {
  const nowhere = { backend: 'tfjs-node', tfjsNodeDirectory: '/nonexistent' } as const;
  await expect(bindModel(model, release.layout, nowhere)).rejects.toMatchObject({
    code: 'model_unsupported',
    message: expect.stringMatching(/npm run setup:tfjs-node/),
  });
});
