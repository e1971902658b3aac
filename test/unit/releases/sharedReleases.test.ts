/** Guarantee: a release that one process put on the shelf explains its decisions everywhere, and nothing altered is taken for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { releaseId } from '../../../src/releases/bundle.ts';
import { type ReleaseShelf, ReleaseUnknown, SharedReleases } from '../../../src/releases/sharedReleases.ts';
import { ReleaseStore } from '../../../src/releases/store.ts';
import { defaultBundle } from '../../helpers/models.ts';

class Shelf implements ReleaseShelf {
  readonly kept = new Map<string, string>();
  away = false;
  asked = 0;

  async findRelease(id: string): Promise<string | undefined> {
    this.asked++;
    if (this.away) throw new Error('away');
    return this.kept.get(id);
  }

  async keepRelease(id: string, release: string): Promise<void> {
    if (this.away) throw new Error('away');
    this.kept.set(id, release);
  }
}

const unknownId = '0'.repeat(64);
let directory: string;
let shelf: Shelf;
let own: ReleaseStore;
let others: SharedReleases;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-shelf-'));
  shelf = new Shelf();
  own = new ReleaseStore(join(directory, 'own'));
  others = new SharedReleases(new ReleaseStore(join(directory, 'other')), shelf);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('releases that processes keep for each other', () => {
  it('are found by all, fetched once, and kept from then on', async () => {
    const { id, features } = await own.add(await defaultBundle());
    new SharedReleases(own, shelf).keep(id, () => {});
    const [first, second] = await Promise.all([others.compiled(id), others.compiled(id)]);
    expect([first.id, first]).toEqual([id, second]);
    expect(await others.namesOf(id)).toEqual(features.names);
    shelf.away = true;
    expect((await others.compiled(id)).id).toBe(id);
    expect(shelf.asked).toBe(1);
  });

  it('are unknown where nobody has put them, or only something else', async () => {
    const { id } = await own.add(await defaultBundle());
    await expect(others.compiled(unknownId)).rejects.toBeInstanceOf(ReleaseUnknown);
    expect(await others.namesOf(unknownId)).toEqual([]);
    for (const altered of ['', '{}', own.text(id).replace('"version":', '"version" :').replace('EUR', 'USD')]) {
      shelf.kept.set(unknownId, altered);
      await expect(others.compiled(unknownId)).rejects.toThrow(/altered/);
    }
    shelf.away = true;
    await expect(others.compiled(unknownId)).rejects.toThrow('away');
  });

  it('are unknown, and wait for nothing, where this version cannot compile them', async () => {
    const bundle = { ...(await defaultBundle()), features: { version: 99 } };
    const id = releaseId(bundle);
    shelf.kept.set(id, JSON.stringify({ id, featureNames: [], bundle }));
    await expect(others.compiled(id)).rejects.toThrow(/cannot be used/);
    expect(await others.namesOf(id)).toEqual([]);
  });

  it('get there as soon as the shelf takes them', async () => {
    const { id } = await own.add(await defaultBundle());
    shelf.away = true;
    const failures: unknown[] = [];
    const stop = new SharedReleases(own, shelf).keep(id, (error) => failures.push(error), 5);
    await vi.waitFor(() => expect(failures.length).toBeGreaterThan(1));
    shelf.away = false;
    await vi.waitFor(() => expect(shelf.kept.has(id)).toBe(true));
    stop();
  });
});
