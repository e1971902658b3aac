/** Frames of plain numbers for the model's tests. */
import { Frame, type FrameLayout } from '../../../src/features/frame.ts';

export function layoutOf(facts: readonly string[]): FrameLayout {
  return { numeric: facts, categorical: [], featureCount: facts.length };
}

/** @param rows [row][fact] */
export function frameOf(layout: FrameLayout, rows: readonly (readonly number[])[]): Frame {
  const frame = new Frame(layout, Math.max(1, rows.length));
  rows.forEach((row, at) => {
    frame.numbers.forEach((column, index) => {
      column[at] = row[index] ?? Number.NaN;
    });
  });
  frame.rows = rows.length;
  return frame;
}

export const factNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `fact${i}`);
