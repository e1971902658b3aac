// Guarantee: challengers see what was recorded and say what they would have decided; whatever they do, cost or break, the
// blocks of decisions go on as they are, and what was left out is counted.
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/domain/decision.ts';
import type { AnalyticsBlock, AnalyticsRow } from '../../../src/pipeline/ports.ts';
import {
  createShadowScorer,
  isSampled,
  shadowMsPerBlockMax,
  type ShadowOptions,
  shadowRowsPerBlockMax,
} from '../../../src/pipeline/shadow.ts';
import { withShadow } from '../../../src/pipeline/shadowStore.ts';
import { compileChallengers, compileRelease } from '../../../src/releases/compile.ts';
import { challenged, promoted } from '../../../src/releases/promotion.ts';
import { decidedPayments } from '../../helpers/decided.ts';
import { defaultBundle, modelOf, shifted } from '../../helpers/models.ts';

const bundle = await defaultBundle();
const [bold, timid] = [shifted(modelOf(bundle), 'bold', 3), shifted(modelOf(bundle), 'timid', -3)];
const withBoth = challenged(challenged(bundle, bold), timid);
const release = await compileRelease(withBoth);
const challengers = await compileChallengers(withBoth);
const rows: AnalyticsRow[] = decidedPayments(release, 900).map(({ record }) => ({
  record,
  featureNames: release.features.names,
}));
const decisionOf = ({ record }: AnalyticsRow): Decision =>
  JSON.parse(Buffer.from(record.decision).toString()) as Decision;

function scorer(options: Partial<ShadowOptions> = {}) {
  return createShadowScorer({
    challengersOf: () => Promise.resolve(challengers),
    share: 1,
    spentMs: () => 0,
    onFailure: () => {},
    ...options,
  });
}

describe('scoring in shadow', () => {
  it('gives, bit for bit, the probability and action of a release with that challenger as its champion', async () => {
    const scores = await scorer().score(rows);
    expect(scores.length).toBe(rows.length * 2);
    for (const model of [bold, timid]) {
      const alone = await compileRelease(promoted(bundle, model, false));
      const decided = decidedPayments(alone, rows.length);
      const own = scores.filter(({ modelId }) => modelId === model.card.id);
      const byId = new Map(own.map((score) => [score.paymentId, score]));
      for (const { record } of decided) {
        const { action, model: said, decidedAt } = JSON.parse(Buffer.from(record.decision).toString()) as Decision;
        const score = byId.get(record.paymentId);
        expect([score?.probability, score?.action]).toEqual([said?.probability, action]);
        expect(score?.modelVersion).toBe(alone.model?.version);
        expect(score?.decidedAtMs).toBe(Date.parse(decidedAt));
        expect(score?.releaseId).toBe(release.id);
      }
    }
    const held = (id: string) => scores.filter(({ modelId, action }) => modelId === id && action === 'hold').length;
    expect(held('bold')).toBeGreaterThan(held('timid'));
  });

  it('changes nothing of a decision but the id of its release', async () => {
    const without = (given: Awaited<ReturnType<typeof compileRelease>>) =>
      decidedPayments(given, 300).map(({ record }) =>
        Buffer.from(record.decision).toString().replace(given.id, 'its release'),
      );
    expect(without(release)).toEqual(without(await compileRelease(bundle)));
  });

  it('makes the same scores of the same block each time, and leaves the decisions as they are', async () => {
    const before = rows.map(decisionOf);
    const again = scorer();
    expect(await again.score(rows)).toEqual(await again.score(rows));
    expect(rows.map(decisionOf)).toEqual(before);
  });

  it('takes a share of the payments, the same ones for every challenger', async () => {
    const scores = await scorer({ share: 0.3 }).score(rows);
    const seen = new Set(scores.map(({ paymentId }) => paymentId));
    expect(seen.size / rows.length).toBeGreaterThan(0.2);
    expect(seen.size / rows.length).toBeLessThan(0.4);
    expect(scores.length).toBe(seen.size * 2);
    expect([...seen].every((id) => isSampled('default', id, 0.3))).toBe(true);
    expect(await scorer({ share: 0 }).score(rows)).toEqual([]);
  });

  it('counts a challenger that throws as failed, while the others are scored and the block goes on', async () => {
    const [first, second] = challengers;
    if (first === undefined || first.model === null || second === undefined)
      throw new Error('there are two challengers');
    const broken = {
      ...first,
      model: {
        ...first.model,
        score: () => {
          throw new Error('this challenger is broken');
        },
      },
    };
    const told: unknown[] = [];
    const shadow = scorer({
      challengersOf: () => Promise.resolve([broken, second]),
      onFailure: (error) => told.push(error),
    });
    const scores = await shadow.score(rows);
    expect(new Set(scores.map(({ modelId }) => modelId))).toEqual(new Set(['timid']));
    expect(shadow.stats()).toEqual({ scored: rows.length, dropped: 0, failed: rows.length });
    expect(told.length).toBeGreaterThan(0);
  });

  it('leaves out what a slow challenger cannot do in the time of a block, and counts it', async () => {
    let clockMs = 0;
    const shadow = scorer({ spentMs: () => (clockMs += shadowMsPerBlockMax / 2) });
    const scores = await shadow.score(rows);
    expect(scores.length).toBeLessThan(rows.length * 2);
    expect(scores.length / 2 + shadow.stats().dropped).toBe(rows.length);
  });

  it('leaves out what is beyond the rows of a block, and counts it', async () => {
    const copies = Math.ceil((shadowRowsPerBlockMax + 1) / rows.length);
    const many = Array.from({ length: copies }, () => rows).flat();
    const shadow = scorer({ challengersOf: () => Promise.resolve(challengers.slice(0, 1)) });
    expect((await shadow.score(many)).length).toBe(shadowRowsPerBlockMax);
    expect(shadow.stats().dropped).toBe(many.length - shadowRowsPerBlockMax);
  });

  it('goes on without scores where the release cannot be read, and scores once it can', async () => {
    let readable = false;
    const shadow = scorer({
      challengersOf: () => (readable ? Promise.resolve(challengers) : Promise.reject(new Error('no release'))),
    });
    expect(await shadow.score(rows)).toEqual([]);
    expect(shadow.stats().failed).toBe(rows.length);
    readable = true;
    expect((await shadow.score(rows)).length).toBe(rows.length * 2);
  });

  it('puts the scores into every block of a store, and none into blocks of releases without challengers', async () => {
    const blocks: AnalyticsBlock[] = [];
    const insertBlock = async (block: AnalyticsBlock): Promise<void> => {
      blocks.push(block);
    };
    const block = { token: 't', rows: rows.slice(0, 10), labels: [] };
    await withShadow({ insertBlock }, scorer()).insertBlock(block);
    await withShadow({ insertBlock }, scorer({ challengersOf: () => Promise.resolve([]) })).insertBlock(block);
    expect(blocks.map(({ shadow }) => shadow?.length)).toEqual([20, undefined]);
    expect(blocks[1]).toEqual(block);
  });
});
