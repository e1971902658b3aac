import type { Frame } from '../features/frame.ts';
import { codeFirstLiteral, codeMissing, codeOther } from '../features/frame.ts';
import { attributePrefix, numericAttribute, parseListColumn } from './facts.ts';
import type { FactValues } from './reference.ts';

function numberOf(column: string, facts: FactValues, lists: ReadonlyMap<string, ReadonlySet<string>>): number {
  const listed = parseListColumn(column);
  if (listed !== undefined) {
    const value = facts.get(listed.field);
    return typeof value === 'string' && lists.get(listed.list)?.has(value) === true ? 1 : 0;
  }
  const value = facts.get(column);
  if (column.startsWith(attributePrefix)) return numericAttribute(value);
  return typeof value === 'number' ? value : Number.NaN;
}

/** Writes every column of one row from plain fact values: for rule cases and tests, where there is no payment. */
export function fillFromFacts(
  frame: Frame,
  row: number,
  facts: FactValues,
  lists: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  frame.layout.numeric.forEach((column, i) => {
    const values = frame.numbers[i];
    if (values !== undefined) values[row] = numberOf(column, facts, lists);
  });
  frame.layout.categorical.forEach(({ name, vocabulary }, i) => {
    const value = facts.get(name);
    const index = value === undefined ? -1 : vocabulary.indexOf(value);
    const codes = frame.codes[i];
    if (codes === undefined) return;
    codes[row] = value === undefined ? codeMissing : index < 0 ? codeOther : index + codeFirstLiteral;
  });
}
