import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holdfast, repository } from '../../helpers/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-rules-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A copy of the default release with one file changed. */
function changed(name: string, file: string, change: (text: string) => string): string {
  const copy = join(directory, name);
  cpSync(join(repository, 'config/default'), copy, { recursive: true });
  writeFileSync(join(copy, file), change(readFileSync(join(copy, file), 'utf8')));
  return copy;
}

describe('rules lint and rules test judge a release directory', () => {
  test('the default release has nothing wrong, and every rule has examples that hold', async () => {
    expect(await holdfast(['rules', 'lint'])).toMatchObject({ code: 0 });
    const { code, stdout } = await holdfast(['rules', 'test', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ failed: 0, withoutFiringCase: [], withoutQuietCase: [] });
  });

  test('an unknown fact is a failure (1) that names rule and position', async () => {
    const copy = changed('fact', 'rules.json', (text) => text.replace('"fact": "', '"fact": "no.such.'));
    const { code, stdout } = await holdfast(['rules', 'lint', copy, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).problems[0]).toMatchObject({
      pointer: expect.stringContaining('/'),
      message: expect.stringContaining('no.such.'),
    });
  });

  test('an example that no longer holds is a failure (1) that says which', async () => {
    const copy = changed('case', 'rules-cases.json', (text) => text.replace('"fires": true', '"fires": false'));
    const { code, stdout } = await holdfast(['rules', 'test', copy]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/fires and should not/);
  });

  test('a directory without rules is wrong usage (2)', async () => {
    expect(await holdfast(['rules', 'lint', directory])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(directory),
    });
  });
});
