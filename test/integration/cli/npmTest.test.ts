import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Finished, repository, runProgram } from '../../helpers/cli.ts';

const directory = mkdtempSync(join(repository, 'node_modules', '.holdfast-npm-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs bin/test.mjs on a project of its own with one test file. */
async function npmTest(name: string, body: string): Promise<Finished> {
  const root = join(directory, name);
  mkdirSync(root);
  writeFileSync(join(root, 'vitest.config.mjs'), "export default { test: { include: ['*.test.js'] } };");
  writeFileSync(join(root, 'one.test.js'), `import { expect, test } from 'vitest';\n${body}`);
  return runProgram(['bin/test.mjs', '--root', root, '--config', join(root, 'vitest.config.mjs')], {
    TMPDIR: tmpdir(),
  });
}
const lastLine = ({ stdout }: Finished): string => stdout.slice(stdout.trimEnd().lastIndexOf('\n') + 1);

describe('npm test ends with exactly one line of counts and exits 1 on a failure', () => {
  test('passed and skipped tests: exit 0', async () => {
    const result = await npmTest(
      'good',
      "test('a', () => {}); test('b', () => {}); test.skip('c', () => {}); test.todo('d');",
    );
    expect([result.code, lastLine(result)]).toEqual([0, '2 passed, 0 failed, 2 skipped\n']);
  });

  test('a failed test: exit 1', async () => {
    const result = await npmTest('bad', "test('a', () => {}); test('b', () => expect(1).toBe(2));");
    expect([result.code, lastLine(result)]).toEqual([1, '1 passed, 1 failed, 0 skipped\n']);
  });

  test('a file that does not load is a failure', async () => {
    const result = await npmTest('broken', "throw new Error('at load');");
    expect([result.code, lastLine(result)]).toEqual([1, '0 passed, 1 failed, 0 skipped\n']);
  });

  test('an error outside of every test is a failure', async () => {
    const result = await npmTest('stray', "test('a', () => { void Promise.reject(new Error('stray')); });");
    expect([result.code, lastLine(result)]).toEqual([1, '1 passed, 1 failed, 0 skipped\n']);
  });
});
