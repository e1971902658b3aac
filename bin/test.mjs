/**
 * `npm test`: installs what is missing, runs every test (or those named: `npm test -- test/unit/cli`), and ends with exactly one
 * line `N passed, N failed, N skipped`. Exits 1 on a failure. A file that cannot be loaded and an error outside of a test each count as one failure.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, nodePath, run } from './bootstrap.mjs';

/** @returns passed, failed and skipped tests of a vitest JSON report */
function count(report, exitCode) {
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

ensureInstalled();
// Kafka and Redis for the tests that need them. Where they cannot be had those tests say so, each by its name.
// And TF.js's native backend for those that train and score with it. What is installed stays for the next run.
if (process.env.TEST_SERVICES_SOCKET === undefined) {
  await run(nodePath(), ['scripts/services.ts', 'install']);
  await run(nodePath(), ['scripts/setupTfjsNode.ts']);
}
const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
const reportPath = join(directory, 'report.json');
const exitCode = await run(nodePath(), [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${reportPath}`,
  ...process.argv.slice(2),
]);
let counts = { passed: 0, failed: 1, skipped: 0 };
try {
  counts = count(JSON.parse(readFileSync(reportPath, 'utf8')), exitCode);
} catch (error) {
  process.stderr.write(`The test runner left no report (exit code ${exitCode}): ${error.message}\n`);
}
rmSync(directory, { recursive: true, force: true });
process.exitCode = counts.failed === 0 ? 0 : 1;
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
