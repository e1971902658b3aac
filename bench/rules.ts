/**
 * `rules`: the rules step alone, microseconds an event for 10, 100 and 1,000 rules of 3 conditions over 24 features and 5
 * payment fields, at batch 256 and batch 1, all sizes interleaved in one run; and what 1,000 rules cost a whole event
 * over 10, taking the rest of the event at the engine's measured micros (see `wholeEventMicros`).
 */
import { codeFirstLiteral, Frame } from '../src/features/frame.ts';
import { compileRules } from '../src/rules/compile.ts';
import { createRuleHits } from '../src/rules/hits.ts';
import { collectColumnNeeds, layoutFor } from '../src/rules/needs.ts';
import { ReferenceEngine } from '../src/rules/reference.ts';
import type { CompiledRules, RuleHits } from '../src/rules/types.ts';
import { median, printMetric } from './lib.ts';

const sizes = [10, 100, 1_000] as const;
const batchSizes = [256, 1] as const;
const rounds = 15;
const warmUpRounds = 5;
const eventsPerRound = 256 * 40;
const countries = ['US', 'DE', 'NG', 'BR', 'FR', 'GB'];
const channels = ['ecommerce', 'atm', 'transfer', 'card_present'];
const windows = ['10m', '1h', '24h', '7d', '30d', '90d'];
export const features = ['customer', 'card', 'device', 'terminal'].flatMap((entity) =>
  windows.map((w) => `${entity}.count.${w}`),
);

/** Mulberry32: the same rules and payments in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function benchRules(count: number): unknown[] {
  const random = seeded(11);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const numeric = (): unknown => ({
    fact: pick(features),
    operator: pick(['greaterThan', 'greaterThanInclusive', 'lessThan']),
    value: Math.floor(random() * 200),
  });
  const category = (): unknown =>
    random() < 0.5
      ? { fact: 'country', operator: pick(['in', 'notIn']), value: [pick(countries), pick(countries)] }
      : { fact: 'channel', operator: 'equal', value: pick(channels) };
  return Array.from({ length: count }, (_, i) => ({
    name: `B-${i}`,
    conditions: {
      all: [
        numeric(),
        { fact: 'amountMinor', operator: 'greaterThan', value: Math.floor(random() * 100_000) },
        random() < 0.5 ? category() : numeric(),
      ],
    },
    event: { type: 'hit', params: { version: 1, text: 'benchmark', weight: 0.1 } },
  }));
}

interface Subject {
  readonly rules: number;
  readonly batch: number;
  readonly compiled: CompiledRules;
  readonly frames: readonly Frame[];
  readonly hits: RuleHits;
  readonly micros: number[];
}

export function fillRandom(frame: Frame, random: () => number): void {
  frame.rows = frame.capacity;
  frame.layout.numeric.forEach((name, i) => {
    const scale = name === 'amountMinor' ? 120_000 : 220;
    for (let row = 0; row < frame.rows; row++) {
      const column = frame.numbers[i] as Float64Array;
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

function subject(rules: number, batch: number): Subject {
  const definitions = benchRules(rules);
  const layout = layoutFor(collectColumnNeeds(definitions, features), features);
  const random = seeded(5);
  const frames = Array.from({ length: batch === 1 ? 256 : 4 }, () => new Frame(layout, batch));
  for (const frame of frames) fillRandom(frame, random);
  return {
    rules,
    batch,
    compiled: compileRules(definitions, layout),
    frames,
    hits: createRuleHits(rules, batch),
    micros: [],
  };
}

function timeRound({ compiled, frames, hits, batch }: Subject): number {
  const calls = eventsPerRound / batch / frames.length;
  const from = performance.now();
  for (let call = 0; call < calls; call++) for (const frame of frames) compiled.evaluate(frame, hits);
  return ((performance.now() - from) * 1_000) / eventsPerRound;
}

async function referenceMicros(rules: number, runs: number): Promise<number> {
  const engine = new ReferenceEngine(benchRules(rules), new Map());
  const random = seeded(5);
  const from = performance.now();
  for (let i = 0; i < runs; i++) {
    const facts = new Map<string, string | number>(features.map((name) => [name, Math.floor(random() * 220)]));
    facts
      .set('amountMinor', Math.floor(random() * 120_000))
      .set('country', 'US')
      .set('channel', 'atm');
    await engine.run(facts);
  }
  return ((performance.now() - from) * 1_000) / runs;
}

export async function run(): Promise<void> {
  const subjects = batchSizes.flatMap((batch) => sizes.map((rules) => subject(rules, batch)));
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    for (const each of subjects) {
      const micros = timeRound(each);
      if (round >= warmUpRounds) each.micros.push(micros);
    }
  }
  for (const { rules, batch, micros } of subjects) {
    printMetric({
      bench: 'rules',
      metric: `micros_per_event_rules_${rules}_batch_${batch}`,
      value: median(micros),
      unit: 'us',
      n: rounds,
      spread: [Math.min(...micros), Math.max(...micros)],
    });
  }
  const reference = await referenceMicros(100, 60);
  const ours = median(subjects.find((s) => s.rules === 100 && s.batch === 256)?.micros ?? []);
  printMetric({
    bench: 'rules',
    metric: 'reference_over_compiled_100_rules',
    value: reference / ours,
    unit: 'x',
    n: 1,
    spread: [reference / ours, reference / ours],
  });
}

if (import.meta.main) await run();
