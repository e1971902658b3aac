/**
 * `rules`: a whole event with 1,000 rules beside one with 10 (`cost_1000_over_10`: payment bytes to decision bytes, as in
 * `engine`, batches of 256), and the rules step alone for 10, 100 and 1,000 rules of 3 conditions at batch 256 and 1.
 * Everything is interleaved in one run. The rules are selective, as real ones are, so that both sizes fire about as
 * rarely: what is compared is evaluating rules, not writing their reasons.
 */
import { codeFirstLiteral, Frame } from '../src/features/frame.ts';
import { compileRelease } from '../src/releases/compile.ts';
import { compileRules } from '../src/rules/compile.ts';
import { createRuleHits } from '../src/rules/hits.ts';
import { collectColumnNeeds, layoutFor } from '../src/rules/needs.ts';
import type { CompiledRules, RuleHits } from '../src/rules/types.ts';
import { BareEngine, batchesOf, batchRows, benchRound, timed } from './engine.ts';
import { engineBundle, engineFeatureNames } from './fixtures/engineRelease.ts';
import { randomArtefact, uniform } from './fixtures/randomModel.ts';
import { median, printMetric } from './lib.ts';

const sizes = [10, 100, 1_000] as const;
const batchSizes = [256, 1] as const;
const rounds = 15;
const warmUpRounds = 4;
const eventsPerRound = batchRows * 40;
const ruleSeed = 11;
const countries = ['US', 'DE', 'NG', 'BR', 'FR', 'GB'];
const channels = ['ecommerce', 'atm', 'transfer', 'card_present'];
/** The benchmark's payments stay under 22,027 minor units: one in thirty is above the lowest of these thresholds. */
const amounts = { from: 18_000, span: 4_000 };

/** Rules of three conditions: a feature, the amount, and a category or another feature. */
function selectiveRules(count: number): unknown[] {
  const random = uniform(ruleSeed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  // Halves of the features, so that a rule never contradicts itself.
  const half = engineFeatureNames.length / 2;
  const numeric = (facts: readonly string[]): unknown => {
    const fact = pick(facts);
    const value = fact.includes('amountMinor') ? below(200_000) : below(100);
    return { fact, operator: pick(['greaterThan', 'greaterThanInclusive', 'lessThan']), value: value + 1 };
  };
  const category = (): unknown =>
    random() < 0.5
      ? { fact: 'country', operator: pick(['in', 'notIn']), value: [pick(countries), pick(countries)] }
      : { fact: 'channel', operator: 'equal', value: pick(channels) };
  const amount = (): unknown => ({
    fact: 'amountMinor',
    operator: 'greaterThan',
    value: amounts.from + below(amounts.span),
  });
  return Array.from({ length: count }, (_, i) => ({
    name: `B-${i}`,
    conditions: {
      all: [
        numeric(engineFeatureNames.slice(half)),
        amount(),
        random() < 0.5 ? category() : numeric(engineFeatureNames.slice(0, half)),
      ],
    },
    event: { type: 'hit', params: { version: 1, text: 'benchmark: {amountMinor}', weight: 0.001 } },
  }));
}

function fillRandom(frame: Frame, random: () => number): void {
  frame.rows = frame.capacity;
  frame.layout.numeric.forEach((name, i) => {
    const scale = name.includes('amountMinor') ? 22_000 : 110;
    const column = frame.numbers[i] as Float64Array;
    for (let row = 0; row < frame.rows; row++) {
      column[row] = random() < 0.05 ? Number.NaN : Math.floor(random() * scale);
    }
  });
  frame.layout.categorical.forEach(({ vocabulary }, i) => {
    const column = frame.codes[i] as Int32Array;
    for (let row = 0; row < frame.rows; row++) {
      column[row] = Math.floor(random() * (vocabulary.length + codeFirstLiteral));
    }
  });
}

interface Step {
  readonly rules: number;
  readonly batch: number;
  readonly compiled: CompiledRules;
  readonly frames: readonly Frame[];
  readonly hits: RuleHits;
  readonly micros: number[];
}

function rulesStep(rules: number, batch: number): Step {
  const definitions = selectiveRules(rules);
  const layout = layoutFor(collectColumnNeeds(definitions, engineFeatureNames), engineFeatureNames);
  const random = uniform(5);
  const frames = Array.from({ length: batch === 1 ? 256 : 4 }, () => new Frame(layout, batch));
  for (const frame of frames) fillRandom(frame, random);
  const hits = createRuleHits(rules, batch);
  return { rules, batch, compiled: compileRules(definitions, layout), frames, hits, micros: [] };
}

function stepMicros({ compiled, frames, hits, batch }: Step): number {
  const calls = eventsPerRound / batch / frames.length;
  return timed(eventsPerRound, () => {
    for (let call = 0; call < calls; call++) for (const frame of frames) compiled.evaluate(frame, hits);
  });
}

interface WholeEvent {
  readonly rules: number;
  readonly engine: BareEngine;
  readonly micros: number[];
}

async function wholeEvent(rules: number): Promise<WholeEvent> {
  const bundle = engineBundle(1, randomArtefact(engineFeatureNames, 1));
  const engine = new BareEngine(await compileRelease({ ...bundle, rules: selectiveRules(rules) }));
  return { rules, engine, micros: [] };
}

function printMicros(metric: string, micros: readonly number[], more: Readonly<Record<string, unknown>>): void {
  const spread = [Math.min(...micros), Math.max(...micros)] as const;
  printMetric({ bench: 'rules', metric, value: median(micros), unit: 'us', n: micros.length, spread, ...more });
}

export async function run(): Promise<void> {
  const whole = [await wholeEvent(10), await wholeEvent(1_000)] as const;
  const steps = batchSizes.flatMap((batch) => sizes.map((rules) => rulesStep(rules, batch)));
  let sink = 0;
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    const groups = batchesOf(benchRound(round, eventsPerRound));
    for (const { engine, micros } of whole) {
      const took = timed(eventsPerRound, () => {
        for (const group of groups) sink += engine.decide(group);
      });
      if (round >= warmUpRounds) micros.push(took);
    }
    for (const step of steps) {
      const took = stepMicros(step);
      if (round >= warmUpRounds) step.micros.push(took);
    }
  }
  if (sink === 0) throw new Error('nothing was done');
  const [few, many] = whole;
  const ratios = many.micros.map((micros, i) => micros / (few.micros[i] as number));
  printMetric({
    bench: 'rules',
    metric: 'cost_1000_over_10',
    value: median(ratios),
    unit: 'x',
    ratio_to: 'whole event with 10 rules',
    ratio: median(ratios),
    n: rounds,
    spread: [Math.min(...ratios), Math.max(...ratios)],
  });
  for (const { rules, micros } of whole) printMicros('whole_event_micros', micros, { rules });
  for (const { rules, batch, micros } of steps) printMicros('step_micros_per_event', micros, { rules, batch });
}
