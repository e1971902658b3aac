// Guarantee: `holdfast train` turns a file of labelled payments into a model directory that binds to the release's features;
// the same file and seed give the same bytes; `holdfast evaluate` measures it as its card does; what cannot be done is said in a
// sentence that says what to do, with the right exit code, and nothing is written; Ctrl-C keeps the best so far.
import { spawn } from 'node:child_process';
import { access, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { evaluateCommand } from '../../../src/cli/evaluate.ts';
import { openPayments } from '../../../src/cli/history/payments.ts';
import { readRecipe } from '../../../src/cli/train/recipe.ts';
import { trainCommand } from '../../../src/cli/train.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { bindModel } from '../../../src/models/bind.ts';
import { readModelDirectory } from '../../../src/models/directory.ts';
import { plotFiles, type TrainedCard } from '../../../src/models/training/card.ts';
import { uniform } from '../../../src/models/training/random.ts';
import { numericFacts } from '../../../src/rules/facts.ts';

const repository = resolve(import.meta.dirname, '../../..');
const featuresPath = join(repository, 'config/default/features.json');
const small = { historyDays: 0, ensemble: 2, hidden: [8], epochs: 4, batchRows: 64, learningRate: 0.01 };
const days = 40;
const paymentsPerDay = 120;
const start = Date.UTC(2018, 3, 1);

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-train-'));
  await writeFile(join(directory, 'payments.csv'), history());
  const recipe = JSON.parse(await readFile(join(repository, 'config/default/model/recipe.json'), 'utf8')) as object;
  await writeFile(join(directory, 'recipe.json'), JSON.stringify({ ...recipe, ...small }));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Change {
  readonly rows?: number;
  /** For every payment, instead of the true label. */
  readonly fraud?: 0 | 1;
  readonly withoutTerminals?: boolean;
}

/** In the handbook's columns. Terminal 1 is compromised throughout; amounts above 220 are fraud. */
function history({ rows = days * paymentsPerDay, fraud, withoutTerminals = false }: Change = {}): string {
  const random = uniform(7);
  const lines = [
    'TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,TX_FRAUD_SCENARIO',
  ];
  for (let i = 0; i < rows; i++) {
    const seconds = i * ((days * 86_400) / rows);
    const terminal = Math.floor(random() * 30);
    const amount = (random() < 0.02 ? 220 + random() * 100 : 5 + random() * 90).toFixed(2);
    const truth = terminal === 1 || Number(amount) > 220 ? 1 : 0;
    const time = new Date(start + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
    lines.push(
      `${i},${time},${Math.floor(random() * 400)},${withoutTerminals ? '' : terminal},${amount},${Math.floor(seconds)},${Math.floor(seconds / 86_400)},${fraud ?? truth},0`,
    );
  }
  return `${lines.join('\n')}\n`;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function train(
  options: readonly string[],
  onStderr?: (text: string, kill: () => void) => void,
  rest: readonly string[] = [join(directory, 'payments.csv')],
): Promise<Ended> {
  const args = [
    join(repository, 'src/cli/main.ts'),
    'train',
    ...rest,
    '--recipe',
    join(directory, 'recipe.json'),
    ...options,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onStderr?.(stderr, () => child.kill('SIGINT'));
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

const period = ['--train-start', '2018-04-20', '--train-days', '5', '--delay-days', '5', '--test-days', '5'];

test('trains, writes what binds, and repeats itself byte for byte', async () => {
  const [first, second] = [join(directory, 'one'), join(directory, 'two')];
  const { code, stdout, stderr } = await train(['--out', first, '--json', ...period]);
  expect(stderr).toMatch(/validating: network 1 of 2, epoch 4 of 4, loss [0-9.]+, validation AP [0-9.]+/);
  expect(stderr).toMatch(/training: network 1 of \d, epoch 1 of \d/);
  expect(code).toBe(0);
  const card = JSON.parse(stdout) as TrainedCard;
  expect(card.split).toMatchObject({ trainStart: '2018-04-20', testStart: '2018-04-30', trainRows: 600 });
  expect(card.split.testRows).toBeGreaterThan(300);
  expect(card.metrics.auc).toBeGreaterThan(0.9);
  expect(card.data).toMatchObject({ file: 'payments.csv', refused: 0, payments: 34 * paymentsPerDay });
  expect(JSON.parse(await readFile(join(first, 'card.json'), 'utf8'))).toEqual(card);
  expect(await readFile(join(first, 'CARD.md'), 'utf8')).toContain(
    `| average precision | ${card.metrics.averagePrecision.toFixed(4)} |`,
  );

  const { names } = compileFeatures(JSON.parse(await readFile(featuresPath, 'utf8')));
  const bound = await bindModel(await readModelDirectory(first), {
    numeric: [...names, ...numericFacts],
    categorical: [],
    featureCount: names.length,
  });
  expect(bound).toMatchObject({ id: card.id, version: card.version, backend: 'kernel' });

  const again = await train(['--out', second, ...period]);
  expect(again.stdout).toContain('average precision');
  for (const file of [
    'model.json',
    'weights.bin',
    'card.json',
    'background.json',
    'CARD.md',
    ...Object.keys(plotFiles),
  ]) {
    expect(await readFile(join(second, file))).toEqual(await readFile(join(first, file)));
  }
});

test.each([
  ['a period after the file', ['--train-start', '2019-01-01'], 1, /no payments in the \d+ train days from/],
  [
    'a test period after the file',
    ['--train-start', '2018-05-05'],
    1,
    /no payments in the 7 test days from 2018-05-19/,
  ],
  ['features that lack an input', ['--features', 'FEW', ...period], 1, /do not have these inputs: customer\.count/],
  ['no such recipe', ['--recipe', '/nowhere.json', ...period], 2, /recipe \/nowhere\.json cannot be read/],
])('%s is refused, and nothing is written', async (_, options, exitCode, message) => {
  const few = join(directory, 'few.json');
  await writeFile(few, JSON.stringify({ version: 1, features: [{ entity: 'card', aggregate: 'sinceLast' }] }));
  const out = join(directory, 'refused');
  const given = options.map((option) => (option === 'FEW' ? few : option));
  const command = trainCommand().parseAsync([join(directory, 'payments.csv'), '--out', out, ...given], {
    from: 'user',
  });
  await expect(command).rejects.toMatchObject({ exitCode, message: expect.stringMatching(message) });
  await expect(access(out)).rejects.toThrow();
});

test.each([
  ['payments that are all genuine', { fraud: 0 as const }, /all without a fraud label.*label column/],
  ['payments that are all fraud', { fraud: 1 as const }, /all with a fraud label.*label column/],
  ['ten payments', { rows: 10 }, /payments with \d frauds? in|no payments in|all without a fraud label/],
  [
    'a column that is empty throughout',
    { withoutTerminals: true },
    /missing in every payment of the train days: terminal\..*Map the columns/,
  ],
])('%s: refused with what to do, and nothing is written', async (_, change, message) => {
  const [file, out] = [join(directory, 'unfit.csv'), join(directory, 'unfit')];
  await writeFile(file, history(change));
  const recipe = ['--recipe', join(directory, 'recipe.json')];
  const command = trainCommand().parseAsync([file, '--out', out, ...recipe, ...period], { from: 'user' });
  await expect(command).rejects.toMatchObject({ exitCode: 1, message: expect.stringMatching(message) });
  await expect(access(out)).rejects.toThrow();
});

test('Ctrl-C in the middle of the training keeps the best so far, and the card says that it was stopped', async () => {
  const out = join(directory, 'stopped');
  let killed = false;
  const long = join(directory, 'long.json');
  const recipe = JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8')) as object;
  await writeFile(long, JSON.stringify({ ...recipe, epochs: 1000, patienceEpochs: 1000 }));
  const ended = await train(['--out', out, ...period, '--recipe', long], (text, kill) => {
    if (!killed && text.includes('epoch 2 of 1000')) kill();
    killed ||= text.includes('epoch 2 of 1000');
  });
  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain('stopped early');
  const { card } = await readModelDirectory(out);
  expect((card as TrainedCard).training.interrupted).toBe(true);
});

test('Ctrl-C in the last phase keeps the whole epochs of it, and leaves no file half written', async () => {
  const out = join(directory, 'late');
  const recipe = JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8')) as object;
  const long = join(directory, 'late.json');
  await writeFile(long, JSON.stringify({ ...recipe, ensemble: 1, epochs: 60, patienceEpochs: 60 }));
  let killed = false;
  const ended = await train(['--out', out, ...period, '--recipe', long], (text, kill) => {
    if (!killed && text.includes('training: network 1')) kill();
    killed ||= text.includes('training: network 1');
  });
  expect(ended.code).toBe(0);
  const { card } = await readModelDirectory(out);
  expect((card as TrainedCard).training.epoch).toBeGreaterThan(0);
  expect((await readdir(out)).filter((name) => name.includes('writing'))).toEqual([]);
});

test('Ctrl-C while the file is read: exit code 1, nothing is written', async () => {
  const out = join(directory, 'reading');
  const long = join(directory, 'long.csv');
  const [header = '', ...rows] = history().split('\n');
  // One early payment over and over: the reading takes longer than the signal.
  const early = rows.slice(0, 1).join('\n');
  await writeFile(long, `${header}\n${`${early}\n`.repeat(1_200_000)}`);
  let killed = false;
  const interrupt = (text: string, kill: () => void): void => {
    // Once: a second signal ends the process as the system does.
    if (!killed && text.includes('features: ')) kill();
    killed ||= text.includes('features: ');
  };
  const ended = await train([], interrupt, [long, '--out', out, ...period]);
  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain('nothing was written');
  await expect(access(out)).rejects.toThrow();
});

test('Ctrl-C before there is anything to keep: exit code 1, nothing is written', async () => {
  const out = join(directory, 'nothing');
  const stop = new AbortController();
  stop.abort();
  const { runTraining } = await import('../../../src/cli/train/run.ts');
  const job = {
    file: join(directory, 'payments.csv'),
    source: openPayments(join(directory, 'payments.csv'), undefined),
    recipe: readRecipe(join(directory, 'recipe.json')),
    features: JSON.parse(await readFile(featuresPath, 'utf8')) as unknown,
    releaseTexts: new Map(),
    split: { trainStartDay: start / 86_400_000 + 19, trainDays: 5, historyDays: 0, delayDays: 5, testDays: 5 },
    seed: 1,
    backend: 'wasm' as const,
    signal: stop.signal,
    onPayments: () => undefined,
    onEpoch: () => undefined,
  };
  expect(await runTraining(job)).toBeUndefined();
  await expect(access(out)).rejects.toThrow();
});

test('evaluate measures a model as its card says, and refuses what is no model', async () => {
  const said: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const evaluate = (model: string) =>
    evaluateCommand().parseAsync(['--model', model, '--data', join(directory, 'payments.csv'), '--json', ...period], {
      from: 'user',
    });
  try {
    await evaluate(join(directory, 'one'));
  } finally {
    write.mockRestore();
  }
  const { card } = await readModelDirectory(join(directory, 'one'));
  const { metrics, version, split } = card as TrainedCard;
  expect(JSON.parse(said.join(''))).toMatchObject({
    model: { version },
    testRows: split.testRows,
    auc: metrics.auc,
    ap: metrics.averagePrecision,
    cp100: metrics.cardPrecisionAt100,
    evaluation: metrics,
  });

  const corrupt = join(directory, 'corrupt');
  const [weights, topology] = [
    await readFile(join(directory, 'one/weights.bin')),
    await readFile(join(directory, 'one/model.json'), 'utf8'),
  ];
  const notNumbers = Buffer.from(weights);
  notNumbers.writeFloatLE(Number.NaN, 0);
  const damages: [string, string | Buffer, RegExp][] = [
    ['weights.bin', 'short', /ends inside weight/],
    ['weights.bin', notNumbers, /holds NaN/],
    ['model.json', topology.slice(0, 300), /is not JSON/],
    ['model.json', topology.replace('"sigmoid"', '"linear"'), /one column with a sigmoid, a probability, is needed/],
    ['card.json', '{"id": "x"}', /lists no inputs/],
  ];
  for (const [file, content, message] of damages) {
    await cp(join(directory, 'one'), corrupt, { recursive: true });
    await writeFile(join(corrupt, file), content);
    await expect(evaluate(corrupt)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/cannot be used/),
    });
    await expect(evaluate(corrupt)).rejects.toThrow(message);
  }
  await expect(evaluate(join(directory, 'nowhere'))).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/cannot be used/),
  });
});
