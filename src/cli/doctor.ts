/** `holdfast doctor`: checks every dependency and says what is wrong and what to do. */
import { Command } from 'commander';
import { parseEnvironment } from '../config/env.ts';
import { type ExitCode, exitCodes } from '../config/exit.ts';
import { type Check, type CheckResult, checks } from './doctor/checks.ts';

interface NamedResult extends CheckResult {
  readonly name: string;
}

/** Checks go on after one that fails: the point is the whole list. */
async function runCheck(check: Check, environment: Parameters<Check['run']>[0]): Promise<CheckResult> {
  try {
    return await check.run(environment);
  } catch (error) {
    return {
      ok: false,
      detail: error instanceof Error ? error.message : String(error),
      remedy: 'This check itself failed; please report it.',
    };
  }
}

/** A dependency out of reach outranks wrong configuration, which outranks the rest. */
const worst = (codes: readonly ExitCode[]): ExitCode => codes.reduce((a, b) => (b > a ? b : a), exitCodes.done);

async function diagnose(): Promise<{ results: NamedResult[]; exitCode: ExitCode }> {
  const parsed = parseEnvironment(process.env);
  const sentences = parsed.ok ? parsed.unsupported : parsed.problems;
  const results: NamedResult[] = [
    sentences.length === 0
      ? { name: 'environment', ok: true, detail: 'every setting is known and valid' }
      : {
          name: 'environment',
          ok: false,
          detail: sentences.join(' '),
          remedy: 'Correct it; docs/environment.md lists every setting.',
        },
  ];
  const codes: ExitCode[] = sentences.length === 0 ? [] : [exitCodes.usage];
  // With a broken environment the defaults say nothing about what is meant; the rest would only confuse.
  if (!parsed.ok) return { results, exitCode: worst(codes) };
  for (const check of checks) {
    const result = await runCheck(check, parsed.environment);
    results.push({ name: check.name, ...result });
    if (!result.ok) codes.push(check.exitCode);
  }
  return { results, exitCode: worst(codes) };
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .option('--json', 'print the findings as one JSON document', false)
    .action(async (options: { json: boolean }) => {
      const { results, exitCode } = await diagnose();
      process.exitCode = exitCode;
      if (options.json) {
        process.stdout.write(`${JSON.stringify({ ok: exitCode === exitCodes.done, checks: results })}\n`);
        return;
      }
      for (const { name, ok, detail, remedy } of results) {
        process.stdout.write(`${ok ? 'ok    ' : 'WRONG '} ${name.padEnd(15)} ${detail}\n`);
        if (!ok && remedy !== undefined) process.stdout.write(`${' '.repeat(23)}→ ${remedy}\n`);
      }
    });
}
