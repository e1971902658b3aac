// Guarantee: `holdfast model import` makes of a Keras or TF.js LayersModel, or an ONNX export of XGBoost, a model that serves as
// champion; what does not fit is refused with a sentence and exit code 1 or 2, and nothing is written.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { artefactOf, startWasmBackend } from '../../../src/models/tensorflow.ts';
import type { ModelArtefact } from '../../../src/models/types.ts';
import { startApi } from '../../helpers/apiServer.ts';
import { holdfast, repository } from '../../helpers/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-import-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const onnx = join(repository, 'test/integration/models/onnx/xgboost.onnx');
const facts = ['amountMinor', 'customer.count.24h', 'customer.amountToMean.30d', 'customer+device.isFirst'];

function write(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const mappingOf = (id: string, names: readonly string[], missing: number | null) =>
  write(`${id}.json`, { id, inputs: names.map((fact) => ({ fact, missing })) });

const importTo = (path: string, mapping: string, out: string) =>
  holdfast(['model', 'import', path, '--mapping', mapping, '--out', join(directory, out), '--json']);

/** A LayersModel as TF.js writes it, its weights in two files as the Keras converter writes large ones. */
async function writeLayersModel(activation: 'sigmoid' | 'linear'): Promise<string> {
  await startWasmBackend();
  const model = sequential({
    layers: [
      layers.dense({ units: 6, activation: 'relu', inputShape: [facts.length] }),
      layers.dense({ units: 1, activation }),
    ],
  });
  const { modelTopology, weightSpecs, weightData }: ModelArtefact = await artefactOf(model, { id: 'x', inputs: [] });
  model.dispose();
  const target = mkdtempSync(join(directory, 'keras-'));
  const bytes = Buffer.from(weightData, 'base64');
  const paths = ['group1-shard1of2.bin', 'group1-shard2of2.bin'];
  writeFileSync(join(target, paths[0] ?? ''), bytes.subarray(0, 40));
  writeFileSync(join(target, paths[1] ?? ''), bytes.subarray(40));
  const json = { format: 'layers-model', modelTopology, weightsManifest: [{ paths, weights: weightSpecs }] };
  writeFileSync(join(target, 'model.json'), JSON.stringify(json));
  return target;
}

let keras = '';
beforeAll(async () => {
  keras = await writeLayersModel('sigmoid');
});

test('an XGBoost export becomes the champion of a release, and decides', async () => {
  const outcome = await importTo(onnx, mappingOf('team-xgb', facts, null), 'xgb');
  expect([outcome.code, outcome.stderr]).toEqual([0, '']);
  expect(JSON.parse(outcome.stdout)).toMatchObject({ id: 'team-xgb', backend: 'trees' });
  const model = await readModelDirectory(join(directory, 'xgb'));
  const key = 'hf_import';
  const server = await startApi(key, { bundle: (bundle) => ({ ...bundle, model }) });
  try {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const payment = {
      paymentId: 'x1',
      occurredAt: '2026-01-05T12:00:00Z',
      amountMinor: 5000,
      currency: 'EUR',
      customerId: 'c',
    };
    const answer = await fetch(`${server.url}/v1/decisions`, {
      method: 'POST',
      headers: { ...headers, 'holdfast-deadline-ms': '5000' },
      body: JSON.stringify(payment),
    });
    expect(await answer.json()).toMatchObject({ model: { id: 'team-xgb' }, degraded: [] });
    const explained = await fetch(`${server.url}/v1/decisions/x1/explanation`, { headers });
    expect(await explained.json()).toMatchObject({ reproduced: true, model: { backend: 'trees', method: 'exact' } });
  } finally {
    await server.close();
  }
});

test('a Keras model of several weight files becomes ours', async () => {
  const outcome = await importTo(keras, mappingOf('team-keras', facts, 0), 'keras');
  expect([outcome.code, outcome.stderr]).toEqual([0, '']);
  expect(JSON.parse(outcome.stdout)).toMatchObject({ id: 'team-keras', backend: 'kernel' });
  expect((await readModelDirectory(join(directory, 'keras'))).card).toMatchObject({
    source: { format: 'layers-model' },
  });
  const again = await importTo(keras, mappingOf('team-keras', facts, 0), 'keras');
  expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/holds a model already/)]);
});

test.each<[string, () => Promise<[string, string]>, number, RegExp]>([
  [
    'a fact that the release has not',
    async () => [onnx, mappingOf('a', [...facts.slice(1), 'no.such'], 0)],
    1,
    /its input "no.such" is not a numeric fact of this release/,
  ],
  [
    'another number of inputs',
    async () => [keras, mappingOf('b', facts.slice(1), 0)],
    1,
    /takes 4 inputs, but its card lists 3/,
  ],
  [
    'an output that is no probability',
    async () => [await writeLayersModel('linear'), mappingOf('c', facts, 0)],
    1,
    /one column with a sigmoid, a probability, is needed/,
  ],
  ['a mapping that is none', async () => [onnx, write('d.json', { id: 'd' })], 1, /The mapping is not/],
  ['a mapping that is not JSON', async () => [onnx, write('e.json', '{')], 2, /mapping .* cannot be read/],
  ['no number for a missing fact of a network', async () => [keras, mappingOf('f', facts, null)], 1, /needs a number/],
  ['a file cut short', async () => [write('cut.onnx', 'ONNX?'), mappingOf('g', facts, 0)], 1, /ONNX/],
])('%s is refused, and nothing is written', async (name, make, code, message) => {
  const [path, mapping] = await make();
  const outcome = await importTo(path, mapping, name);
  expect([outcome.code, outcome.stdout]).toEqual([code, '']);
  expect(outcome.stderr).toMatch(message);
  expect(existsSync(join(directory, name))).toBe(false);
});
