import { factKind } from './facts.ts';
import { ruleIdPattern, rulePriorityMax, ruleTextLengthMax, ruleVersionMax } from './limits.ts';
import { isRecord } from './parse.ts';
import type { ProblemSink } from './problem.ts';
import { escapePointer, quote } from './problem.ts';
import { parseText } from './text.ts';

const idPattern = new RegExp(ruleIdPattern);
/** json-rules-engine emits the type on an event emitter, where an unheard `error` throws. */
const eventTypePattern = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
const outcomes = ['score', 'hold', 'allow'];

export function lintKeys(
  value: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
  pointer: string,
  sink: ProblemSink,
): void {
  for (const key of Object.keys(value)) {
    if (allowed.includes(key)) continue;
    sink.add(`${pointer}/${escapePointer(key)}`, 'unknown_key', `is not known here; known: ${allowed.join(', ')}`);
  }
}

export function lintPriority(value: unknown, pointer: string, sink: ProblemSink): void {
  if (value === undefined || isInteger(value, 1, rulePriorityMax)) return;
  sink.add(pointer, 'out_of_range', `must be an integer from 1 to ${rulePriorityMax}, not ${quote(value)}`);
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function lintText(text: unknown, isFeature: (name: string) => boolean, sink: ProblemSink): void {
  const pointer = '/event/params/text';
  if (typeof text !== 'string' || text.trim() === '') {
    sink.add(pointer, 'malformed', 'must be the sentence that the analyst reads');
    return;
  }
  if (text.length > ruleTextLengthMax) {
    sink.add(pointer, 'too_large', `has ${text.length} characters; at most ${ruleTextLengthMax} are allowed`);
    return;
  }
  const template = parseText(text);
  if ('problem' in template) {
    sink.add(pointer, 'malformed', `has ${template.problem}`);
    return;
  }
  for (const part of template) {
    if (typeof part === 'string' || factKind(part.fact, isFeature) !== 'unknown') continue;
    sink.add(pointer, 'unknown_placeholder', `names no fact with {${part.fact.slice(0, 80)}}`);
  }
}

function lintWeight(weight: unknown, outcome: unknown, sink: ProblemSink): void {
  const pointer = '/event/params/weight';
  if (typeof weight !== 'number' || !(weight >= 0 && weight <= 1)) {
    sink.add(pointer, 'out_of_range', `must be a number from 0 to 1, not ${quote(weight)}`);
  } else if (outcome === 'allow' && weight !== 0) {
    sink.add(pointer, 'out_of_range', 'must be 0: a rule that allows adds nothing to the score');
  }
}

/** Everything of a rule but its conditions. */
export function lintEnvelope(
  rule: Readonly<Record<string, unknown>>,
  isFeature: (name: string) => boolean,
  sink: ProblemSink,
): void {
  lintKeys(rule, ['name', 'priority', 'conditions', 'event'], '', sink);
  const { name, priority, event } = rule;
  if (typeof name !== 'string' || !idPattern.test(name)) {
    sink.add('/name', 'malformed', `must be the rule's id, of the form ${ruleIdPattern}, not ${quote(name)}`);
  }
  lintPriority(priority, '/priority', sink);
  if (!isRecord(event)) {
    sink.add('/event', 'malformed', 'must be {type, params}');
    return;
  }
  lintKeys(event, ['type', 'params'], '/event', sink);
  const { type, params } = event;
  if (typeof type !== 'string' || !eventTypePattern.test(type) || type === 'error') {
    sink.add('/event/type', 'malformed', `must be a word of the form ${eventTypePattern.source}, not ${quote(type)}`);
  }
  if (!isRecord(params)) {
    sink.add('/event/params', 'malformed', 'must be {version, text, weight, outcome}');
    return;
  }
  lintKeys(params, ['version', 'text', 'weight', 'outcome'], '/event/params', sink);
  const { outcome = 'score' } = params;
  if (typeof outcome !== 'string' || !outcomes.includes(outcome)) {
    sink.add('/event/params/outcome', 'malformed', `must be one of ${outcomes.join(', ')}, not ${quote(outcome)}`);
  }
  if (!isInteger(params['version'], 1, ruleVersionMax)) {
    sink.add('/event/params/version', 'out_of_range', `must be an integer from 1 to ${ruleVersionMax}`);
  }
  lintText(params['text'], isFeature, sink);
  lintWeight(params['weight'], outcome, sink);
}
