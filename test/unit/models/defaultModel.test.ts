// Guarantee: the model of the default release is small, is what its card says, fits the default features, and knows an
// ordinary payment from one of each of the frauds it learned.
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { compileFeatures } from '../../../src/features/program.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { cardMarkdown, type TrainedCard } from '../../../src/models/training/card.ts';
import { weightsHash } from '../../../src/models/version.ts';
import { numericFacts } from '../../../src/rules/facts.ts';
import { frameOf, layoutOf } from './frames.ts';

const config = resolve(import.meta.dirname, '../../../config/default');
const directory = join(config, 'model');
const features = compileFeatures(JSON.parse(readFileSync(join(config, 'features.json'), 'utf8')));

test('its files are below 600 kB, and the page is the card', async () => {
  const { card } = await readModelDirectory(directory);
  const bytes = ['model.json', 'weights.bin', 'card.json', 'background.json'].reduce(
    (sum, name) => sum + statSync(join(directory, name)).size,
    0,
  );
  expect(bytes).toBeLessThan(600_000);
  expect(readFileSync(join(directory, 'CARD.md'), 'utf8')).toBe(cardMarkdown(card as TrainedCard));
});

test('it binds to the default features by the compiled kernel, and the card has its hashes', async () => {
  const artefact = await readModelDirectory(directory);
  const layout = { ...layoutOf([...features.names, ...numericFacts]), featureCount: features.names.length };
  const model = await bindModel(artefact, layout);
  expect(model.backend).toBe('kernel');
  expect(artefact.card).toMatchObject({ id: model.id, version: model.version, weightsSha256: weightsHash(artefact) });
  const { metrics, split } = artefact.card as TrainedCard;
  expect(split).toMatchObject({ trainRows: 862_577, trainFrauds: 7576, testRows: 58_264, testFrauds: 385 });
  expect(metrics.averagePrecision).toBeGreaterThan(0.74);
  expect(metrics.calibration.expectedError).toBeLessThan(0.005);
});

/** A customer with three payments a day of about 50.00, at a busy clean terminal, at noon on a weekday. */
const ordinary: Record<string, number> = {
  amountMinor: 5200,
  duringWeekend: 0,
  duringNight: 0,
  'customer.count.24h': 3,
  'customer.count.7d': 20,
  'customer.count.30d': 88,
  'customer.mean.amountMinor.24h': 5100,
  'customer.mean.amountMinor.7d': 5000,
  'customer.mean.amountMinor.30d': 5000,
  'terminal.count.24h.delay7d': 1,
  'terminal.count.7d.delay7d': 7,
  'terminal.count.30d.delay7d': 29,
  'terminal.fraudRate.24h.delay7d': 0,
  'terminal.fraudRate.7d.delay7d': 0,
  'terminal.fraudRate.30d.delay7d': 0,
  'customer.amountToMean.30d': 1.04,
  'customer.amountZScore.30d': 0.1,
  'terminal.fraudRun.30d.delay7d': 0,
  'terminal.sinceGenuine.30d.delay7d': 7.5 * 86_400,
  'terminal.smoothedFraudRate.24h': 0.008,
  'terminal.smoothedFraudRate.7d': 0.004,
  'terminal.smoothedFraudRate.30d': 0.0015,
};

test('an ordinary payment scores low; a compromised terminal and an amount far above the customer’s habit score high, and say why', async () => {
  const artefact = await readModelDirectory(directory);
  const layout = layoutOf(artefact.card.inputs.map(({ fact }) => fact));
  const model = await bindModel(artefact, layout);
  const row = (change: Record<string, number>) =>
    layout.numeric.map((fact) => change[fact] ?? ordinary[fact] ?? (fact.includes('unusual') ? 0 : Number.NaN));
  const compromised = {
    'terminal.fraudRate.24h.delay7d': 1,
    'terminal.fraudRate.7d.delay7d': 0.9,
    'terminal.fraudRate.30d.delay7d': 0.3,
    'terminal.fraudRun.30d.delay7d': 8,
    'terminal.sinceFraudRun.30d.delay7d': 14 * 86_400,
    'terminal.sinceFraud.30d.delay7d': 7.5 * 86_400,
    'terminal.sinceGenuine.30d.delay7d': 15 * 86_400,
    'terminal.smoothedFraudRate.24h': 0.17,
    'terminal.smoothedFraudRate.7d': 0.5,
    'terminal.smoothedFraudRate.30d': 0.26,
  };
  const large = {
    amountMinor: 30_000,
    'customer.amountToMean.30d': 6,
    'customer.amountZScore.30d': 10,
    'customer.mean.amountMinor.24h': 13_000,
    ...Object.fromEntries(
      ['24h', '3d', '7d', '14d'].flatMap((window) =>
        [2, 3].map((times) => [`customer.unusual.amountMinor.${window}.over${times}xMean30d`, 1]),
      ),
    ),
  };
  const frame = frameOf(layout, [row({}), row(compromised), row(large)]);
  const [low, terminal, amount] = [...probabilities(model, frame)];
  expect(low).toBeLessThan(0.02);
  expect(terminal).toBeGreaterThan(0.5);
  expect(amount).toBeGreaterThan(0.9);
  expect(model.explain(frame, 1, 1)[0]?.fact).toMatch(/^terminal\./);
  expect(
    model
      .explain(frame, 2, 2)
      .map(({ fact }) => fact)
      .join(),
  ).toMatch(/amount/i);
});

function probabilities(model: Awaited<ReturnType<typeof bindModel>>, frame: ReturnType<typeof frameOf>): Float64Array {
  const out = new Float64Array(frame.rows);
  model.score(frame, out);
  return out;
}
