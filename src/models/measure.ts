/** Which of several bindings of one model is the fastest, timed on the model itself at the batch sizes that are used. */
import { Frame, type FrameLayout } from '../features/frame.ts';
import type { BoundModel } from './types.ts';

const batches = [1, 128] as const;
/** Time spent on one backend and batch, warm-up aside: with three backends the whole takes some 20 ms. */
const budgetMs = 3;
const callsMax = 200;
const warmUpCalls = 3;
/** How much faster another backend must be than the kernel, whose answers are the same everywhere. */
const marginMin = 1.25;

/** Microseconds a row, the geometric mean over the batches. */
function microsPerRow(model: BoundModel, layout: FrameLayout, nowMs: () => number): number {
  const frame = new Frame(layout, Math.max(...batches));
  const probabilities = new Float64Array(frame.capacity);
  let product = 1;
  for (const rows of batches) {
    frame.rows = rows;
    for (let call = 0; call < warmUpCalls; call++) model.score(frame, probabilities);
    const fromMs = nowMs();
    let calls = 0;
    let elapsedMs = 0;
    while (calls === 0 || (elapsedMs < budgetMs && calls < callsMax)) {
      model.score(frame, probabilities);
      calls++;
      elapsedMs = nowMs() - fromMs;
    }
    product *= (elapsedMs * 1000) / (calls * rows);
  }
  return product ** (1 / batches.length);
}

/** @param candidates the first is kept unless another is faster by the margin */
export function fastest(
  candidates: readonly BoundModel[],
  layout: FrameLayout,
  nowMs: () => number = () => performance.now(),
): BoundModel {
  const timed = candidates.map((model) => ({ model, micros: microsPerRow(model, layout, nowMs) }));
  const [preferred, ...others] = timed;
  if (preferred === undefined) throw new Error('there is no backend to choose from');
  let best = preferred;
  for (const other of others) {
    const limit = best === preferred ? preferred.micros / marginMin : best.micros;
    if (other.micros < limit) best = other;
  }
  return best.model;
}
