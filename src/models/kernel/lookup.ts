/**
 * Embedded categories: bias + the selected row of each table, in the card's order, one rounding a step. This is where the sums
 * of the dense layer begin, so that its own loops know nothing of categories.
 */
import { FunctionBody } from './encoder.ts';
import type { LayerLayout, LookupLayout } from './layout.ts';

/** The function (rowOffset) → nothing: the starts of `rows` rows; `rowOffset` is 8 × the first row. */
export function lookupFunction(
  { selected, tables }: LookupLayout,
  { bias, starts, units }: LayerLayout,
  rows: number,
): FunctionBody {
  const f = new FunctionBody(['i32']);
  if (starts === undefined) throw new Error('the layer has no look-ups');
  const base = f.local('i32');
  const rowOf = tables.map(() => f.local('i32'));
  const selectedBytes = tables.length * 4;
  for (let row = 0; row < rows; row++) {
    rowOf.forEach((local, table) => {
      f.get(0).i32(selectedBytes).op('i32Mul').i32(3).op('i32ShrU');
      f.access('i32Load', selected + row * selectedBytes + table * 4).set(local);
    });
    f.i32(0).set(base);
    f.loop(() => {
      f.get(base).get(base).access('v128Load', bias);
      for (const local of rowOf) f.get(local).get(base).op('i32Add').access('v128Load', 0).op('f32x4Add');
      f.access('v128Store', starts + row * units * 4);
      f.get(base).i32(16).op('i32Add').tee(base);
      f.i32(units * 4).op('i32LtU');
    });
  }
  return f;
}
