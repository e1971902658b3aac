import type { RuleProblem } from './problem.ts';
import { ProblemSink } from './problem.ts';
import type { ConditionContext } from './lintConditions.ts';
import { lintConditions } from './lintConditions.ts';
import { lintEnvelope } from './lintEnvelope.ts';
import { conditionsPerReleaseMax, rulesMax } from './limits.ts';
import { conditionsOf, isRecord, parseConditions } from './parse.ts';
import { toPredicate } from './predicate.ts';
import { findCertainties } from './satisfiable.ts';

export type { RuleProblem } from './problem.ts';

export interface LintContext {
  /** Names of the release's features. */
  readonly features: readonly string[];
  /** Names of the release's lists. */
  readonly lists: readonly string[];
}

function lintCertainties(conditions: unknown, isFeature: (name: string) => boolean, sink: ProblemSink): void {
  for (const { pointer, always, subject } of findCertainties(parseConditions(conditions), (condition) =>
    toPredicate(condition, isFeature),
  )) {
    if (always) sink.add(pointer, 'always_true', `is always true: every value that ${subject} can have meets it`);
    else sink.add(pointer, 'impossible', `can never be true: no value that ${subject} can have meets it`);
  }
}

function lintRule(rule: unknown, index: number, known: ConditionContext, problems: RuleProblem[]): number {
  const name = isRecord(rule) && typeof rule['name'] === 'string' ? rule['name'] : `(rule ${index})`;
  const sink = new ProblemSink(name, `/${index}`, problems);
  const { isFeature } = known;
  if (!isRecord(rule)) {
    sink.add('', 'malformed', 'a rule must be an object');
    return 0;
  }
  lintEnvelope(rule, isFeature, sink);
  const before = sink.count;
  lintConditions(rule['conditions'], known, sink);
  if (sink.count > before) return 0;
  lintCertainties(rule['conditions'], isFeature, sink);
  return [...conditionsOf(parseConditions(rule['conditions']))].length;
}

function lintDuplicates(rules: readonly unknown[], problems: RuleProblem[]): void {
  const seen = new Map<string, number>();
  rules.forEach((rule, index) => {
    const name = isRecord(rule) ? rule['name'] : undefined;
    if (typeof name !== 'string') return;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    else new ProblemSink(name, `/${index}`, problems).add('/name', 'duplicate_id', `is the id of rule ${first} too`);
  });
}

/**
 * Everything wrong with the rules of a release. An empty array means that they compile, that json-rules-engine loads
 * them, and that no `path` in them can reach jsonpath.
 * @param rules the parsed JSON of rules.json: an array of rules.
 */
export function lintRules(rules: unknown, known: LintContext): readonly RuleProblem[] {
  const problems: RuleProblem[] = [];
  const whole = new ProblemSink('(rules)', '', problems);
  if (!Array.isArray(rules)) {
    whole.add('', 'malformed', 'the rules must be an array');
    return problems;
  }
  if (rules.length > rulesMax) {
    whole.add('', 'too_many', `are ${rules.length}; at most ${rulesMax} are allowed`);
    return problems;
  }
  const features = new Set(known.features);
  const context: ConditionContext = { isFeature: (name) => features.has(name), lists: new Set(known.lists) };
  let conditions = 0;
  rules.forEach((rule: unknown, index) => {
    conditions += lintRule(rule, index, context, problems);
  });
  if (conditions > conditionsPerReleaseMax) {
    whole.add('', 'too_many', `have ${conditions} conditions; at most ${conditionsPerReleaseMax} are allowed`);
  }
  lintDuplicates(rules, problems);
  return problems;
}
