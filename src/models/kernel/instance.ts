/** A compiled network, ready to take rows. Not re-entrant; every thread makes its own. */
import { kernelBlockRows } from '../bounds.ts';
import type { Network } from '../network.ts';
import { fillMemory, type KernelInput, type KernelLayout, planKernel } from './layout.ts';
import { kernelModule } from './module.ts';

export interface KernelInstance {
  readonly layout: KernelLayout;
  /** Raw facts, [row][layout.inputsPadded]; NaN is missing. Fill rows 0 … n − 1, call `prepare(n)`, then `forward(n)`. */
  readonly facts: Float64Array;
  readonly prepared: Float32Array;
  readonly logits: Float64Array;
  readonly probabilities: Float64Array;
  /** 1 ≤ rows ≤ kernelBlockRows. */
  readonly prepare: (rows: number) => void;
  readonly forward: (rows: number) => void;
}

const isFunction = (value: unknown): value is (rows: number) => void => typeof value === 'function';

export function instantiateKernel(network: Network, inputs: readonly KernelInput[]): KernelInstance {
  const layout = planKernel(network, inputs);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(kernelModule(layout)));
  const { memory, prepare, forward } = exports;
  if (!(memory instanceof WebAssembly.Memory) || !isFunction(prepare) || !isFunction(forward)) {
    throw new Error('the kernel module lacks an export');
  }
  fillMemory(memory.buffer, layout, network);
  const rows = kernelBlockRows;
  return {
    layout,
    facts: new Float64Array(memory.buffer, layout.facts, rows * layout.inputsPadded),
    prepared: new Float32Array(memory.buffer, layout.prepared, rows * layout.inputsPadded),
    logits: new Float64Array(memory.buffer, layout.logits, rows),
    probabilities: new Float64Array(memory.buffer, layout.probabilities, rows),
    prepare,
    forward,
  };
}
