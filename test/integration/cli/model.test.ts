// Guarantee: models are kept, listed and promoted from the command line; every change of a release is a new release, and the
// files of the old ones stay as they are, to the byte.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { writeModelDirectory } from '../../../src/models/directory.ts';
import { modelVersion } from '../../../src/models/version.ts';
import { holdfast } from '../../helpers/cli.ts';
import { defaultBundle, modelOf, shifted } from '../../helpers/models.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-model-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));
const data = join(directory, 'data');
const run = (...args: string[]) => holdfast(['model', ...args], { HOLDFAST_DATA_DIR: data });
const champion = modelOf(await defaultBundle());
const bold = shifted(champion, 'bold', 1);

function stored(): ReadonlyMap<string, string> {
  const folder = join(data, 'releases');
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

interface Changed {
  readonly release: string;
  readonly from: string;
  readonly champion: { readonly version: string };
  readonly challengers: readonly { readonly version: string }[];
}

describe('holdfast model', () => {
  test('adds a challenger, promotes it and keeps the champion of before, each time as a new release', async () => {
    const folder = join(directory, 'bold');
    await writeModelDirectory(folder, bold);
    const added = await run('challenge', folder, '--json');
    const first = JSON.parse(added.stdout) as Changed;
    expect(first.challengers.map(({ version }) => version)).toEqual([modelVersion(bold)]);
    const before = stored();
    expect([...before.keys()].sort()).toEqual([`${first.from}.json`, `${first.release}.json`].sort());
    const promotion = await run(
      'promote',
      'bold',
      '--release',
      first.release.slice(0, 10),
      '--keep-champion',
      '--json',
    );
    const second = JSON.parse(promotion.stdout) as Changed;
    expect(second).toMatchObject({ from: first.release, champion: { version: modelVersion(bold) } });
    expect(second.challengers.map(({ version }) => version)).toEqual([modelVersion(champion)]);
    const after = stored();
    expect(after.size).toBe(3);
    for (const [name, content] of before) expect(after.get(name)).toBe(content);
    const list = JSON.parse((await run('list', '--json')).stdout) as { id: string; releases: unknown[] }[];
    expect(list.map(({ id, releases }) => [id, releases.length]).sort()).toEqual([
      ['bold', 2],
      ['handbook-mlp', 3],
    ]);
  });

  test('says in a sentence what cannot be', async () => {
    const outcomes = [
      [await run('show', 'nobody'), 2, /No model is called nobody/],
      [await run('add', join(directory, 'absent')), 1, /no model that can be used/],
      [await run('promote', 'handbook-mlp'), 2, /is so already/],
    ] as const;
    for (const [{ code, stderr }, expected, message] of outcomes) {
      expect([code, stderr]).toEqual([expected, expect.stringMatching(message)]);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });
});
