/** Payments of the training days that explanations compare with. */
import { codeFirstLiteral, codeMissing } from '../../features/frame.ts';
import { isCategory } from '../../models/inputs.ts';
import { uniform } from '../../models/training/random.ts';
import type { CardInput } from '../../models/types.ts';
import type { History } from '../history/history.ts';
import { rowCodes } from './inputs.ts';

/** Enough for a mean; each costs the explanation a forward pass a coalition. */
const backgroundRowsKept = 50;
const backgroundSeed = 1;
/** In no vocabulary. What text it was stays untold. */
const otherText = '';

type Cell = number | string | null;

function cellReaders(history: History, inputs: readonly CardInput[]): ((row: number) => Cell)[] {
  const codes = rowCodes(history, inputs);
  let [numeric, category] = [0, 0];
  return inputs.map((input) => {
    if (isCategory(input)) {
      const codeOf = codes[category++];
      return (row) => {
        const code = codeOf?.(row) ?? codeMissing;
        return code === codeMissing ? null : (input.vocabulary[code - codeFirstLiteral] ?? otherText);
      };
    }
    const fact = numeric++;
    return (row) => {
      const value = history.facts.value(row, fact);
      return Number.isNaN(value) ? null : value;
    };
  });
}

/** A fact for each input, null where missing: no identifier. The same rows give the same background. */
export function backgroundRows(history: History, rows: Int32Array, inputs: readonly CardInput[]): Cell[][] {
  const random = uniform(backgroundSeed);
  const cells = cellReaders(history, inputs);
  return Array.from({ length: Math.min(backgroundRowsKept, rows.length) }, () => {
    const row = rows[Math.floor(random() * rows.length)] ?? 0;
    return cells.map((cell) => cell(row));
  });
}
