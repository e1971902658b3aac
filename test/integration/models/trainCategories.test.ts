// Guarantee: `holdfast train` takes texts as inputs: their vocabulary is what the recipe says, else what the release's rules name and
// what the payments have often enough; the card lists it, the model serves in a release, and `holdfast evaluate` measures it as its card
// does. A category that decides gives an average precision near 1; what cannot be a category is refused with a sentence.
import { access, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { evaluateCommand } from '../../../src/cli/evaluate.ts';
import { trainCommand } from '../../../src/cli/train.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import type { TrainedCard } from '../../../src/models/training/card.ts';
import { uniform } from '../../../src/models/training/random.ts';

const config = resolve(import.meta.dirname, '../../../config/default');
const days = 16;
const perDay = 150;
const start = Date.UTC(2026, 0, 1);
const period = ['--train-start', '2026-01-04', '--train-days', '5', '--delay-days', '2', '--test-days', '4'];
const recipe = {
  id: 'categories',
  inputs: [
    { fact: 'amountMinor', transform: 'signedLog1p', missing: 0 },
    { fact: 'merchantCategoryCode', kind: 'category', countMin: 10 },
    { fact: 'attributes.plan', kind: 'category', vocabulary: ['basic', 'gold'], width: 2 },
  ],
  ensemble: 2,
  hidden: [8],
  epochs: 8,
  batchRows: 64,
  learningRate: 0.03,
  weightDecay: 0,
  dropout: 0,
  patienceEpochs: 8,
};

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-categories-'));
  await mkdir(join(directory, 'release'));
  await copyFile(join(config, 'features.json'), join(directory, 'release/features.json'));
  await writeFile(join(directory, 'release/rules.json'), JSON.stringify([rule]));
  await writeFile(join(directory, 'payments.ndjson'), history());
  await writeFile(join(directory, 'recipe.json'), JSON.stringify(recipe));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Names a code that no payment has. */
const rule = {
  name: 'quasi-cash',
  priority: 1,
  conditions: { all: [{ fact: 'merchantCategoryCode', operator: 'equal', value: '6051' }] },
  event: { type: 'fraud-sign', params: { version: 1, text: 'Quasi cash', weight: 0.3 } },
};

/** Fraud is the code 7995, and no other. One payment in a hundred has a code of its own. */
function history(): string {
  const random = uniform(4);
  const lines: object[] = [];
  for (let i = 0; i < days * perDay; i++) {
    const at = new Date(start + i * ((days * 86_400_000) / (days * perDay))).toISOString();
    const kind = random();
    const code =
      kind < 0.06 ? '7995' : kind < 0.07 ? `9${String(i).padStart(3, '0').slice(-3)}` : kind < 0.5 ? '5411' : '5812';
    lines.push({
      paymentId: `p${i}`,
      occurredAt: at,
      amountMinor: 100 + Math.floor(random() * 9000),
      currency: 'EUR',
      customerId: `c${Math.floor(random() * 500)}`,
      merchantCategoryCode: code,
      attributes: { plan: random() < 0.5 ? 'basic' : random() < 0.5 ? 'gold' : 3 },
    });
    if (code === '7995') lines.push({ paymentId: `p${i}`, label: 'fraud', source: 'chargeback', labelledAt: at });
  }
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

async function stdoutOf(run: () => Promise<unknown>): Promise<string> {
  const said: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const quiet = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  try {
    await run();
  } finally {
    write.mockRestore();
    quiet.mockRestore();
  }
  return said.join('');
}

const features = () => ['--features', join(directory, 'release/features.json')];
const train = (out: string, recipePath: string, others: readonly string[] = []) =>
  stdoutOf(() =>
    trainCommand().parseAsync(
      [
        join(directory, 'payments.ndjson'),
        '--out',
        out,
        '--recipe',
        recipePath,
        ...features(),
        '--json',
        ...period,
        ...others,
      ],
      { from: 'user' },
    ),
  );

test('what decides is learned, what the rules name is in the vocabulary, and evaluate measures the same', async () => {
  const out = join(directory, 'model');
  const card = JSON.parse(await train(out, join(directory, 'recipe.json'))) as TrainedCard;
  expect(card.inputs[1]).toEqual({
    fact: 'merchantCategoryCode',
    kind: 'category',
    vocabulary: ['6051', '5812', '5411', '7995'],
  });
  expect(card.inputs[2]).toEqual({ fact: 'attributes.plan', kind: 'category', vocabulary: ['basic', 'gold'] });
  expect(card.metrics.averagePrecision).toBeGreaterThan(0.99);
  const reference = card.reference?.inputs.find(({ fact }) => fact === 'attributes.plan');
  // Attributes that are numbers are no text: "other", as a release's frame has them.
  expect(reference).toMatchObject({ missing: 0, counts: [expect.any(Number), expect.any(Number), expect.any(Number)] });
  expect(reference?.counts.every((count) => count > 50)).toBe(true);
  const background = JSON.parse(await readFile(join(out, 'background.json'), 'utf8')) as unknown[][];
  expect(background.every(([amount, code]) => typeof amount === 'number' && typeof code === 'string')).toBe(true);

  const layout = {
    numeric: ['amountMinor'],
    categorical: [
      { name: 'attributes.plan', vocabulary: ['basic', 'gold'] },
      { name: 'merchantCategoryCode', vocabulary: ['7995', '5411', '5812', '6051'] },
    ],
    featureCount: 1,
  };
  const bound = await bindModel(await readModelDirectory(out), layout);
  expect(bound.backend).toBe('kernel');

  const said = await stdoutOf(() =>
    evaluateCommand().parseAsync(
      ['--model', out, '--data', join(directory, 'payments.ndjson'), ...features(), '--json', ...period],
      { from: 'user' },
    ),
  );
  expect(JSON.parse(said)).toMatchObject({
    model: { version: card.version },
    testRows: card.split.testRows,
    ap: card.metrics.averagePrecision,
    evaluation: card.metrics,
  });
});

test.each([
  ['a number', { fact: 'amountMinor', kind: 'category' }, 1, /No payment has these texts: amountMinor/],
  [
    'a text that no payment has often',
    { fact: 'merchantCategoryCode', kind: 'category', countMin: 9999 },
    1,
    /countMin/,
  ],
  ['a text that no payment has at all', { fact: 'country', kind: 'category' }, 1, /missing in every payment.*country/],
  [
    'a vocabulary that says a text twice',
    { fact: 'channel', kind: 'category', vocabulary: ['a', 'a'] },
    2,
    /not valid/,
  ],
])('%s as a category is refused with what to do, and nothing is written', async (_, category, exitCode, message) => {
  const [path, out] = [join(directory, 'other.json'), join(directory, 'refused')];
  await writeFile(path, JSON.stringify({ ...recipe, inputs: [recipe.inputs[0], category] }));
  const bare = ['--features', join(config, 'features.json')];
  const others = category.fact === 'merchantCategoryCode' ? [] : bare;
  if (category.fact === 'merchantCategoryCode') await writeFile(join(directory, 'release/rules.json'), '[]');
  await expect(train(out, path, others)).rejects.toMatchObject({ exitCode, message: expect.stringMatching(message) });
  await expect(access(out)).rejects.toThrow();
});

test('rules that cannot be read are said to be so, not passed over', async () => {
  await writeFile(join(directory, 'release/rules.json'), '{');
  await expect(train(join(directory, 'refused'), join(directory, 'recipe.json'))).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/rules\.json.*cannot be read.*vocabulary/),
  });
});
