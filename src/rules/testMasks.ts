import type { Frame } from '../features/frame.ts';

/**
 * A frame is evaluated in blocks of 32 rows, so that all masks of a block stay in the nearest cache: `masks[slot]` has one
 * bit for each row `from + bit`. Bits beyond the block's last row are undefined.
 */
export const blockRows = 32;

/** Writes the masks of one column's tests for rows `from` … `to − 1`, at most 32. */
export type ColumnEvaluator = (frame: Frame, from: number, to: number, masks: Int32Array) => void;
