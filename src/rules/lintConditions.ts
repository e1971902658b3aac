import type { Literal } from '../features/frame.ts';
import { canBe, numberDomain, reaches, stringDomain } from './domains.ts';
import type { FactKind } from './facts.ts';
import { attributePrefix, factKind } from './facts.ts';
import { lintKeys, lintPriority } from './lintEnvelope.ts';
import {
  conditionsPerRuleMax,
  factNameLengthMax,
  literalLengthMax,
  ruleDepthMax,
  valuesPerConditionMax,
} from './limits.ts';
import type { Operator } from './parse.ts';
import { canonicalFact, isLiteral, isNumericOperator, isOperator, isRecord, operators } from './parse.ts';
import { nextUp } from './predicate.ts';
import type { ProblemSink } from './problem.ts';
import { quote } from './problem.ts';

export interface ConditionContext {
  readonly isFeature: (name: string) => boolean;
  readonly lists: ReadonlySet<string>;
}

/** What jsonpath could take for code or a wildcard, and what a text's placeholder could not name. */
const forbiddenInPaths = /[$[\]()*?@{}:'"`\\\p{Cc}]/u;
const groups = ['all', 'any', 'not'] as const;

class ConditionLint {
  private count = 0;
  private readonly context: ConditionContext;
  private readonly sink: ProblemSink;

  constructor(context: ConditionContext, sink: ProblemSink) {
    this.context = context;
    this.sink = sink;
  }

  node(node: unknown, pointer: string, depth: number): void {
    if (depth > ruleDepthMax) {
      this.sink.add(pointer, 'too_deep', `is nested deeper than ${ruleDepthMax} levels`);
      return;
    }
    if (!isRecord(node)) {
      this.sink.add(pointer, 'malformed', 'must be an object: a condition, or one of all, any, not');
      return;
    }
    const present = groups.filter((group) => Object.hasOwn(node, group));
    const group = present[0];
    if (group === undefined) this.condition(node, pointer);
    else if (present.length > 1) this.sink.add(pointer, 'malformed', `has ${present.join(' and ')}; one is allowed`);
    else this.group(node, group, pointer, depth);
  }

  private group(
    node: Readonly<Record<string, unknown>>,
    group: (typeof groups)[number],
    pointer: string,
    depth: number,
  ): void {
    lintKeys(node, [group, 'priority', 'name'], pointer, this.sink);
    lintPriority(node['priority'], `${pointer}/priority`, this.sink);
    const inside = node[group];
    if (group === 'not') {
      this.node(inside, `${pointer}/not`, depth + 1);
    } else if (!Array.isArray(inside) || inside.length === 0) {
      this.sink.add(`${pointer}/${group}`, 'malformed', 'must be an array of at least one condition');
    } else if (inside.length > conditionsPerRuleMax) {
      this.sink.add(`${pointer}/${group}`, 'too_many', `has ${inside.length} entries; at most ${conditionsPerRuleMax}`);
    } else {
      inside.forEach((child, i) => {
        this.node(child, `${pointer}/${group}/${i}`, depth + 1);
      });
    }
  }

  private condition(node: Readonly<Record<string, unknown>>, pointer: string): void {
    this.count++;
    if (this.count > conditionsPerRuleMax) {
      if (this.count === conditionsPerRuleMax + 1) {
        this.sink.add(pointer, 'too_many', `is one condition too many; a rule has at most ${conditionsPerRuleMax}`);
      }
      return;
    }
    lintKeys(node, ['fact', 'operator', 'value', 'path', 'params', 'priority', 'name'], pointer, this.sink);
    lintPriority(node['priority'], `${pointer}/priority`, this.sink);
    const kind = this.fact(node, pointer);
    const operator = node['operator'];
    if (!isOperator(operator)) {
      const what = `${quote(operator)} is not an operator; known: ${operators.join(', ')}`;
      this.sink.add(`${pointer}/operator`, 'unknown_operator', what);
    } else if (kind !== 'unknown') {
      this.value(node['value'], kind, operator, canonicalFact(node) ?? '', pointer);
    }
  }

  /** A reference to a fact; reports what is wrong with it. */
  private fact(reference: Readonly<Record<string, unknown>>, pointer: string): FactKind {
    const { fact, path, params } = reference;
    if (path !== undefined && (typeof path !== 'string' || !isPlainPath(path))) {
      const what = `must be the plain name of an attribute, not ${quote(path)}; no JSONPath is ever evaluated`;
      this.sink.add(`${pointer}/path`, 'forbidden_path', what);
      return 'unknown';
    }
    if (path !== undefined && fact !== 'attributes') {
      this.sink.add(`${pointer}/path`, 'forbidden_path', 'is allowed on the fact attributes alone');
      return 'unknown';
    }
    if (params !== undefined && !(fact === 'feature' && isRecord(params) && Object.keys(params).join() === 'name')) {
      this.sink.add(`${pointer}/params`, 'malformed', 'are allowed on the fact feature alone, as {"name": FEATURE}');
      return 'unknown';
    }
    const name = canonicalFact(reference);
    if (name === undefined) {
      this.sink.add(`${pointer}/fact`, 'malformed', `${quote(fact)} is not the name of a fact`);
      return 'unknown';
    }
    const attribute = name.startsWith(attributePrefix) && !isPlainPath(name.slice(attributePrefix.length));
    const kind = attribute || name.length > factNameLengthMax ? 'unknown' : factKind(name, this.context.isFeature);
    if (kind === 'unknown')
      this.sink.add(`${pointer}/fact`, 'unknown_fact', `${quote(name)} is not a fact of this release`);
    return kind;
  }

  private value(value: unknown, kind: FactKind, operator: Operator, fact: string, pointer: string): void {
    const at = `${pointer}/value`;
    if (operator === 'contains' || operator === 'doesNotContain') {
      this.sink.add(`${pointer}/operator`, 'type_mismatch', `${operator} asks for a list as fact, and ${fact} is none`);
    } else if (operator === 'inList' || operator === 'notInList') {
      this.listValue(value, kind, fact, pointer);
    } else if (isRecord(value)) {
      this.factValue(value, kind, operator, fact, pointer);
    } else if (isNumericOperator(operator)) {
      if (kind === 'string')
        this.sink.add(`${pointer}/operator`, 'type_mismatch', `${operator} compares numbers; ${fact} is text`);
      else if (!isFiniteNumber(value)) this.sink.add(at, 'type_mismatch', `must be a number, not ${quote(value)}`);
    } else if (operator === 'in' || operator === 'notIn') {
      this.members(value, kind, fact, at);
    } else {
      this.literal(value, kind, fact, at);
    }
  }

  private literal(value: unknown, kind: FactKind, fact: string, at: string): void {
    if (kind === 'number' && !isFiniteNumber(value)) {
      this.sink.add(at, 'type_mismatch', `must be a number, as ${fact} is; ${quote(value)} never equals it`);
    } else if (kind === 'string' && typeof value !== 'string') {
      this.sink.add(at, 'type_mismatch', `must be text, as ${fact} is; ${quote(value)} never equals it`);
    } else if (!isLiteral(value)) {
      this.sink.add(at, 'type_mismatch', `must be text, a number or a boolean, not ${quote(value)}`);
    } else if (typeof value === 'string' && value.length > literalLengthMax) {
      this.sink.add(at, 'too_large', `has ${value.length} characters; at most ${literalLengthMax}`);
    } else if (!isPossible(value, kind, fact)) {
      this.sink.add(at, 'impossible', `${quote(value)} is no value that ${fact} can have`);
    }
  }

  private members(value: unknown, kind: FactKind, fact: string, at: string): void {
    if (!Array.isArray(value)) {
      this.sink.add(at, 'type_mismatch', `must be an array, not ${quote(value)}`);
    } else if (value.length === 0) {
      this.sink.add(at, 'impossible', 'is an empty array: nothing is in it, and everything is not in it');
    } else if (value.length > valuesPerConditionMax) {
      this.sink.add(at, 'too_many', `has ${value.length} values; at most ${valuesPerConditionMax}: use a list`);
    } else {
      value.forEach((member, i) => {
        this.literal(member, kind, fact, `${at}/${i}`);
      });
    }
  }

  private listValue(value: unknown, kind: FactKind, fact: string, pointer: string): void {
    if (kind !== 'string') {
      this.sink.add(
        `${pointer}/fact`,
        'type_mismatch',
        `${fact} cannot be looked up in a list: it is no text field of the payment`,
      );
    } else if (typeof value !== 'string' || !this.context.lists.has(value)) {
      this.sink.add(`${pointer}/value`, 'unknown_list', `${quote(value)} is not a list of this release`);
    }
  }

  private factValue(
    value: Readonly<Record<string, unknown>>,
    kind: FactKind,
    operator: Operator,
    fact: string,
    pointer: string,
  ): void {
    const at = `${pointer}/value`;
    lintKeys(value, ['fact', 'params', 'path'], at, this.sink);
    const right = this.fact(value, at);
    if (right === 'unknown') return;
    const leftFits = kind === 'number' || (kind === 'attribute' && isNumericOperator(operator));
    if (!leftFits || right !== 'number' || operator === 'in' || operator === 'notIn') {
      this.sink.add(at, 'type_mismatch', `compares ${fact} with a fact: both must be numbers, by an order or equality`);
    }
  }
}

function isPossible(value: Literal, kind: FactKind, fact: string): boolean {
  if (kind === 'string') return typeof value === 'string' && canBe(stringDomain(fact), value);
  return kind !== 'number' || (typeof value === 'number' && reaches(numberDomain(fact), value, nextUp(value)));
}

function isFiniteNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

/** An attribute's name: no JSONPath, no empty part, no way to a prototype. */
function isPlainPath(path: string): boolean {
  if (path === '' || path.length > factNameLengthMax || forbiddenInPaths.test(path)) return false;
  return path.split('.').every((part) => part !== '' && part !== '__proto__');
}

/** Shape, bounds, facts, operators and types of a rule's conditions. */
export function lintConditions(conditions: unknown, context: ConditionContext, sink: ProblemSink): void {
  if (isRecord(conditions) && !groups.some((group) => Object.hasOwn(conditions, group))) {
    sink.add('/conditions', 'malformed', 'must begin with all, any or not');
    return;
  }
  new ConditionLint(context, sink).node(conditions, '/conditions', 0);
}
