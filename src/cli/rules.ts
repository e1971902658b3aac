/** `holdfast rules lint|test`: what is wrong with the rules of a release directory, and whether its examples hold. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { failed, wrongUsage } from '../config/exit.ts';
import { lintFeatures } from '../features/lint.ts';
import { compileFeatures } from '../features/program.ts';
import { type RuleCasesReport, runRuleCases } from '../rules/cases.ts';
import { lintRules } from '../rules/lint.ts';
import { compileLists, lintLists } from '../rules/lists.ts';

const defaultDirectory = resolve(import.meta.dirname, '../../config/default');

interface Parts {
  readonly rules: unknown;
  readonly features: readonly string[];
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Rules can only be judged with the features and lists that they name. */
function readParts(directory: string): Parts {
  const lists = readJson(join(directory, 'lists.json'));
  const listProblems = lintLists(lists);
  if (listProblems.length > 0) {
    throw failed(listProblems.map(({ pointer, message }) => `lists.json ${pointer}: ${message}`).join('\n'));
  }
  const features = readJson(join(directory, 'features.json'));
  const featureLint = lintFeatures(features);
  if (!featureLint.ok) {
    throw failed(featureLint.problems.map(({ pointer, message }) => `features.json ${pointer}: ${message}`).join('\n'));
  }
  return {
    rules: readJson(join(directory, 'rules.json')),
    features: compileFeatures(features).names,
    lists: compileLists(lists),
  };
}

function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(document) : text}\n`);
}

function lint(directory: string, options: { json: boolean }): void {
  const { rules, features, lists } = readParts(directory);
  const problems = lintRules(rules, { features, lists: [...lists.keys()] });
  const count = Array.isArray(rules) ? rules.length : 0;
  const text =
    problems.length === 0 ? `${count} rules, nothing wrong` : problems.map(({ message }) => message).join('\n');
  print(options.json, { rules: count, problems }, text);
  if (problems.length > 0) process.exitCode = failed('').exitCode;
}

function reportText(report: RuleCasesReport): string {
  const lines = report.results.filter((result) => !result.passed).map(({ name, message }) => `${name}: ${message}`);
  for (const id of report.withoutFiringCase) lines.push(`${id}: no case fires it`);
  for (const id of report.withoutQuietCase) lines.push(`${id}: no case leaves it quiet`);
  return [...lines, `${report.passed} cases passed, ${report.failed} failed`].join('\n');
}

function test(directory: string, options: { json: boolean; cases?: string }): void {
  const { rules, features, lists } = readParts(directory);
  if (!Array.isArray(rules)) throw failed('rules.json must hold a list of rules');
  const report = runRuleCases(rules, readJson(options.cases ?? join(directory, 'rules-cases.json')), {
    features,
    lists,
  });
  if ('problems' in report) throw failed(report.problems.join('\n'));
  print(options.json, report, reportText(report));
  const complete = report.withoutFiringCase.length === 0 && report.withoutQuietCase.length === 0;
  if (report.failed > 0 || !complete) process.exitCode = failed('').exitCode;
}

export function rulesCommand(): Command {
  const directory = ['[directory]', 'release directory', defaultDirectory] as const;
  return new Command('rules')
    .addCommand(
      new Command('lint')
        .description('report unknown facts, wrong types, impossible conditions and bounds passed')
        .argument(...directory)
        .option('--json', 'print the problems as one JSON document', false)
        .action(lint),
    )
    .addCommand(
      new Command('test')
        .description('run the examples of each rule: facts with which it fires, and with which it does not')
        .argument(...directory)
        .option('--cases <file>', 'the examples; default: rules-cases.json in the directory')
        .option('--json', 'print the report as one JSON document', false)
        .action(test),
    );
}
