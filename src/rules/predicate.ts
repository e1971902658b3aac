import type { Literal } from '../features/frame.ts';
import type { FactKind } from './facts.ts';
import { factKind, listColumn } from './facts.ts';
import type { ConditionNode, NumericOperator } from './parse.ts';
import { isNumericOperator } from './parse.ts';

/**
 * A condition reduced to one question about one column (or two). `negated` is the plain complement: json-rules-engine's
 * notEqual, notIn and notInList hold for missing values too. lessThan is not the complement of greaterThanInclusive,
 * since neither holds for a missing value. `x > t` is `x >= nextUp(t)`, and `x <= t` is `x < nextUp(t)`, so two
 * numeric kinds are enough.
 */
export interface Predicate {
  readonly negated: boolean;
  readonly test: ColumnTest;
}

export type ColumnTest =
  | { readonly kind: 'never' }
  | { readonly kind: 'atLeast' | 'below'; readonly column: string; readonly threshold: number }
  | { readonly kind: 'numberIn'; readonly column: string; readonly values: readonly number[] }
  | { readonly kind: 'codeIn'; readonly column: string; readonly literals: readonly Literal[] }
  | {
      readonly kind: 'compare';
      readonly left: string;
      readonly right: string;
      readonly operator: NumericOperator | 'equal';
    };

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** The least double greater than `x`; finite `x` only (the largest gives Infinity). */
export function nextUp(x: number): number {
  if (x === 0) return Number.MIN_VALUE;
  float[0] = x;
  bits[0] = (bits[0] ?? 0n) + (x > 0 ? 1n : -1n);
  return float[0];
}

function numericTest(column: string, operator: NumericOperator, value: number): ColumnTest {
  switch (operator) {
    case 'greaterThanInclusive':
      return { kind: 'atLeast', column, threshold: value + 0 };
    case 'greaterThan':
      return { kind: 'atLeast', column, threshold: nextUp(value) };
    case 'lessThan':
      return { kind: 'below', column, threshold: value + 0 };
    case 'lessThanInclusive':
      return { kind: 'below', column, threshold: nextUp(value) };
  }
}

function oneOf(numeric: boolean, column: string, literals: readonly Literal[]): ColumnTest {
  if (!numeric) return literals.length === 0 ? { kind: 'never' } : { kind: 'codeIn', column, literals };
  // `=== ` never holds between a number and another type, and 0 equals -0.
  const values = [...new Set(literals.filter((x) => typeof x === 'number').map((x) => x + 0))].sort((a, b) => a - b);
  return values.length === 0 ? { kind: 'never' } : { kind: 'numberIn', column, values };
}

function unsupported(condition: ConditionNode): never {
  throw new Error(`condition at ${condition.pointer} cannot be compiled: lint rules before compiling them`);
}

function compareFacts(condition: ConditionNode, right: string): Predicate {
  const { fact: left, operator } = condition;
  if (operator === 'equal' || operator === 'notEqual') {
    return { negated: operator === 'notEqual', test: { kind: 'compare', left, right, operator: 'equal' } };
  }
  if (!isNumericOperator(operator)) return unsupported(condition);
  return { negated: false, test: { kind: 'compare', left, right, operator } };
}

function compareLiterals(condition: ConditionNode, kind: FactKind, literals: Literal | readonly Literal[]): Predicate {
  const { fact, operator } = condition;
  if (isNumericOperator(operator)) {
    if (typeof literals !== 'number' || kind === 'string') return unsupported(condition);
    return { negated: false, test: numericTest(fact, operator, literals) };
  }
  const many = operator === 'in' || operator === 'notIn';
  if (many !== (typeof literals === 'object')) return unsupported(condition);
  const values = typeof literals === 'object' ? literals : [literals];
  return { negated: operator === 'notEqual' || operator === 'notIn', test: oneOf(kind === 'number', fact, values) };
}

function lookUp(condition: ConditionNode, kind: FactKind): Predicate {
  const { fact, operator, value } = condition;
  if (typeof value !== 'string' || kind !== 'string') return unsupported(condition);
  return { negated: operator === 'notInList', test: oneOf(true, listColumn(fact, value), [1]) };
}

/** @param isFeature whether a name is a feature of the release; any other unknown fact is an error. */
export function toPredicate(condition: ConditionNode, isFeature: (name: string) => boolean): Predicate {
  const { fact, operator, value } = condition;
  const kind = factKind(fact, isFeature);
  if (kind === 'unknown') return unsupported(condition);
  // They hold for arrays alone, and no fact is one.
  if (operator === 'contains' || operator === 'doesNotContain') return { negated: false, test: { kind: 'never' } };
  if (operator === 'inList' || operator === 'notInList') return lookUp(condition, kind);
  if (typeof value !== 'object' || !('fact' in value)) return compareLiterals(condition, kind, value);
  // An attribute's coercion is that of a left side under a numeric operator, so it can stand nowhere else.
  const left = kind === 'number' || (kind === 'attribute' && isNumericOperator(operator));
  const right = factKind(value.fact, isFeature) === 'number';
  return left && right ? compareFacts(condition, value.fact) : unsupported(condition);
}

/** Equal tests have equal keys, whatever the order of their literals. */
export function testKey(test: ColumnTest): string {
  if (test.kind !== 'codeIn') return JSON.stringify(test);
  const literals = [...new Set(test.literals)].map((x) => JSON.stringify(x)).sort();
  return JSON.stringify([test.kind, test.column, literals]);
}
