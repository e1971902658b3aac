// Guarantee: a model in the registry and a release in its store never change; another champion or challenger is another
// release; and a release without challengers is what it always was, id included.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Compile } from 'typebox/compile';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { modelVersion } from '../../../src/models/version.ts';
import { releaseId } from '../../../src/releases/bundle.ts';
import { compileRelease, ReleaseRefused } from '../../../src/releases/compile.ts';
import { diffReleases } from '../../../src/releases/diff.ts';
import { ModelStore } from '../../../src/releases/models.ts';
import { challenged, promoted, withdrawn } from '../../../src/releases/promotion.ts';
import { releaseSchema } from '../../../src/releases/schema.ts';
import { ReleaseStore } from '../../../src/releases/store.ts';
import { defaultBundle, modelOf, shifted } from '../../helpers/models.ts';

const bundle = await defaultBundle();
const champion = modelOf(bundle);
const others = [0.5, -0.5, 1, 2].map((by, i) => shifted(champion, `other-${i}`, by));
const [first, second, third, fourth] = others as [typeof champion, typeof champion, typeof champion, typeof champion];
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-models-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('challengers of a release', () => {
  it('are absent where there are none: the bundle and its id are those of before', () => {
    const added = challenged(bundle, first);
    expect(releaseId(added)).not.toBe(releaseId(bundle));
    const back = withdrawn(added, first);
    expect(Object.keys(back)).not.toContain('challengers');
    expect(releaseId(back)).toBe(releaseId(bundle));
    expect(Compile(releaseSchema).Errors(added)).toEqual([]);
  });

  it('leave the compiled release as it is: same layout, same model, nothing of theirs in it', async () => {
    const [alone, among] = await Promise.all([compileRelease(bundle), compileRelease(challenged(bundle, first))]);
    expect(among.layout).toEqual(alone.layout);
    expect(among.model?.version).toBe(alone.model?.version);
  });

  it('are refused beyond three, twice, without a champion, as an empty list, or with inputs that the release lacks', async () => {
    const odd = {
      ...first,
      card: {
        ...first.card,
        inputs: first.card.inputs.with(0, { fact: 'no.such.fact', transform: 'none' as const, missing: 0 }),
      },
    };
    const refused = [
      [{ ...bundle, challengers: others }, /1 to 3/],
      [{ ...bundle, challengers: [] }, /1 to 3/],
      [{ ...bundle, challengers: [first, first] }, /named twice/],
      [{ ...bundle, challengers: [champion] }, /named twice/],
      [{ ...bundle, model: null, challengers: [first] }, /no champion/],
      [{ ...bundle, challengers: [{} as typeof first] }, /no model/],
      [{ ...bundle, challengers: [odd] }, /no\.such\.fact/],
    ] as const;
    const store = new ReleaseStore(directory);
    for (const [given, message] of refused) {
      const outcome = store.add(given);
      await expect(outcome).rejects.toThrow(ReleaseRefused);
      await expect(outcome).rejects.toThrow(message);
    }
    expect(store.ids()).toEqual([]);
  });
});

describe('promotion', () => {
  it('makes a new release, and leaves the bytes of the old one and of every model untouched', async () => {
    const store = new ReleaseStore(directory);
    const before = await store.add(challenged(challenged(bundle, first), second));
    const files = () => {
      const all = ['releases', 'models'].flatMap((room) =>
        readdirSync(join(directory, room)).map((name) => join(directory, room, name)),
      );
      return new Map(all.map((path) => [path, readFileSync(path, 'utf8')]));
    };
    const old = files();
    const after = await store.add(promoted(before.bundle, second, true));
    expect(after.id).not.toBe(before.id);
    expect(after.model?.version).toBe(modelVersion(second));
    expect(after.bundle.challengers?.map(modelVersion)).toEqual([champion, first].map(modelVersion));
    for (const [path, content] of old) expect(files().get(path)).toBe(content);
    expect(files().size).toBe(old.size + 1);
    expect(store.read(before.id).bundle).toEqual(before.bundle);
    expect(diffReleases(before.bundle, after.bundle).map(({ part }) => part)).toContain('challengers');
    expect(promoted(before.bundle, third, false).challengers?.length).toBe(2);
    expect(() => promoted(bundle, fourth, false).challengers).not.toThrow();
    expect(promoted(bundle, fourth, false).challengers).toBeUndefined();
  });
});

describe('the registry', () => {
  it('keeps each model once, finds it by id, version and key, and refuses one whose bytes were altered', () => {
    const store = new ModelStore(directory);
    expect(store.keys()).toEqual([]);
    const kept = store.add(first);
    expect(store.add(first)).toEqual(kept);
    const recarded = store.add({ ...first, card: { ...first.card, note: 'another card' } });
    expect(recarded.version).toBe(kept.version);
    expect(recarded.key).not.toBe(kept.key);
    expect(store.keys()).toEqual([kept.key, recarded.key].sort());
    expect(store.find(kept.key.slice(0, 10)).map(({ key }) => key)).toEqual([kept.key]);
    expect(store.find('other-0').length).toBe(2);
    expect(store.find(kept.version.slice(0, 10)).length).toBe(2);
    const path = join(directory, 'models', `${kept.key}.json`);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"other-0"', '"other-9"'));
    expect(() => store.read(kept.key)).toThrow(/altered on disk/);
    writeFileSync(path, 'torn');
    expect(() => store.read(kept.key)).toThrow(/altered on disk/);
  });
});
