// Guarantee: measures are those of the definitions, intervals hold the truth about as often as they say, and the same rows and
// seed give the same numbers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { averagePrecision, brierScore } from '../../../../src/models/metrics.ts';
import { percentileInterval, quantile } from '../../../../src/models/monitoring/bootstrap.ts';
import { calibrationOf, shareOf } from '../../../../src/models/monitoring/calibration.ts';
import { compareModels, type LabelledRows } from '../../../../src/models/monitoring/comparison.ts';
import { uniform } from '../../../../src/models/training/random.ts';

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1e9);
const now = (): Promise<void> => Promise.resolve();

interface Made {
  readonly frauds: readonly boolean[];
  readonly clusters: readonly number[];
  readonly scores: readonly (readonly number[])[];
}

function rowsOf({ frauds, clusters, scores }: Made): LabelledRows {
  return {
    frauds: Uint8Array.from(frauds, Number),
    clusters: Int32Array.from(clusters),
    clusterCount: Math.max(0, ...clusters) + 1,
    models: scores.map((probabilities, model) => ({
      id: `m${model}`,
      version: `${model}`,
      probabilities: Float64Array.from(probabilities),
      held: Uint8Array.from(probabilities, (p) => (p >= 0.5 ? 1 : 0)),
    })),
  };
}

describe(`comparing models (seed ${seed})`, () => {
  it('gives the measures of their definitions, ties included', async () => {
    const row = fc.record({
      fraud: fc.boolean(),
      cluster: fc.nat(5),
      p: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.5, 0.9, 1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60 }), async (made) => {
        const rows = rowsOf({
          frauds: made.map(({ fraud }) => fraud),
          clusters: made.map(({ cluster }) => cluster),
          scores: [made.map(({ p }) => p)],
        });
        const [model] = await compareModels(rows, 1, now);
        const scored = made.map(({ p, fraud }) => ({ score: p, fraud, card: 0, day: 0 }));
        const frauds = made.filter(({ fraud }) => fraud).length;
        const held = made.filter(({ p }) => p >= 0.5);
        const hits = held.filter(({ fraud }) => fraud).length;
        const measures = model?.measures;
        expect(measures?.brier.value).toBeCloseTo(brierScore(scored), 12);
        expect(measures?.alertShare.value).toBeCloseTo(held.length / made.length, 12);
        if (frauds === 0) expect(measures?.averagePrecision.value).toBeNull();
        else expect(measures?.averagePrecision.value).toBeCloseTo(averagePrecision(scored), 12);
        if (held.length === 0) expect(measures?.precision).toEqual({ value: null, interval: null });
        else expect(measures?.precision.value).toBeCloseTo(hits / held.length, 12);
        if (frauds > 0) expect(measures?.recall.value).toBeCloseTo(hits / frauds, 12);
      }),
      { numRuns: 25, seed },
    );
  });

  function simulated(random: () => number, customers: number, noise: readonly number[]): Made {
    const frauds: boolean[] = [];
    const clusters: number[] = [];
    const scores: number[][] = noise.map(() => []);
    for (let customer = 0; customer < customers; customer++) {
      const fraud = random() < 0.2;
      for (let payment = 0; payment < 3; payment++) {
        frauds.push(fraud);
        clusters.push(customer);
        noise.forEach((much, model) => scores[model]?.push((fraud ? 0.6 : 0.4) + much * (random() - 0.5)));
      }
    }
    return { frauds, clusters, scores };
  }

  it('finds the better model, with a difference whose interval is off zero, and says the same again for the same seed', async () => {
    const rows = rowsOf(simulated(uniform(seed), 300, [2, 0.3]));
    const compared = await compareModels(rows, 3, now);
    expect(await compareModels(rows, 3, now)).toEqual(compared);
    expect(compared[0]?.differences).toBeNull();
    const difference = compared[1]?.differences?.averagePrecision;
    expect(difference?.value).toBeGreaterThan(0);
    expect(difference?.interval?.low).toBeGreaterThan(0);
    expect(difference?.above).toBe(1);
  });

  it('calls a model no better than itself', async () => {
    const { frauds, clusters, scores } = simulated(uniform(seed), 50, [1]);
    const [, same] = await compareModels(
      rowsOf({ frauds, clusters, scores: [scores[0] ?? [], scores[0] ?? []] }),
      3,
      now,
    );
    expect(same?.differences?.averagePrecision).toEqual({ value: 0, interval: { low: 0, high: 0 }, above: 0 });
  });

  it('resamples customers, not rows: three equal payments of a customer are no more evidence than one', async () => {
    const once = simulated(uniform(77), 120, [0.9]);
    const of = <Value>(values: readonly Value[]): Value[] => values.flatMap((value) => [value, value, value]);
    const thrice = { frauds: of(once.frauds), clusters: of(once.clusters), scores: once.scores.map(of) };
    const width = async (made: Made): Promise<number> => {
      const [model] = await compareModels(rowsOf(made), 5, now);
      const { low, high } = model?.measures.recall.interval ?? { low: 0, high: 0 };
      return high - low;
    };
    expect(await width(thrice)).toBeCloseTo(await width(once), 12);
    expect(await width({ ...thrice, clusters: thrice.frauds.map((_, i) => i) })).toBeLessThan(
      (await width(once)) / 1.3,
    );
  });

  it('has intervals that hold the true recall in about 95 of 100 samples', async () => {
    const random = uniform(20_261_123);
    let held = 0;
    const samples = 60;
    // A fraud is held when 0.6 + 1.0 · (u − 0.5) ≥ 0.5: in 60 of 100.
    for (let sample = 0; sample < samples; sample++) {
      const [model] = await compareModels(rowsOf(simulated(random, 200, [1])), sample, now);
      const { low, high } = model?.measures.recall.interval ?? { low: 1, high: 0 };
      if (low <= 0.6 && 0.6 <= high) held++;
    }
    expect(held / samples).toBeGreaterThan(0.85);
  });

  it('pauses between resamples', async () => {
    let pauses = 0;
    await compareModels(rowsOf({ frauds: [true, false], clusters: [0, 1], scores: [[0.9, 0.1]] }), 1, async () => {
      pauses++;
    });
    expect(pauses).toBeGreaterThan(100);
  });
});

describe('intervals and shares', () => {
  it('take quantiles between order statistics, and have none where most resamples are undefined', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([7], 0.99)).toBe(7);
    expect(percentileInterval([Number.NaN, Number.NaN, 1])).toBeUndefined();
    expect(percentileInterval([])).toBeUndefined();
    expect(percentileInterval([3, 1, 2])).toEqual({ low: 1.05, high: 2.95 });
  });

  it('stay within 0 and 1 and hold the share itself', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (hits, misses) => {
        const { value, interval, of } = shareOf(hits, hits + misses);
        expect(of).toBe(hits + misses);
        if (of === 0) return;
        expect(interval?.low).toBeGreaterThanOrEqual(0);
        expect(interval?.high).toBeLessThanOrEqual(1);
        expect(interval?.low).toBeLessThanOrEqual((value ?? 0) + 1e-12);
        expect(interval?.high).toBeGreaterThanOrEqual((value ?? 0) - 1e-12);
      }),
    );
    // Wilson's interval of 5 in 10.
    expect(shareOf(5, 10).interval?.low).toBeCloseTo(0.2366, 4);
  });
});

describe(`calibration (seed ${seed})`, () => {
  const random = uniform(seed);
  const probabilities = Array.from({ length: 20_000 }, () => random() ** 3);

  it('is near 0 error and |z| below 4 where the probabilities are true, and far where they are not', () => {
    const truth = probabilities.map((p) => (random() < p ? 1 : 0));
    const right = calibrationOf(probabilities, truth);
    expect(right.error).toBeLessThan(0.02);
    expect(Math.abs(right.z ?? 99)).toBeLessThan(4);
    expect(right.bins.length).toBe(10);
    expect(right.bins.reduce((sum, { rows }) => sum + rows, 0)).toBe(20_000);
    const twice = calibrationOf(
      probabilities.map((p) => p / 2),
      truth,
    );
    expect(twice.observedFrauds).toBeGreaterThan(twice.expectedFrauds * 1.5);
    expect(twice.z).toBeGreaterThan(10);
    expect(twice.error).toBeGreaterThan(0.05);
  });

  it('says nothing of no rows', () => {
    expect(calibrationOf([], [])).toEqual({
      rows: 0,
      expectedFrauds: 0,
      observedFrauds: 0,
      error: null,
      z: null,
      bins: [],
    });
  });
});
