import type { ColumnTest } from './predicate.ts';
import type { ColumnEvaluator } from './testMasks.ts';

type PairOperator = (ColumnTest & { kind: 'compare' })['operator'];

/** As json-rules-engine compares: no order holds for a missing value (NaN), but two missing values are equal. */
export function comparesTrue(operator: PairOperator, a: number, b: number): boolean {
  switch (operator) {
    case 'equal':
      return a === b || (Number.isNaN(a) && Number.isNaN(b));
    case 'lessThan':
      return a < b;
    case 'lessThanInclusive':
      return a <= b;
    case 'greaterThan':
      return a > b;
    case 'greaterThanInclusive':
      return a >= b;
  }
}

/** A numeric column against another, row by row. */
export function pairColumn(left: number, right: number, operator: PairOperator, slot: number): ColumnEvaluator {
  return function evaluatePair(frame, from, to, masks) {
    const a = frame.numbers[left] as Float64Array;
    const b = frame.numbers[right] as Float64Array;
    let bits = 0;
    for (let row = from; row < to; row++) {
      if (comparesTrue(operator, a[row] as number, b[row] as number)) bits |= 1 << (row - from);
    }
    masks[slot] = bits;
  };
}
