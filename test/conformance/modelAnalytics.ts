/** What every store says of models, compared with naive counts over the same rows. */
import { beforeAll, expect, it } from 'vitest';
import { healthOf } from '../../src/models/monitoring/health.ts';
import { countBins, referenceOf } from '../../src/models/monitoring/reference.ts';
import { averagePrecision } from '../../src/models/metrics.ts';
import { populationStability } from '../../src/models/monitoring/stability.ts';
import type { ModelAnalytics } from '../../src/pipeline/modelAnalytics.ts';
import type { ParityMismatch, ParityReport } from '../../src/pipeline/parityTypes.ts';
import type { AnalyticsBlock, AnalyticsStore, ShadowScore } from '../../src/pipeline/ports.ts';
import { decode, featureNames, makeRows, releaseId, seededRandom, startMs } from '../integration/analytics/records.ts';

const tenantId = 'watched';
const rowCount = 1500;
const version = 'b'.repeat(64);
const challengerVersions = ['c'.repeat(64), 'd'.repeat(64)] as const;
const window = { tenantId, fromMs: startMs - 1000, toMs: startMs + 60 * 60_000 };
const later = { ...window, fromMs: startMs + 1 };

export function modelConformance(store: () => AnalyticsStore & ModelAnalytics, seed: number): void {
  const random = seededRandom(seed + 1);
  const rows = makeRows(random, 10_000, rowCount, { tenantId }).map((row, i) => {
    // Times of their own, so that the window holds all of them.
    const [made] = makeRows(random, 10_000 + i, 1, { tenantId, decidedAtMs: startMs + i * 3 });
    return made ?? row;
  });
  const decoded = rows.map(({ record }) => decode(record));
  const shadowOf = (at: number, challenger: number): ShadowScore => {
    const { decision, decidedAtMs } = decoded[at] as (typeof decoded)[number];
    return {
      tenantId,
      paymentId: decision.paymentId,
      decidedAtMs,
      releaseId,
      modelId: `challenger-${challenger}`,
      modelVersion: challengerVersions[challenger] as string,
      probability: Math.round(random() * 1e9) / 1e9,
      action: random() < 0.3 ? 'hold' : 'allow',
    };
  };
  // The second challenger saw only two payments of three.
  const shadow = decoded.flatMap((_, at) => [shadowOf(at, 0), ...(at % 3 === 0 ? [] : [shadowOf(at, 1)])]);
  const labels = decoded.flatMap(({ decision, decidedAtMs }, at) =>
    at % 2 === 0
      ? []
      : [
          {
            tenantId,
            paymentId: decision.paymentId,
            label: random() < 0.3 ? ('fraud' as const) : ('legitimate' as const),
            source: 'analyst' as const,
            labelledAtMs: decidedAtMs + 1000 * (1 + Math.floor(random() * 5000)),
          },
        ],
  );
  const truth = new Map(labels.map(({ paymentId, label }) => [paymentId, label]));
  const block: AnalyticsBlock = { token: `watched ${seed}`, rows, labels, shadow };
  const scoredRows = decoded.filter(({ decision }) => decision.model !== null);

  beforeAll(async () => {
    await store().insertBlock(block);
  });

  it('a redelivered block adds no score of a challenger', async () => {
    const query = {
      ...window,
      champion: { id: 'handbook-mlp', version },
      challengers: [{ id: 'challenger-0', version: challengerVersions[0] }],
      seed: 1,
    };
    const before = await store().modelComparison(query);
    await store().insertBlock(block);
    expect(await store().modelComparison(query)).toEqual(before);
    expect(before.known).toBe(scoredRows.filter(({ decision }) => truth.has(decision.paymentId)).length);
  });

  it('champion and challengers are compared on the labelled payments that all of them scored', async () => {
    const challengers = challengerVersions.map((one, i) => ({ id: `challenger-${i}`, version: one }));
    const comparison = await store().modelComparison({
      ...window,
      champion: { id: 'handbook-mlp', version },
      challengers,
      seed: 7,
    });
    const byModel = challengerVersions.map(
      (one) =>
        new Map(shadow.filter(({ modelVersion }) => modelVersion === one).map((score) => [score.paymentId, score])),
    );
    const common = scoredRows.filter(
      ({ decision: { paymentId } }) => truth.has(paymentId) && byModel.every((scores) => scores.has(paymentId)),
    );
    const fraud = common.map(({ decision }) => truth.get(decision.paymentId) === 'fraud');
    const frauds = fraud.filter(Boolean).length;
    expect(comparison).toMatchObject({ known: common.length, rows: common.length, frauds });
    expect(comparison.customers).toBe(new Set(common.map(({ payment }) => payment['customerId'])).size);
    const answers = [
      common.map(({ decision }) => ({
        p: decision.model?.probability ?? Number.NaN,
        held: decision.action === 'hold',
      })),
      ...byModel.map((scores) =>
        common.map(({ decision }) => {
          const score = scores.get(decision.paymentId);
          return { p: score?.probability ?? Number.NaN, held: score?.action === 'hold' };
        }),
      ),
    ];
    comparison.models.forEach(({ measures, differences, version: named }, model) => {
      const own = answers[model] ?? [];
      expect(named).toBe([version, ...challengerVersions][model]);
      const scored = own.map(({ p }, i) => ({ score: p, fraud: fraud[i] === true, card: 0, day: 0 }));
      expect(measures.averagePrecision.value).toBeCloseTo(averagePrecision(scored), 12);
      const alerts = own.filter(({ held }) => held).length;
      const hits = own.filter(({ held }, i) => held && fraud[i] === true).length;
      expect(measures.precision.value).toBeCloseTo(hits / alerts, 12);
      expect(measures.recall.value).toBeCloseTo(hits / frauds, 12);
      const { low, high } = measures.averagePrecision.interval ?? { low: 1, high: 0 };
      expect(low).toBeLessThan(high);
      expect(differences === null).toBe(model === 0);
    });
    const sameSeed = await store().modelComparison({
      ...window,
      champion: { id: 'handbook-mlp', version },
      challengers,
      seed: 7,
    });
    expect(sameSeed).toEqual(comparison);
  });

  it('payments that are old enough and have no label are taken as legitimate where that is asked for', async () => {
    const query = { ...window, champion: { id: 'handbook-mlp', version }, challengers: [], seed: 1 };
    const assumedBeforeMs = startMs + 600;
    const { known } = await store().modelComparison({ ...query, assumedBeforeMs });
    const expected = scoredRows.filter(
      ({ decision, decidedAtMs }) => truth.has(decision.paymentId) || decidedAtMs < assumedBeforeMs,
    );
    expect(known).toBe(expected.length);
  });

  it('the health of a model counts its inputs and scores in the bins of the reference, and what became of its answers', async () => {
    const column = (fact: string, at: readonly (typeof decoded)[number][]): number[] =>
      at.map(({ record, payment }) => {
        const feature = featureNames.indexOf(fact);
        return feature < 0 ? Number(payment['amountMinor']) : (record.features[feature] ?? Number.NaN);
      });
    const facts = ['amountMinor', ...featureNames];
    const older = scoredRows.slice(0, 500);
    const countryCodes = older.map(() => 2);
    const reference = referenceOf(
      [
        ...facts.map((fact) => ({ fact, values: column(fact, older) })),
        { fact: 'country', codes: countryCodes, vocabularySize: 2 },
      ],
      older.map(({ decision }) => decision.model?.probability ?? Number.NaN),
    );
    const query = {
      ...later,
      version,
      role: 'champion' as const,
      inputs: [
        ...facts.map((fact) => ({ fact })),
        { fact: 'country', vocabulary: ['DE', 'FR'] },
        { fact: 'inList:customerId:x' },
      ],
      features: featureNames,
      reference,
    };
    const health = await store().modelHealth(query);
    const seen = scoredRows.filter(({ decidedAtMs }) => decidedAtMs >= later.fromMs);
    expect(health).toMatchObject({ scored: seen.length, sampled: seen.length, referenceRows: 500 });
    expect(health.inputs.map(({ fact }) => fact)).toEqual([...facts, 'country']);
    facts.forEach((fact, i) => {
      const own = reference.inputs[i];
      if (own === undefined || !('edges' in own)) throw new Error('a numeric reference');
      const values = column(fact, seen);
      const psi = populationStability(own.counts, countBins(own.edges, values));
      expect(health.inputs[i]?.psi).toBeCloseTo(psi ?? Number.NaN, 12);
      expect(health.inputs[i]?.missing).toBeCloseTo(values.filter(Number.isNaN).length / seen.length, 12);
    });
    expect(health.inputs.at(-1)).toMatchObject({ fact: 'country', psi: 0, missing: 0, drift: 'stable' });
    const known = seen.filter(({ decision }) => truth.has(decision.paymentId));
    const delays = known.map(({ decision, record }) => {
      const label = labels.find(({ paymentId }) => paymentId === decision.paymentId);
      return ((label?.labelledAtMs ?? 0) - record.occurredAtMs) / 1000;
    });
    const expected = healthOf(
      { scored: seen.length, sampled: seen.length, inputs: [], scoreBins: undefined },
      {
        probabilities: Float64Array.from(known, ({ decision }) => decision.model?.probability ?? Number.NaN),
        frauds: Uint8Array.from(known, ({ decision }) => (truth.get(decision.paymentId) === 'fraud' ? 1 : 0)),
        held: Uint8Array.from(known, ({ decision }) => (decision.action === 'hold' ? 1 : 0)),
        assumed: new Uint8Array(known.length),
        labelDelays: Float64Array.from(delays),
      },
      undefined,
    );
    expect(health.labels).toEqual(expected.labels);
    expect(health.alerts).toEqual(expected.alerts);
    expect(health.calibration.observedFrauds).toBe(expected.calibration.observedFrauds);
    expect(health.calibration.expectedFrauds).toBeCloseTo(expected.calibration.expectedFrauds, 9);
    const scores = seen.map(({ decision }) => decision.model?.probability ?? Number.NaN);
    const { score } = reference;
    expect(health.score.psi).toBeCloseTo(populationStability(score.counts, countBins(score.edges, scores)) ?? 0, 12);
  });

  it('the health of a challenger is that of the payments it was scored on, and without a reference nothing is said of drift', async () => {
    const health = await store().modelHealth({
      ...window,
      version: challengerVersions[1],
      role: 'challenger',
      inputs: [{ fact: 'amountMinor' }],
      features: featureNames,
    });
    const own = shadow.filter(({ modelVersion }) => modelVersion === challengerVersions[1]);
    const known = own.filter(({ paymentId }) => truth.has(paymentId));
    expect(health.labels.labelled).toBe(known.length);
    expect(health.scored).toBe(own.length);
    expect(health.calibration.expectedFrauds).toBeCloseTo(
      known.reduce((sum, { probability }) => sum + probability, 0),
      9,
    );
    expect(health).toMatchObject({ referenceRows: null, score: { drift: 'unknown', psi: null } });
    expect(health.inputs).toEqual([
      { fact: 'amountMinor', drift: 'unknown', psi: null, psiByChance: null, missing: 0, missingInReference: null },
    ]);
  });

  it('a model that was never scored is compared on nothing, and says so', async () => {
    const comparison = await store().modelComparison({
      ...window,
      champion: { id: 'nobody', version: 'e'.repeat(64) },
      challengers: [],
      seed: 1,
    });
    expect(comparison).toMatchObject({ known: 0, rows: 0, frauds: 0, customers: 0 });
    expect(comparison.models[0]?.measures.averagePrecision).toEqual({ value: null, interval: null });
  });

  it('what parity checks found adds up over their time, whoever made them; mismatches are shown to the tenant they are of', async () => {
    const atMs = startMs + 1000;
    const mismatch = { paymentId: 'p-1', feature: 'customer.count.1h', online: 7, recomputed: 1 };
    const report = (mismatches: readonly ParityMismatch[]): ParityReport => ({
      sampled: 10,
      compared: 8,
      values: 200,
      withinBounds: 3,
      otherOrder: 2,
      orderUnknown: 1,
      notCovered: 5,
      mismatches: mismatches.length,
      shown: mismatches,
      notComparable: { velocity_degraded: 2 },
    });
    const during = { tenantId, fromMs: atMs, toMs: atMs + 1000 };
    expect(await store().parityOf(during)).toBeUndefined();
    const own = { ...mismatch, tenantId };
    const newer = { ...own, paymentId: 'p-2', online: null };
    await store().recordParity({ atMs, report: report([own, { ...mismatch, tenantId: 'another' }]) });
    await store().recordParity({ atMs: atMs + 999, report: report([newer]) });
    await store().recordParity({ atMs: atMs + 1000, report: report([own]) });
    expect(await store().parityOf(during)).toEqual({
      checks: 2,
      compared: 16,
      values: 400,
      withinBounds: 6,
      otherOrder: 4,
      orderUnknown: 2,
      notCovered: 10,
      mismatches: 3,
      notComparable: { velocity_degraded: 4 },
      shown: [newer, own],
      lastAtMs: atMs + 999,
      lastError: undefined,
    });
  });
}
