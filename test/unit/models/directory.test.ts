// Guarantee: a model written to a directory is read back as it was, byte for byte, and a broken directory is a clear refusal.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { randomArtefact } from '../../../bench/fixtures/randomModel.ts';
import { readModelDirectory, writeModelDirectory } from '../../../src/models/directory.ts';
import { modelVersion } from '../../../src/models/version.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-model-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('written, read, the same; no other file is left', async () => {
  // 20-64-32-1 is small enough for Buffer's shared pool: a view of the pool instead of a copy would show here.
  for (const seed of [1, 2, 3]) {
    const artefact = randomArtefact(['a', 'b', 'c'], seed, [5]);
    await writeModelDirectory(directory, artefact);
    const read = await readModelDirectory(directory);
    expect(read).toEqual(artefact);
    expect(modelVersion(read)).toBe(modelVersion(artefact));
  }
  expect((await readdir(directory)).sort()).toEqual(['card.json', 'model.json', 'weights.bin']);
});

test.each([
  ['no such file', async () => rm(join(directory, 'model.json')), /model\.json cannot be read/],
  ['not JSON', async () => writeFile(join(directory, 'card.json'), '{'), /card\.json is not JSON/],
  ['another format', async () => writeFile(join(directory, 'model.json'), '{}'), /not TF.js's layers format/],
  ['no weights', async () => rm(join(directory, 'weights.bin')), /weights\.bin cannot be read/],
  [
    'weights outside the directory',
    async () =>
      writeFile(
        join(directory, 'model.json'),
        '{"modelTopology":{},"weightsManifest":[{"paths":["../x"],"weights":[]}]}',
      ),
    /only a plain file name/,
  ],
])('refused: %s', async (_, spoil, message) => {
  await writeModelDirectory(directory, randomArtefact(['a'], 1, []));
  await spoil();
  await expect(readModelDirectory(directory)).rejects.toMatchObject({
    name: 'ModelError',
    code: 'model_unreadable',
    message: expect.stringMatching(message),
  });
});
