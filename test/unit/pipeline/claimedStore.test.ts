/**
 * Guarantee: whatever a process has answered is in the decisions topic, everyone is answered the same for a payment, and
 * the topic says only that, however a process dies between two steps and whoever is given its messages again.
 */
import { describe, expect, test } from 'vitest';
import type { Label } from '../../../src/domain/label.ts';
import { ClaimedStore, type ClaimedStoreOptions } from '../../../src/pipeline/claimedStore.ts';
import { decodeRecord } from '../../../src/pipeline/codec.ts';
import type { Commit, DecisionCache, DecisionRecord } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import { DecisionsUnavailable } from '../../../src/pipeline/storeErrors.ts';
import { noDeadlines, plain, recordOf } from '../../conformance/records.ts';
import { MemoryDecisionCache } from '../../helpers/memoryDecisionCache.ts';
import { MemoryTopics } from '../../helpers/memoryTopics.ts';
import { readAll } from '../../helpers/messages.ts';

const commits: readonly Commit[] = [{ group: 'g', topic: topics.payments, partition: 0, nextOffset: 3 }];
const ids = ['a', 'b', 'c'];
const patientMs = 5000;

class Crash extends Error {
  override readonly name = 'Crash';
}

/** Lets a process do so many halves of steps (before and after each effect) and then nothing more. */
class Life {
  #left: number;

  constructor(halves: number) {
    this.#left = halves;
  }

  get over(): boolean {
    return this.#left < 0;
  }

  async step<T>(effect: () => Promise<T>): Promise<T> {
    this.#half();
    const result = await effect();
    this.#half();
    return result;
  }

  #half(): void {
    if (--this.#left < 0) throw new Crash('the process is gone');
  }
}

/** What outlives a process. */
class World {
  readonly cache = new MemoryDecisionCache();
  readonly topics = new MemoryTopics();
  readonly labels: Label[] = [];
  readonly committed: Commit[] = [];
  readonly adopted: string[] = [];

  /** A cache of which a dead process can reach nothing. Failures of a cache are survived: death must not look like one. */
  #cacheOf(life: Life): DecisionCache {
    const hung = new Promise<never>(() => {});
    const reach = async <T>(effect: () => Promise<T>): Promise<T> => {
      try {
        return await life.step(effect);
      } catch (error) {
        if (error instanceof Crash) return hung;
        throw error;
      }
    };
    return {
      lookup: (tenantId, paymentIds) => reach(() => this.cache.lookup(tenantId, paymentIds)),
      claim: (records, write) => reach(() => this.cache.claim(records, write)),
      markPublished: (records) => reach(() => this.cache.markPublished(records)),
      recordLabels: (tenantId, labels) => reach(() => this.cache.recordLabels(tenantId, labels)),
      labelsOf: (tenantId, paymentId) => reach(() => this.cache.labelsOf(tenantId, paymentId)),
    };
  }

  process(life: Life, more: Partial<ClaimedStoreOptions> = {}): ClaimedStore {
    return new ClaimedStore({
      cache: this.#cacheOf(life),
      append: (records) => life.step(() => this.topics.appendDecisions(records)),
      appendLabels: (_tenantId, labels) => life.step(() => Promise.resolve(void this.labels.push(...labels))),
      onAdopted: (records) => this.adopted.push(...records.map(({ paymentId }) => paymentId)),
      onFailure: () => {},
      waitedForMs: patientMs,
      unhurriedMs: patientMs,
      ...more,
    });
  }

  async decided(): Promise<DecisionRecord[]> {
    return (await readAll(this.topics, topics.decisions)).map(({ value }) => decodeRecord(value));
  }

  /** Each payment id is in the topic, with one content. */
  async expectWhole(answers: ReadonlyMap<string, unknown>): Promise<void> {
    const contents = new Map(ids.map((id) => [id, new Set<string>()]));
    for (const record of await this.decided()) contents.get(record.paymentId)?.add(JSON.stringify(plain(record)));
    for (const id of ids) expect([...(contents.get(id) ?? [])]).toEqual([JSON.stringify(answers.get(id))]);
  }
}

/** As the pipeline does it: what is decided is answered, the rest is decided and recorded. Undefined when the process died. */
async function deliver(world: World, variant: string, life: Life): Promise<Map<string, unknown> | undefined> {
  const store = world.process(life);
  const work = (async () => {
    const found = await store.lookup('default', ids);
    const answers = new Map<string, unknown>();
    const records = ids.flatMap((id, i) => (found[i] === undefined ? [recordOf(id, { variant })] : []));
    found.forEach((record) => record !== undefined && answers.set(record.paymentId, plain(record)));
    const outcomes = await store.record(records, noDeadlines(records), 1, []);
    await life.step(() => Promise.resolve(void world.committed.push(...commits)));
    for (const { winner } of outcomes) if (winner !== undefined) answers.set(winner.paymentId, plain(winner));
    return answers;
  })();
  const died = (async () => {
    // A dead process does not settle; it is known by its life.
    while (!life.over) await new Promise((resolve) => setImmediate(resolve));
    return undefined;
  })();
  return Promise.race([work.catch(() => undefined), died]);
}

const alive = (): Life => new Life(Number.MAX_SAFE_INTEGER);

describe('a crash', () => {
  // Lookup, claim, append, commit: two halves each; the mark goes on in the background.
  for (let halves = 0; halves <= 10; halves++) {
    test(`after ${halves} halves of steps is healed by whoever gets the payments next`, async () => {
      const world = new World();
      const first = new Life(halves);
      const before = await deliver(world, '-first', first);
      const second = alive();
      const after = await deliver(world, '-second', second);
      expect(after?.size).toBe(3);
      if (before !== undefined) expect([...(after ?? [])].sort()).toEqual([...before].sort());
      await world.expectWhole(after ?? new Map());
      expect(world.committed.at(-1)?.nextOffset).toBe(3);
    });
  }

  test('twice, and two processes that heal it at once, still leave one decision a payment', async () => {
    for (let halves = 0; halves <= 10; halves++) {
      const world = new World();
      for (const each of [halves, 10 - halves]) {
        const life = new Life(each);
        await deliver(world, `-${each}`, life);
      }
      const [one, other] = [alive(), alive()];
      const answers = await Promise.all([deliver(world, '-one', one), deliver(world, '-other', other)]);
      expect([...(answers[0] ?? [])].sort()).toEqual([...(answers[1] ?? [])].sort());
      await world.expectWhole(answers[0] ?? new Map());
    }
  });

  test('between a label and its memory appends the label again, never not at all', async () => {
    const label: Label = { paymentId: 'a', label: 'fraud', source: 'chargeback', labelledAtMs: 1 };
    for (let halves = 0; halves <= 6; halves++) {
      const world = new World();
      const life = new Life(halves);
      const died = (async () => {
        while (!life.over) await new Promise((resolve) => setImmediate(resolve));
      })();
      await Promise.race([
        world
          .process(life)
          .recordLabels('default', [label])
          .catch(() => {}),
        died,
      ]);
      await world.process(alive()).recordLabels('default', [label]);
      expect(new Set(world.labels.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(label)]));
      expect(await world.cache.labelsOf('default', 'a')).toEqual([label]);
    }
  });
});

describe('a topic that refuses', () => {
  test('leaves a claim that is answered by nobody until it is durable, and whose payment is put back', async () => {
    const world = new World();
    let refuse = true;
    const store = world.process(alive(), {
      append: (records) => (refuse ? Promise.reject(new Error('away')) : world.topics.appendDecisions(records)),
    });
    const records = ids.map((id) => recordOf(id));
    await expect(store.record(records, noDeadlines(records), 1, [])).rejects.toThrow('away');
    await expect(store.lookup('default', ['a'])).rejects.toThrow('away');
    refuse = false;
    expect((await store.lookup('default', ['a']))[0]).toBeDefined();
    expect(world.adopted).toEqual(['a']);
    const again = ids.map((id) => recordOf(id, { variant: '-again' }));
    const outcomes = await store.record(again, noDeadlines(again), 1, []);
    expect(outcomes.map(({ winner }) => plain(winner))).toEqual(records.map(plain));
    await world.expectWhole(new Map(records.map((record) => [record.paymentId, plain(record)])));
  });
});

test('positions are never taken for durable together with decisions', async () => {
  const store = new World().process(alive());
  await expect(store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, commits)).rejects.toThrow(TypeError);
});

describe('a cache that is away', () => {
  const away: DecisionCache = {
    lookup: () => Promise.reject(new Error('away')),
    claim: () => Promise.reject(new Error('away')),
    markPublished: () => Promise.reject(new Error('away')),
    recordLabels: () => Promise.reject(new Error('away')),
    labelsOf: () => Promise.reject(new Error('away')),
  };
  const switched = (world: World): { cache: DecisionCache; use(cache: DecisionCache): void } => {
    let used: DecisionCache = world.cache;
    return {
      cache: {
        lookup: (tenantId, paymentIds) => used.lookup(tenantId, paymentIds),
        claim: (records, write) => used.claim(records, write),
        markPublished: (records) => used.markPublished(records),
        recordLabels: (tenantId, labels) => used.recordLabels(tenantId, labels),
        labelsOf: (tenantId, paymentId) => used.labelsOf(tenantId, paymentId),
      },
      use: (cache) => {
        used = cache;
      },
    };
  };

  test('does not stop decisions: duplicates find their own, and the cache hears of them afterwards', async () => {
    const world = new World();
    const { cache, use } = switched(world);
    const store = world.process(alive(), { cache });
    use(away);
    const [first] = await store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, []);
    const [second] = await store.record([recordOf('a', { variant: '-2' })], [Number.POSITIVE_INFINITY], 1, []);
    expect([first?.status, second?.status]).toEqual(['recorded', 'existing']);
    expect(plain((await store.lookup('default', ['a']))[0])).toEqual(plain(recordOf('a')));
    expect((await world.decided()).map(({ paymentId }) => paymentId)).toEqual(['a']);
    use(world.cache);
    await store.record([recordOf('b')], [Number.POSITIVE_INFINITY], 1, []);
    await store.close();
    expect(store.state()).toMatchObject({ unclaimed: 0, dropped: 0, conflicts: 0 });
    const [claim] = await world.cache.lookup('default', ['a']);
    expect(claim?.published).toBe(true);
    expect(plain(claim?.record)).toEqual(plain(recordOf('a')));
  });

  test('hears of what it missed also when no payment comes any more', async () => {
    const world = new World();
    const { cache, use } = switched(world);
    const store = world.process(alive(), { cache });
    use(away);
    for (const id of ids) await store.record([recordOf(id)], [Number.POSITIVE_INFINITY], 1, []);
    // The lookups and claims of three payments are more failures than the cache is asked for.
    for (const id of ids) await store.lookup('default', [id]);
    expect(store.state()).toMatchObject({ cache: 'down', unclaimed: 3 });
    use(world.cache);
    await expect
      .poll(() => store.state(), { timeout: 20_000 })
      .toMatchObject({ cache: 'up', unclaimed: 0, conflicts: 0 });
    expect((await world.cache.lookup('default', ids)).map((claim) => claim?.published)).toEqual([true, true, true]);
  });

  test('and comes back empty has forgotten nothing that this process decided of late', async () => {
    const world = new World();
    const store = world.process(alive());
    await store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, []);
    await store.close();
    world.cache.empty();
    expect(plain((await store.lookup('default', ['a']))[0])).toEqual(plain(recordOf('a')));
  });

  test('keeps to its bound of what it remembers, and counts what the cache never heard of', async () => {
    const world = new World();
    const store = world.process(alive(), { cache: away, recentMax: 2 });
    const records = ids.map((id) => recordOf(id));
    await store.record(records, noDeadlines(records), 1, []);
    expect(store.state()).toMatchObject({ unclaimed: 2, dropped: 1 });
  });

  test('is not taken for one that has no decision, by those who must know', async () => {
    const world = new World();
    const { cache, use } = switched(world);
    const store = world.process(alive(), { cache });
    await store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, []);
    use(away);
    expect(await store.lookup('default', ['other'])).toEqual([undefined]);
    await expect(store.find('default', ['a', 'other'])).rejects.toThrow(DecisionsUnavailable);
    await expect(store.labelsOf('default', 'a')).rejects.toThrow(DecisionsUnavailable);
    // What this process decided itself, it knows.
    expect(plain((await store.find('default', ['a']))[0])).toEqual(plain(recordOf('a')));
    use(world.cache);
    expect(await store.find('default', ['other'])).toEqual([undefined]);
  });

  test('leaves what another has claimed meanwhile unpublished when its own decision reaches the topic', async () => {
    const world = new World();
    const { cache, use } = switched(world);
    const store = world.process(alive(), { cache });
    await world.cache.claim([recordOf('a', { variant: '-other' })], [true]);
    use({ ...away, markPublished: (records) => world.cache.markPublished(records) });
    await store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, []);
    expect(await world.cache.lookup('default', ['a'])).toMatchObject([{ published: false }]);
  });

  test('never answers its own decision because another of the same payment is durable', async () => {
    const world = new World();
    const { cache, use } = switched(world);
    let full = true;
    const append = (records: readonly DecisionRecord[]): Promise<void> =>
      full ? Promise.reject(new Error('no room')) : world.topics.appendDecisions(records);
    const store = world.process(alive(), { cache, append });
    use(away);
    await expect(store.record([recordOf('a')], [Number.POSITIVE_INFINITY], 1, [])).rejects.toThrow('no room');
    full = false;
    const other = recordOf('a', { variant: '-other' });
    await world.cache.claim([other], [true]);
    use(world.cache);
    expect((await store.lookup('default', ['a'])).map(plain)).toEqual([plain(other)]);
    use(away);
    const [answer] = await store.lookup('default', ['a']);
    expect((await world.decided()).map(plain)).toContainEqual(plain(answer));
  });

  test('writes no row whose deadline is over', async () => {
    const store = new World().process(alive(), { cache: away });
    const [outcome] = await store.record([recordOf('a')], [performance.now() - 1], 1, []);
    expect(outcome).toEqual({ status: 'expired', winner: undefined });
  });
});
