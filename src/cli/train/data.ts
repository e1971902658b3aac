/** A labelled file as a history of the days that training and evaluation need, through the release's own features. */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createVelocityMemory } from '../../adapters/memory/velocity.ts';
import { failed, wrongUsage } from '../../config/exit.ts';
import { lintFeatures } from '../../features/lint.ts';
import { compileFeatures } from '../../features/program.ts';
import type { FeatureProgram } from '../../features/types.ts';
import { learnFromDay, type Split, testStartDayOf } from '../../models/training/protocol.ts';
import { isCategoricalColumn } from '../../releases/fill.ts';
import { numericFacts } from '../../rules/facts.ts';
import { dayMs } from '../history/feed.ts';
import { buildHistory, type History, type Retention, trainingLayout } from '../history/history.ts';
import type { PaymentSource } from '../history/payments.ts';
import { neededDefinitions } from './needed.ts';

/** Text facts that results are told apart by, where they vary. */
export const segmentFacts = ['channel', 'country', 'merchantCategoryCode'] as const;

export interface DataOptions {
  readonly source: PaymentSource;
  /** Content of features.json. */
  readonly features: unknown;
  /** Numeric facts, the columns of the history's facts. */
  readonly facts: readonly string[];
  /** Text facts of the model, beside those that results are told apart by. */
  readonly categories: readonly string[];
  /** From the first day to the one before the end, as numbers since the Unix epoch. */
  readonly firstDay: number;
  readonly endDay: number;
  /** Without it every payment of the days is kept. */
  readonly retention?: Retention;
  readonly delayDays: number;
  readonly signal: AbortSignal;
  readonly onProgress: (paymentsFed: number) => void;
}

export interface Data {
  readonly history: History;
  readonly program: FeatureProgram;
}

export const dayText = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10);

/** @throws CommandError (exit code 2) where the file is not JSON or no feature definitions */
export function readFeatures(path: string): unknown {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The features ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const lint = lintFeatures(document);
  if (lint.ok) return document;
  const [problem] = lint.problems;
  throw wrongUsage(
    `The features ${path} are not valid: ${problem?.pointer ?? ''} ${problem?.message ?? ''}. The manual is docs/features.md.`,
  );
}

/** @returns undefined when the signal stopped it. @throws CommandError where the features lack a fact, or the file is not fit */
export async function loadData(options: DataOptions): Promise<Data | undefined> {
  const { source, facts, categories } = options;
  const lint = lintFeatures(options.features);
  if (!lint.ok) throw wrongUsage('The feature definitions are not valid.');
  const known = new Set<string>([...compileFeatures(options.features).names, ...numericFacts]);
  const unknown = facts.filter((fact) => !known.has(fact));
  if (unknown.length > 0)
    throw failed(
      `The features do not have these inputs: ${unknown.join(', ')}. Add them to features.json, or take them out of the recipe.`,
    );
  const noTexts = categories.filter((fact) => !isCategoricalColumn(fact));
  if (noTexts.length > 0)
    throw failed(
      `No payment has these texts: ${noTexts.join(', ')}. A category is a text field of the payment (docs/api.md) or attributes.NAME.`,
    );
  const program = compileFeatures(neededDefinitions(lint.definitions, facts));
  const history = await buildHistory(source.payments(), {
    memory: createVelocityMemory(program, {}),
    layout: trainingLayout(program),
    facts,
    categories: [...new Set([...segmentFacts, ...categories])],
    firstDay: options.firstDay,
    endDay: options.endDay,
    ...(options.retention === undefined ? {} : { retention: options.retention }),
    delayDays: options.delayDays,
    signal: options.signal,
    onProgress: options.onProgress,
  });
  if (history === undefined) return undefined;
  if (history.paymentsFed === 0) {
    const refused = [...source.refused].map(([code, count]) => `${count} × ${code}`).join(', ');
    throw failed(
      `The file has no payments before ${dayText(options.endDay)} that can be read${refused === '' ? '' : ` (refused: ${refused})`}. Check its columns and the mapping (docs/replay.md).`,
    );
  }
  return { history, program };
}

type SplitDays = Pick<DataOptions, 'firstDay' | 'endDay' | 'delayDays' | 'retention'>;

/** What a training needs of the file. */
export const trainingDays = (split: Split): SplitDays => ({
  ...judgingDays(split),
  retention: { learnEndDay: split.trainStartDay + split.trainDays, testStartDay: testStartDayOf(split) },
});

/** What judging a model needs of it: before the test days, the frauds. */
export const judgingDays = (split: Split): SplitDays => ({
  firstDay: learnFromDay(split),
  endDay: testStartDayOf(split) + split.testDays,
  delayDays: split.delayDays,
  retention: { learnEndDay: learnFromDay(split), testStartDay: testStartDayOf(split) },
});

export const fraudsIn = (history: History, rows: Int32Array): number =>
  rows.reduce((sum, row) => sum + (history.frauds[row] ?? 0), 0);

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Fewest payments and frauds that anything can be learned from. */
const trainRowsMin = 100;
const trainFraudsMin = 10;

/** @throws CommandError (exit code 1), a sentence that says what to do */
export function checkTrainRows(history: History, rows: Int32Array, first: number, days: number): void {
  const period = `the ${days} train days from ${dayText(first)}`;
  const frauds = fraudsIn(history, rows);
  if (rows.length === 0)
    throw failed(`The file has no payments in ${period}: choose days of the file with --train-start and --train-days.`);
  if (frauds === 0 || frauds === rows.length)
    throw failed(
      `The payments in ${period} are all ${frauds === 0 ? 'without' : 'with'} a fraud label: there is nothing to learn. Check the label column of the mapping (docs/replay.md), or choose other days.`,
    );
  if (rows.length < trainRowsMin || frauds < trainFraudsMin)
    throw failed(
      `There are ${rows.length} payments with ${frauds} frauds in ${period}; at least ${trainRowsMin} with ${trainFraudsMin} frauds are needed. Take more days with --train-days.`,
    );
}

/** @throws CommandError (exit code 1), a sentence that says what to do */
export function checkJudgingRows(history: History, rows: Int32Array, what: string, first: number, days: number): void {
  const period = `the ${days} ${what} days from ${dayText(first)}`;
  const frauds = fraudsIn(history, rows);
  if (rows.length === 0)
    throw failed(`The file has no payments in ${period}, or only of cards known to be compromised: choose other days.`);
  if (frauds === 0 || frauds === rows.length)
    throw failed(
      `The payments in ${period} are all ${frauds === 0 ? 'without' : 'with'} a fraud label: there is nothing to measure. Take more or other days.`,
    );
}

/** @throws CommandError (exit code 1) where an input is missing in every row: it would be a constant */
export function checkFacts(
  history: History,
  facts: readonly string[],
  categories: readonly string[],
  rows: Int32Array,
): void {
  const empty = [
    ...facts.filter((_, fact) => rows.every((row) => Number.isNaN(history.facts.value(row, fact)))),
    ...categories.filter((fact) => rows.every((row) => history.categories.get(fact)?.codes[row] === 0)),
  ];
  if (empty.length > 0)
    throw failed(
      `These inputs are missing in every payment of the train days: ${empty.join(', ')}. Map the columns they are made of (docs/replay.md), or take them out of the recipe.`,
    );
}
