/** `engine-naive`: how many times faster the engine is than the obvious one (naiveEngine.ts), in the same run. */
import { compileRelease } from '../src/releases/compile.ts';
import { BareEngine, batchesOf, benchRound, timed } from './engine.ts';
import { benchRules } from './fixtures/engineRules.ts';
import { engineBundle, engineFeatureNames } from './fixtures/engineRelease.ts';
import { NaiveEngine } from './fixtures/naiveEngine.ts';
import { randomArtefact } from './fixtures/randomModel.ts';
import { median, printMetric } from './lib.ts';

const rounds = 7;
const ourEvents = 256 * 40;
/** The naive engine takes milliseconds an event: fewer of them, the same payments. */
const naiveEvents = 512;
const rules = 50;
const rulesSeed = 7;

export async function run(): Promise<void> {
  const artefact = randomArtefact(engineFeatureNames, 1);
  const ours = new BareEngine(await compileRelease(engineBundle(rules, artefact)));
  const naive = await NaiveEngine.create(benchRules(rules, engineFeatureNames, rulesSeed), artefact);
  const ratios: number[] = [];
  let sink = 0;
  for (let round = 0; round < rounds + 1; round++) {
    const bodies = benchRound(round, ourEvents);
    const ourMicros = timed(ourEvents, () => {
      for (const group of batchesOf(bodies)) sink += ours.decide(group);
    });
    const from = performance.now();
    for (const body of bodies.slice(0, naiveEvents)) sink += (await naive.decide(body)).byteLength;
    const naiveMicros = ((performance.now() - from) * 1000) / naiveEvents;
    // The first round only warms up.
    if (round > 0) ratios.push(naiveMicros / ourMicros);
  }
  if (sink === 0) throw new Error('nothing was done');
  printMetric({
    bench: 'engine-naive',
    metric: 'speedup',
    value: median(ratios),
    unit: 'x',
    n: rounds,
    spread: [Math.min(...ratios), Math.max(...ratios)],
  });
}
