/** A compiled network, ready to take rows. Not re-entrant; every thread makes its own. */
import { codeOther } from '../../features/frame.ts';
import { kernelBlockRows } from '../bounds.ts';
import type { Network } from '../network.ts';
import { fillMemory, type KernelInput, type KernelLayout, planKernel } from './layout.ts';
import { kernelModule } from './module.ts';

export interface KernelInstance {
  readonly layout: KernelLayout;
  /** Raw facts, [row][layout.inputsPadded]; NaN is missing. Fill rows 0 … n − 1, call `prepare(n)`, then `forward(n)`. */
  readonly facts: Float64Array;
  readonly prepared: Float32Array;
  /** Sets the code of a category in a row; a code beyond its table is "other". */
  readonly select: (row: number, category: number, code: number) => void;
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
  const tables = layout.lookup?.tables ?? [];
  const selected = new Int32Array(memory.buffer, layout.lookup?.selected ?? 0, rows * tables.length);
  return {
    layout,
    facts: new Float64Array(memory.buffer, layout.facts, rows * layout.inputsPadded),
    prepared: new Float32Array(memory.buffer, layout.prepared, rows * layout.inputsPadded),
    select: (row, category, code) => {
      const table = tables[category];
      if (table === undefined) throw new Error(`the network has no category ${category}`);
      const known = code >= 0 && code < table.codes ? code : codeOther;
      selected[row * tables.length + category] = table.address + known * table.rowBytes;
    },
    logits: new Float64Array(memory.buffer, layout.logits, rows),
    probabilities: new Float64Array(memory.buffer, layout.probabilities, rows),
    prepare,
    forward,
  };
}
