/** A model bound through the compiled kernel. */
import type { Frame, FrameLayout } from '../features/frame.ts';
import { kernelBlockRows } from './bounds.ts';
import { rankContributions } from './explain.ts';
import { gatherRows, inputColumns } from './inputs.ts';
import { instantiateKernel, type KernelInstance } from './kernel/instance.ts';
import type { Network } from './network.ts';
import type { BoundModel, Contribution, ModelInput } from './types.ts';

export interface ModelIdentity {
  readonly id: string;
  readonly version: string;
}

/** The logits of the row prepared in slot 0 with each input in turn at its training mean. */
function occludedLogits(kernel: KernelInstance, baseline: Float32Array): Float64Array {
  const { inputs, inputsPadded } = kernel.layout;
  const row = kernel.prepared.slice(0, inputsPadded);
  const logits = new Float64Array(inputs);
  for (let first = 0; first < inputs; first += kernelBlockRows) {
    const rows = Math.min(kernelBlockRows, inputs - first);
    for (let i = 0; i < rows; i++) {
      kernel.prepared.set(row, i * inputsPadded);
      kernel.prepared[i * inputsPadded + first + i] = baseline[first + i] ?? 0;
    }
    kernel.forward(rows);
    logits.set(kernel.logits.subarray(0, rows), first);
  }
  return logits;
}

/** The training mean of each input as the first layer sees it: the leading normalisation's shift, else 0. */
function trainingMean(network: Network): Float32Array {
  return network.scaling ? Float32Array.from(network.scaling.shift) : new Float32Array(network.inputs);
}

export function bindCompiled(
  { id, version }: ModelIdentity,
  inputs: readonly ModelInput[],
  network: Network,
  layout: FrameLayout,
): BoundModel {
  const columns = inputColumns(inputs, layout);
  const kernel = instantiateKernel(network, inputs);
  const baseline = trainingMean(network);
  const stride = kernel.layout.inputsPadded;

  function score(frame: Frame, probabilities: Float64Array): void {
    for (let first = 0; first < frame.rows; first += kernelBlockRows) {
      const rows = Math.min(kernelBlockRows, frame.rows - first);
      gatherRows(frame, columns, first, rows, kernel.facts, stride);
      kernel.prepare(rows);
      kernel.forward(rows);
      for (let row = 0; row < rows; row++) probabilities[first + row] = kernel.probabilities[row] ?? Number.NaN;
    }
  }

  function explain(frame: Frame, row: number, top: number): readonly Contribution[] {
    gatherRows(frame, columns, row, 1, kernel.facts, stride);
    kernel.prepare(1);
    kernel.forward(1);
    const logit = kernel.logits[0] ?? Number.NaN;
    return rankContributions(inputs, logit, occludedLogits(kernel, baseline), top);
  }

  return { id, version, backend: 'kernel', score, explain };
}
