// Guarantee: over AMLSim's transfers, features of accounts in both roles know nothing of the future; `holdfast train` and
// `holdfast evaluate` make a model of them by config/amlsim that finds laundering without amounts, also at the first transfer of a
// pair better than chance, and evaluate says what the card says. On a part of the set, with a smaller recipe: the full result is
// docs/amlsim.md's.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPayments } from '../../../src/cli/history/payments.ts';
import { readMapping } from '../../../src/cli/replay/mapping.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { TrainedCard } from '../../../src/models/training/card.ts';
import { altered, firstDifference, historyOf, type LabelledPayment } from '../../helpers/alteredFuture.ts';
import { requires } from '../../helpers/requirements.ts';

const amlsim = requires('amlsim');
const repository = resolve(import.meta.dirname, '../../..');
const config = (name: string): string => join(repository, 'config/amlsim', name);
const small = { ensemble: 1, hidden: [16], epochs: 4, candidates: [] };
const firstOfPair = ['--where', 'account+counterpartyAccount.isFirst=1', '--where', 'account.count.24h=1'];

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-amlsim-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function holdfast(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(repository, 'src/cli/main.ts'), ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => (code === 0 ? done(stdout) : fail(new Error(stderr))));
  });
}

describe.skipIf(!amlsim.met)('AMLSim', { timeout: 120_000 }, () => {
  const data = ['--mapping', config('mapping.json'), '--features', config('features.json')];
  const period = ['--train-start', '2020-02-01', '--train-days', '21', '--delay-days', '7', '--test-days', '14'];

  test('nothing of the future is in the features of accounts', async () => {
    const program = compileFeatures(JSON.parse(await readFile(config('features.json'), 'utf8')));
    const rows: LabelledPayment[] = [];
    for await (const { payments, frauds } of openPayments(
      amlsim.path,
      readMapping(config('mapping.json')),
    ).payments()) {
      payments.forEach((payment, i) => rows.push({ payment, fraud: frauds[i] === 1 }));
      if (rows.length > 30_000) break;
    }
    const kept = 20_000;
    const later = rows.slice(kept, 24_000).map(({ payment, fraud }) => ({
      payment: Object.assign(new Payment(), payment, {
        accountId: payment.counterpartyAccountId,
        counterpartyAccountId: payment.accountId,
      }),
      fraud: !fraud,
    }));
    const before = await historyOf(rows.slice(0, 24_000), program);
    const after = await historyOf(altered(rows.slice(0, 24_000), kept, later), program);
    expect(firstDifference(before, after, kept, program)).toBeUndefined();
    expect(firstDifference(before, after, 24_000, program)).toMatch(/^row \d+: /);
  });

  test('a model is trained and judged without amounts', async () => {
    const [recipe, out] = [join(directory, 'recipe.json'), join(directory, 'model')];
    const full = JSON.parse(await readFile(config('recipe.json'), 'utf8')) as { readonly inputs: readonly object[] };
    expect(JSON.stringify(full.inputs)).not.toMatch(/amount/i);
    await writeFile(recipe, JSON.stringify({ ...full, ...small }));
    const trained = await holdfast('train', amlsim.path, ...data, ...period, '--recipe', recipe, '--out', out);
    const card = JSON.parse(trained) as TrainedCard;
    expect(card.metrics.averagePrecision).toBeGreaterThan(0.7);
    const evaluate = ['evaluate', '--model', out, '--data', amlsim.path, ...data, ...period];
    const all = JSON.parse(await holdfast(...evaluate)) as { readonly ap: number; readonly testRows: number };
    expect(all.ap).toBeCloseTo(card.metrics.averagePrecision, 9);
    const first = JSON.parse(await holdfast(...evaluate, ...firstOfPair)) as typeof all & {
      readonly auc: number;
    };
    expect(first.testRows).toBeLessThan(all.testRows);
    expect(first.auc).toBeGreaterThan(0.55);
  });
});
