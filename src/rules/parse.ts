import type { Literal } from '../features/frame.ts';
import { attributePrefix } from './facts.ts';
import type { RuleMeta } from './types.ts';

/**
 * Rules as typed trees. `parseRules` trusts its input: it is for definitions that `lintRules` has passed, and throws on
 * anything else. Every node keeps its JSON pointer inside the rule, so that later findings can name the place.
 */
export type RuleNode =
  | { readonly kind: 'all' | 'any'; readonly pointer: string; readonly children: readonly RuleNode[] }
  | { readonly kind: 'not'; readonly pointer: string; readonly child: RuleNode }
  | ConditionNode;

export interface ConditionNode {
  readonly kind: 'condition';
  readonly pointer: string;
  /** Canonical: `{fact: 'attributes', path: 'x'}` is `attributes.x`, `{fact: 'feature', params: {name: 'n'}}` is `n`. */
  readonly fact: string;
  readonly operator: Operator;
  /** The JSON value, or the canonical name of the fact compared with. */
  readonly value: Literal | readonly Literal[] | { readonly fact: string };
}

export interface ParsedRule extends RuleMeta {
  readonly priority: number;
  readonly conditions: RuleNode;
}

const numericOperators = ['lessThan', 'lessThanInclusive', 'greaterThan', 'greaterThanInclusive'] as const;
const equalityOperators = ['equal', 'notEqual'] as const;
const membershipOperators = ['in', 'notIn'] as const;
const listOperators = ['inList', 'notInList'] as const;
/** They ask for an array as fact; no fact of ours is one, so they parse, hold for nothing, and the lint refuses them. */
const arrayOperators = ['contains', 'doesNotContain'] as const;
export const operators = [
  ...numericOperators,
  ...equalityOperators,
  ...membershipOperators,
  ...listOperators,
  ...arrayOperators,
] as const;
export type Operator = (typeof operators)[number];
export type NumericOperator = (typeof numericOperators)[number];

const operatorNames = new Set<string>(operators);
const numericOperatorNames = new Set<string>(numericOperators);

export function isOperator(name: unknown): name is Operator {
  return typeof name === 'string' && operatorNames.has(name);
}

export function isNumericOperator(name: Operator): name is NumericOperator {
  return numericOperatorNames.has(name);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isLiteral(value: unknown): value is Literal {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

/** The canonical name of a reference to a fact, or undefined when it is not one of the three forms. */
export function canonicalFact(reference: Readonly<Record<string, unknown>>): string | undefined {
  const { fact, path, params } = reference;
  if (typeof fact !== 'string' || fact === '') return undefined;
  if (fact === 'attributes') {
    return typeof path === 'string' && path !== '' && params === undefined ? attributePrefix + path : undefined;
  }
  if (path !== undefined) return undefined;
  if (fact === 'feature') {
    return isRecord(params) && typeof params['name'] === 'string' ? params['name'] : undefined;
  }
  return params === undefined ? fact : undefined;
}

function malformed(pointer: string): never {
  throw new Error(`malformed rule at ${pointer}: lint rules before compiling them`);
}

function parseValue(value: unknown, pointer: string): ConditionNode['value'] {
  if (isLiteral(value)) return value;
  if (Array.isArray(value) && value.every(isLiteral)) return value;
  if (isRecord(value)) return { fact: canonicalFact(value) ?? malformed(pointer) };
  return malformed(pointer);
}

function parseNode(node: unknown, pointer: string): RuleNode {
  if (!isRecord(node)) return malformed(pointer);
  for (const kind of ['all', 'any'] as const) {
    const children = node[kind];
    if (children === undefined) continue;
    if (!Array.isArray(children) || children.length === 0) return malformed(`${pointer}/${kind}`);
    return { kind, pointer, children: children.map((child, i) => parseNode(child, `${pointer}/${kind}/${i}`)) };
  }
  if (node['not'] !== undefined) return { kind: 'not', pointer, child: parseNode(node['not'], `${pointer}/not`) };
  const operator = node['operator'];
  if (!isOperator(operator)) return malformed(`${pointer}/operator`);
  const fact = canonicalFact(node) ?? malformed(pointer);
  return { kind: 'condition', pointer, fact, operator, value: parseValue(node['value'], `${pointer}/value`) };
}

/** Only the tree: what the lint's search for impossible conditions needs. */
export function parseConditions(conditions: unknown): RuleNode {
  return parseNode(conditions, '/conditions');
}

function parseRule(definition: unknown): ParsedRule {
  if (!isRecord(definition)) return malformed('');
  const { name, priority, conditions, event } = definition;
  if (typeof name !== 'string' || !isRecord(event) || !isRecord(event['params'])) return malformed('');
  const { version, text, weight, outcome = 'score' } = event['params'];
  if (outcome !== 'score' && outcome !== 'hold' && outcome !== 'allow') return malformed('/event/params/outcome');
  if (typeof version !== 'number' || typeof text !== 'string' || typeof weight !== 'number') {
    return malformed('/event/params');
  }
  return {
    id: name,
    version,
    text,
    weight,
    outcome,
    priority: typeof priority === 'number' ? priority : 1,
    conditions: parseConditions(conditions),
  };
}

function byPriorityThenId(a: ParsedRule, b: ParsedRule): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** All rules in the order in which hits are listed: priority, high first, then id by code units. */
export function parseRules(definitions: readonly unknown[]): readonly ParsedRule[] {
  return definitions.map(parseRule).sort(byPriorityThenId);
}

/** Every condition of a tree, left to right. */
export function* conditionsOf(node: RuleNode): Generator<ConditionNode> {
  if (node.kind === 'condition') yield node;
  else if (node.kind === 'not') yield* conditionsOf(node.child);
  else for (const child of node.children) yield* conditionsOf(child);
}
