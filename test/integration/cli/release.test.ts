import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holdfast, repository } from '../../helpers/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-releases-'));
afterAll(() => rmSync(directory, { recursive: true }));
const environment = { HOLDFAST_DATA_DIR: join(directory, 'data') };
const run = (...args: string[]) => holdfast(args, environment);

describe('release build, show and diff', () => {
  test('a built release is listed, and shown by the beginning of its id', async () => {
    const built = await run('release', 'build', '--json');
    expect(built.code).toBe(0);
    const { id } = JSON.parse(built.stdout) as { id: string };
    expect(await run('release', 'show')).toMatchObject({ code: 0, stdout: `${id}\n` });
    const shown = await run('release', 'show', id.slice(0, 6));
    expect(JSON.parse(shown.stdout)).toMatchObject({ bundleVersion: 1, policy: {} });
    expect(await run('release', 'diff', id.slice(0, 8), join(repository, 'config/default'))).toMatchObject({
      code: 0,
      stdout: 'no difference\n',
    });
  });

  test('what is wrong with a release is a sentence with an exit code, never a stack trace', async () => {
    const broken = join(directory, 'broken');
    cpSync(join(repository, 'config/default'), broken, { recursive: true });
    writeFileSync(join(broken, 'lists.json'), '{"not-a-list": 1}');
    const outcomes = [
      [await run('release', 'build', broken), 1, /refused:\n {2}lists/],
      [await run('up', '--no-demo', '--release', broken), 1, /refused:\n {2}lists/],
      [await run('release', 'show', join(directory, 'absent')), 2, /no release directory/],
      [await run('up', '--no-demo', '--release', join(directory, 'absent')), 2, /no release directory/],
      [await run('release', 'diff', 'abcdef0', broken), 2, /begins with abcdef0/],
    ] as const;
    for (const [{ code, stderr }, expected, message] of outcomes) {
      expect([code, stderr]).toEqual([expected, expect.stringMatching(message)]);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });
});
