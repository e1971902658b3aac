/** Payments of the training days that explanations compare with. */
import { uniform } from '../../models/training/random.ts';
import type { History } from '../history/history.ts';

/** Enough for a mean; each costs the explanation a forward pass a coalition. */
const backgroundRowsKept = 50;
const backgroundSeed = 1;

/** Facts as numbers, null where missing: no identifier, no text. The same rows give the same background. */
export function backgroundRows(history: History, rows: Int32Array, width: number): (number | null)[][] {
  const random = uniform(backgroundSeed);
  return Array.from({ length: Math.min(backgroundRowsKept, rows.length) }, () => {
    const row = rows[Math.floor(random() * rows.length)] ?? 0;
    return Array.from({ length: width }, (_, fact) => {
      const value = history.facts.value(row, fact);
      return Number.isNaN(value) ? null : value;
    });
  });
}
