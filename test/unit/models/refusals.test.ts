// Guarantee: a faulty model is refused when it is bound, with a code and a sentence that names what is wrong; it never scores.
import { expect, test } from 'vitest';
import { randomArtefact } from '../../../bench/fixtures/randomModel.ts';
import { bindModel } from '../../../src/models/bind.ts';
import type { ModelArtefact } from '../../../src/models/types.ts';
import { layoutOf } from './frames.ts';

const layout = layoutOf(['a', 'b', 'c']);
const sound = randomArtefact(layout.numeric, 7, [4]);

type Layer = { class_name: string; config: Record<string, unknown> };
function withLayers(change: (layers: Layer[]) => Layer[]): ModelArtefact {
  const copy = structuredClone(sound.modelTopology) as { config: { layers: Layer[] } };
  copy.config.layers = change(copy.config.layers);
  return { ...sound, modelTopology: copy };
}
function withWeights(change: (values: Float32Array) => void): ModelArtefact {
  const values = new Float32Array(new Uint8Array(Buffer.from(sound.weightData, 'base64')).buffer);
  change(values);
  return { ...sound, weightData: Buffer.from(values.buffer).toString('base64') };
}
const last = (change: Record<string, unknown>) =>
  withLayers((layers) =>
    layers.map((layer, i) => (i === layers.length - 1 ? { ...layer, config: { ...layer.config, ...change } } : layer)),
  );
const card = (change: Record<string, unknown>): ModelArtefact => ({ ...sound, card: { ...sound.card, ...change } });
const input = (change: Record<string, unknown>) =>
  card({ inputs: sound.card.inputs.map((one, i) => (i === 1 ? { ...one, ...change } : one)) });

const cases: [string, ModelArtefact, string, RegExp][] = [
  [
    'a NaN weight',
    withWeights((w) => w.fill(Number.NaN, 9, 10)),
    'model_weights',
    /dense1\/kernel holds NaN at position 3/,
  ],
  [
    'an infinite weight',
    withWeights((w) => w.fill(Infinity, 0, 1)),
    'model_weights',
    /scaling\/moving_mean holds Infinity/,
  ],
  [
    'a negative variance',
    withWeights((w) => w.fill(-5, 3, 4)),
    'model_weights',
    /scaling has the variance -5 at position 0/,
  ],
  ['weights that overflow', withWeights((w) => w.fill(3e38, 6, 18)), 'model_weights', /could overflow/],
  ['weights cut short', { ...sound, weightData: sound.weightData.slice(0, 40) }, 'model_weights', /ends inside weight/],
  [
    'weights too long',
    {
      ...sound,
      weightData: Buffer.concat([Buffer.from(sound.weightData, 'base64'), Buffer.alloc(4)]).toString('base64'),
    },
    'model_weights',
    /4 bytes more/,
  ],
  [
    'integer weights',
    { ...sound, weightSpecs: sound.weightSpecs.map((s) => ({ ...s, dtype: 'int32' })) },
    'model_weights',
    /int32/,
  ],
  [
    'a wrong shape',
    { ...sound, weightSpecs: sound.weightSpecs.map((s) => (s.name === 'dense1/kernel' ? { ...s, shape: [4, 3] } : s)) },
    'model_weights',
    /dense1\/kernel has shape \[4, 3\]; \[3, 4\] is needed/,
  ],
  [
    'a weight of another name',
    {
      ...sound,
      weightSpecs: sound.weightSpecs.map((s) => (s.name === 'dense1/bias' ? { ...s, name: 'dense9/bias' } : s)),
    },
    'model_weights',
    /no weight dense1\/bias/,
  ],
  ['a linear output', last({ activation: 'linear' }), 'model_output', /1 columns with activation linear/],
  ['no output layer', withLayers((layers) => layers.slice(0, -1)), 'model_output', /4 columns with activation relu/],
  ['no dense layer at all', withLayers((layers) => layers.slice(0, 1)), 'model_output', /no dense layer/],
  ['no layers', withLayers(() => []), 'model_topology', /no layers/],
  ['no topology', { ...sound, modelTopology: 'hello' }, 'model_topology', /not a TF.js LayersModel/],
  [
    'impossible units',
    withLayers((layers) =>
      layers.map((l) => (l.class_name === 'Dense' ? { ...l, config: { ...l.config, units: -1 } } : l)),
    ),
    'model_topology',
    /-1 units/,
  ],
  [
    'too many units',
    withLayers((layers) =>
      layers.map((l) => (l.class_name === 'Dense' ? { ...l, config: { ...l.config, units: 5000 } } : l)),
    ),
    'model_too_large',
    /at most 1024/,
  ],
  [
    'too many layers',
    withLayers((layers) => Array.from({ length: 40 }, () => layers[1] ?? { class_name: '', config: {} })),
    'model_too_large',
    /40 layers/,
  ],
  [
    'an input width that differs',
    card({ inputs: sound.card.inputs.slice(1) }),
    'model_inputs',
    /takes 3 inputs, but its card lists 2/,
  ],
  ['an unknown fact', input({ fact: 'customer.count.99h' }), 'model_inputs', /does not have: customer\.count\.99h/],
  ['an unknown transform', input({ transform: 'sqrt' }), 'model_inputs', /unknown transform "sqrt"/],
  ['no value for missing', input({ missing: Number.NaN }), 'model_inputs', /finite number/],
  ['an input twice', input({ fact: 'a' }), 'model_inputs', /twice/],
  ['no inputs', card({ inputs: [] }), 'model_inputs', /lists no inputs/],
  ['no id', card({ id: '' }), 'model_inputs', /no id/],
];

test.each(cases)('refused: %s', async (_, artefact, code, message) => {
  await expect(bindModel(artefact, layout)).rejects.toMatchObject({
    name: 'ModelError',
    code,
    message: expect.stringMatching(message),
  });
});

test('the version is of topology, weights and inputs, and of nothing else on the card', async () => {
  const version = async (artefact: ModelArtefact) => (await bindModel(artefact, layout)).version;
  const own = await version(sound);
  expect(own).toMatch(/^[0-9a-f]{64}$/);
  expect(await version(card({ note: 'other words' }))).toBe(own);
  expect(await version(input({ missing: 1 }))).not.toBe(own);
  expect(await version(withWeights((w) => w.fill(0.5, 6, 7)))).not.toBe(own);
});
