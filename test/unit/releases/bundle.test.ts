import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Compile } from 'typebox/compile';
import type { ReleaseBundle } from '../../../src/releases/bundle.ts';
import { releaseId } from '../../../src/releases/bundle.ts';
import { compileRelease, ReleaseRefused } from '../../../src/releases/compile.ts';
import { diffReleases } from '../../../src/releases/diff.ts';
import { releaseSchema } from '../../../src/releases/schema.ts';
import { readReleaseDirectory, ReleaseStore } from '../../../src/releases/store.ts';

const bundle = await readReleaseDirectory(resolve(import.meta.dirname, '../../../config/default'));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-release-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('a release', () => {
  it('is valid by its published schema: the default one is, and one that lacks a part or has one too many is not', () => {
    const schema = Compile(releaseSchema);
    expect(schema.Errors(bundle)).toEqual([]);
    for (const part of releaseSchema.required) {
      const without = Object.fromEntries(Object.entries(bundle).filter(([name]) => name !== part));
      expect([part, schema.Check(without)]).toEqual([part, false]);
    }
    expect(schema.Check({ ...bundle, extra: 1 })).toBe(false);
    expect(schema.Check({ ...bundle, rules: [{ name: 'R-1' }] })).toBe(false);
  });

  it('has an id that depends on its content alone, not on the order of keys', () => {
    const reordered = Object.fromEntries(Object.entries(bundle).reverse()) as unknown as typeof bundle;
    expect(releaseId(reordered)).toBe(releaseId(bundle));
    expect(releaseId({ ...bundle, rules: bundle.rules.slice(1) })).not.toBe(releaseId(bundle));
  });

  it('is read back as it was stored, and refused once its bytes were altered', async () => {
    const store = new ReleaseStore(directory);
    const { id } = await store.add(bundle);
    expect(store.ids()).toEqual([id]);
    expect(new ReleaseStore(directory).read(id).bundle).toEqual(bundle);
    const path = join(directory, 'releases', `${id}.json`);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"weight":0.', '"weight":0.1'));
    expect(() => new ReleaseStore(directory).read(id)).toThrow(/altered on disk/);
  });

  it('is refused whole where a rule names a fact that does not exist, and the message names rule and place', async () => {
    const rules = structuredClone(bundle.rules) as { conditions: unknown }[];
    (rules[0] as { conditions: unknown }).conditions = { all: [{ fact: 'nonsense', operator: 'equal', value: 1 }] };
    const refusal = compileRelease({ ...bundle, rules });
    await expect(refusal).rejects.toThrow(ReleaseRefused);
    await expect(refusal).rejects.toThrow(/nonsense/);
  });

  it('is refused with a problem, never with a crash, where its features or its model do not fit', async () => {
    const { model } = bundle;
    if (model === null) throw new Error('the default release has a model');
    const [first, ...inputs] = model.card.inputs;
    if (first === undefined) throw new Error('the default model has inputs');
    const withInputs = (list: unknown) => ({
      ...bundle,
      model: { ...model, card: { ...model.card, inputs: list as typeof inputs } },
    });
    const misfits: readonly [ReleaseBundle, RegExp][] = [
      [{ ...bundle, features: { version: 9 } }, /features [^]*version/],
      [withInputs([{ ...first, fact: 'nope' }, ...inputs]), /model: its input "nope"/],
      [withInputs([{ ...first, fact: 'inList:nope' }, ...inputs]), /model: its input/],
      [withInputs(inputs), /model: /],
      [withInputs('x'), /model: /],
      [{ ...bundle, model: { ...model, weightData: '' } }, /model: /],
    ];
    for (const [misfit, message] of misfits) {
      const refusal = compileRelease(misfit);
      await expect(refusal).rejects.toThrow(ReleaseRefused);
      await expect(refusal).rejects.toThrow(message);
    }
  });

  it('differs from another by named rules, lists and policy parts', () => {
    const [first, ...others] = structuredClone(bundle.rules) as { name: string; priority?: number }[];
    if (first === undefined) throw new Error('the default release has rules');
    const changed = { ...bundle, rules: [{ ...first, priority: 99 }, ...others.slice(1)] };
    const changes = diffReleases(bundle, changed).map(({ part, change, name }) => `${change} ${part} ${name}`);
    expect(changes.sort()).toEqual([`changed rules ${first.name}`, `removed rules ${others[0]?.name ?? ''}`]);
    expect(diffReleases(bundle, bundle)).toEqual([]);
  });
});
