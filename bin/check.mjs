/**
 * `npm run check`: types, lint, format, dead code, import directions, generated files, known vulnerabilities. Two checks at a time;
 * each prints one line, and everything it said where it fails. `npm run check -- lint types` runs those alone.
 */
import { spawn } from 'node:child_process';
import { childEnvironment, ensureInstalled, nodePath, root } from './bootstrap.mjs';

const parallelMax = 2;
const sources = ['src', 'workers', 'bench', 'test', 'scripts', 'bin'];
const tool = (path, ...args) => [nodePath(), [`node_modules/${path}`, ...args]];

ensureInstalled();
const checks = [
  { name: 'types', command: tool('typescript/bin/tsc', '--noEmit', '-p', '.') },
  { name: 'lint', command: tool('eslint/bin/eslint.js', '.') },
  { name: 'format', command: tool('@biomejs/biome/bin/biome', 'format', '.') },
  { name: 'dead-code', command: tool('knip/bin/knip.js', '--no-progress') },
  {
    name: 'imports',
    command: tool('dependency-cruiser/bin/dependency-cruise.mjs', ...sources, '--config', '.dependency-cruiser.mjs'),
  },
  { name: 'generated', command: [nodePath(), ['scripts/generate.ts', '--check']] },
  { name: 'audit', command: ['npm', ['audit', '--audit-level=high', '--json']], judge: judgeAudit },
];

/** @returns the exit code and all output of a command */
function capture([command, args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: childEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (out.stdout += chunk));
    child.stderr.on('data', (chunk) => (out.stderr += chunk));
    child.on('error', (error) => resolve({ ...out, code: 1, stderr: error.message }));
    child.on('close', (code) => resolve({ ...out, code: code ?? 1 }));
  });
}

/** The advisory service cannot be reached from everywhere; then nothing is known, which is said and is not a pass. */
function judgeAudit(result) {
  let report;
  try {
    report = JSON.parse(result.stdout);
  } catch {
    return { verdict: 'not reachable' };
  }
  const counts = report.metadata?.vulnerabilities;
  if (counts === undefined) return { verdict: 'not reachable', detail: report.message ?? report.error?.summary };
  if (result.code === 0) return { verdict: 'ok' };
  const names = Object.entries(report.vulnerabilities).map(([name, entry]) => `${name} (${entry.severity})`);
  return { verdict: 'FAILED', detail: names.join(', ') };
}

function judge(result) {
  return result.code === 0
    ? { verdict: 'ok' }
    : { verdict: 'FAILED', detail: `${result.stdout}${result.stderr}`.trimEnd() };
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no check is called ${unknown.join(', ')}; there are ${checks.map((check) => check.name).join(', ')}\n`,
  );
  process.exit(2);
}
const queue = checks.filter((check) => named.length === 0 || named.includes(check.name));
const failed = [];

async function work() {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const startedAt = Date.now();
    const result = await capture(check.command);
    const { verdict, detail } = (check.judge ?? judge)(result);
    if (verdict === 'FAILED') failed.push(check.name);
    process.stdout.write(`${check.name.padEnd(10)} ${verdict} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
    if (detail) process.stdout.write(`${detail}\n`);
  }
}

await Promise.all(Array.from({ length: parallelMax }, work));
process.stdout.write(failed.length === 0 ? 'all checks passed\n' : `failed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
