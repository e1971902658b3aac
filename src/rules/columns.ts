import type { FrameLayout, Literal } from '../features/frame.ts';
import { codeFirstLiteral } from '../features/frame.ts';
import { codeColumn } from './codeColumn.ts';
import { numberColumn } from './numberColumn.ts';
import type { ColumnTest } from './predicate.ts';
import type { ColumnEvaluator } from './testMasks.ts';
import { pairColumn } from './pairColumn.ts';

/** The column tests of a release, bound to the columns of a frame. */
export interface BoundTests {
  readonly evaluators: readonly ColumnEvaluator[];
  /** Mask slot of each test. */
  readonly slots: Int32Array;
  readonly slotCount: number;
}

/** Index of the column, which the layout must have: the release's layout is made from these very rules. */
function indexOf(names: readonly string[], column: string): number {
  const index = names.indexOf(column);
  if (index < 0) throw new Error(`the frame layout has no column ${column}`);
  return index;
}

function codeOf(vocabulary: readonly Literal[], literal: Literal): number {
  const index = vocabulary.indexOf(literal);
  if (index < 0) throw new Error(`the frame layout has no code for ${JSON.stringify(literal)}`);
  return index + codeFirstLiteral;
}

type NumberTest = ColumnTest & { kind: 'atLeast' | 'below' | 'numberIn' };
type CodeTest = ColumnTest & { kind: 'codeIn' };

function groupByColumn<T extends NumberTest | CodeTest>(tests: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const test of tests) {
    const group = groups.get(test.column);
    if (group === undefined) groups.set(test.column, [test]);
    else group.push(test);
  }
  return groups;
}

function isNumberTest(test: ColumnTest): test is NumberTest {
  return test.kind === 'atLeast' || test.kind === 'below' || test.kind === 'numberIn';
}

/** Gives every test a mask slot, the slots of one column side by side, and one evaluator to each column. */
export function bindTests(tests: readonly ColumnTest[], layout: FrameLayout): BoundTests {
  const slotOf = new Map<ColumnTest, number>();
  const evaluators: ColumnEvaluator[] = [];
  let next = 0;
  const categoricalNames = layout.categorical.map((column) => column.name);

  for (const [column, group] of groupByColumn(tests.filter(isNumberTest))) {
    const bound = numberColumn(indexOf(layout.numeric, column), group, next);
    group.forEach((test, i) => slotOf.set(test, bound.slots[i] as number));
    evaluators.push(bound.evaluate);
    next = bound.nextSlot;
  }
  for (const [column, group] of groupByColumn(tests.filter((test) => test.kind === 'codeIn'))) {
    const index = indexOf(categoricalNames, column);
    const vocabulary = layout.categorical[index]?.vocabulary ?? [];
    const codes = group.map((test) => test.literals.map((literal) => codeOf(vocabulary, literal)));
    evaluators.push(codeColumn(index, vocabulary.length + codeFirstLiteral, codes, next));
    for (const test of group) slotOf.set(test, next++);
  }
  for (const test of tests) {
    if (test.kind === 'compare') {
      const left = indexOf(layout.numeric, test.left);
      evaluators.push(pairColumn(left, indexOf(layout.numeric, test.right), test.operator, next));
    }
    // `never` has a slot that nobody writes: it stays 0.
    if (test.kind === 'compare' || test.kind === 'never') slotOf.set(test, next++);
  }
  return { evaluators, slots: Int32Array.from(tests, (test) => slotOf.get(test) as number), slotCount: next };
}
