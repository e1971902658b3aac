import type { Payment } from '../domain/payment.ts';
import type { Frame, Literal } from '../features/frame.ts';
import { codeFirstLiteral, codeMissing, codeOther } from '../features/frame.ts';
import { comparesTrue } from './pairColumn.ts';
import { isPaymentFact, listColumn, paymentFact } from './facts.ts';
import type { ConditionNode, RuleNode } from './parse.ts';
import type { ColumnTest } from './predicate.ts';
import { toPredicate } from './predicate.ts';
import type { ExplainedNode } from './types.ts';

/** What a frame can say of a string outside its vocabulary. */
const otherValue = '(another value)';

interface ExplainContext {
  readonly frame: Frame;
  readonly row: number;
  readonly isFeature: (name: string) => boolean;
  readonly payment: Payment | undefined;
}

function numberAt({ frame, row }: ExplainContext, column: string): number {
  return frame.numbers[frame.layout.numeric.indexOf(column)]?.[row] ?? Number.NaN;
}

function codeAt({ frame, row }: ExplainContext, column: string): number {
  const index = frame.layout.categorical.findIndex((c) => c.name === column);
  return frame.codes[index]?.[row] ?? codeMissing;
}

function literalAt(context: ExplainContext, column: string): Literal | null {
  const code = codeAt(context, column);
  if (code === codeMissing) return null;
  if (code === codeOther) return otherValue;
  const { categorical } = context.frame.layout;
  return categorical.find((c) => c.name === column)?.vocabulary[code - codeFirstLiteral] ?? null;
}

function holds(test: ColumnTest, context: ExplainContext): boolean {
  switch (test.kind) {
    case 'never':
      return false;
    case 'atLeast':
      return numberAt(context, test.column) >= test.threshold;
    case 'below':
      return numberAt(context, test.column) < test.threshold;
    case 'numberIn':
      return test.values.includes(numberAt(context, test.column) + 0);
    case 'codeIn': {
      const seen = literalAt(context, test.column);
      return codeAt(context, test.column) !== codeOther && seen !== null && test.literals.includes(seen);
    }
    case 'compare':
      return comparesTrue(test.operator, numberAt(context, test.left), numberAt(context, test.right));
  }
}

function numberSeen(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** The payment's own value where it is at hand: a frame knows only the strings that the release compares with. */
function seenValue(condition: ConditionNode, test: ColumnTest, context: ExplainContext): Literal | null {
  const { fact, operator, value } = condition;
  if (context.payment !== undefined && isPaymentFact(fact)) return paymentFact(context.payment, fact) ?? null;
  if ((operator === 'inList' || operator === 'notInList') && typeof value === 'string') {
    return numberAt(context, listColumn(fact, value)) === 1;
  }
  if (test.kind === 'codeIn') return literalAt(context, test.column);
  if (context.frame.layout.numeric.includes(fact)) return numberSeen(numberAt(context, fact));
  return literalAt(context, fact);
}

function expectedValue(condition: ConditionNode, test: ColumnTest, context: ExplainContext): unknown {
  if (test.kind !== 'compare') return condition.value;
  return { fact: test.right, value: numberSeen(numberAt(context, test.right)) };
}

function explainCondition(condition: ConditionNode, context: ExplainContext): ExplainedNode {
  const { test, negated } = toPredicate(condition, context.isFeature);
  return {
    kind: 'condition',
    result: holds(test, context) !== negated,
    fact: condition.fact,
    operator: condition.operator,
    expected: expectedValue(condition, test, context),
    seen: seenValue(condition, test, context),
  };
}

/** The evaluation tree of one rule on one row, every branch evaluated. Slow: for the rules that fired, when asked. */
export function explainNode(node: RuleNode, context: ExplainContext): ExplainedNode {
  switch (node.kind) {
    case 'condition':
      return explainCondition(node, context);
    case 'not': {
      const child = explainNode(node.child, context);
      return { kind: 'not', result: !child.result, children: [child] };
    }
    case 'all': {
      const children = node.children.map((child) => explainNode(child, context));
      return { kind: 'all', result: children.every((child) => child.result), children };
    }
    case 'any': {
      const children = node.children.map((child) => explainNode(child, context));
      return { kind: 'any', result: children.some((child) => child.result), children };
    }
  }
}
