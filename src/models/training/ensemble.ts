/**
 * Several networks of one shape as one: the hidden layers side by side (the first takes all inputs, those after it are
 * block-diagonal), the last layer averages the logits. Calibration, affine in the logit, goes into that layer too.
 */
import type { Parameter } from './optimiser.ts';
import type { Calibration } from './platt.ts';

interface Layer {
  readonly kernel: Parameter;
  readonly bias: Parameter;
}

function layersOf(parameters: readonly Parameter[]): Layer[] {
  return Array.from({ length: parameters.length / 2 }, (_, at) => {
    const [kernel, bias] = [parameters[2 * at], parameters[2 * at + 1]];
    if (kernel === undefined || bias === undefined) throw new Error('a layer has a kernel and a bias');
    return { kernel, bias };
  });
}

/** The members' layers of one depth as one layer. `shared`: all members take the same inputs. */
function joined(layers: readonly Layer[], shared: boolean): Parameter[] {
  const { kernel: first, bias } = layers[0] as Layer;
  const [inputs = 0, units = 0] = first.shape;
  const rows = shared ? inputs : inputs * layers.length;
  const columns = units * layers.length;
  const kernel = new Float32Array(rows * columns);
  const biases = new Float32Array(columns);
  layers.forEach((layer, member) => {
    for (let input = 0; input < inputs; input++) {
      const row = (shared ? input : member * inputs + input) * columns + member * units;
      kernel.set(layer.kernel.values.subarray(input * units, (input + 1) * units), row);
    }
    biases.set(layer.bias.values, member * units);
  });
  return [
    { ...first, shape: [rows, columns], values: kernel },
    { ...bias, shape: [columns], values: biases },
  ];
}

/** The members' outputs as one logit: slope × their mean + offset. */
function output(layers: readonly Layer[], shared: boolean, { slope, offset }: Calibration): Parameter[] {
  const { kernel: first, bias } = layers[0] as Layer;
  const inputs = first.shape[0] ?? 0;
  const members = layers.length;
  const kernel = new Float32Array(shared ? inputs : inputs * members);
  if (shared) {
    for (let i = 0; i < inputs; i++)
      kernel[i] = (slope * layers.reduce((sum, layer) => sum + (layer.kernel.values[i] ?? 0), 0)) / members;
  } else {
    layers.forEach((layer, member) => {
      kernel.set(
        layer.kernel.values.map((weight) => (slope * weight) / members),
        member * inputs,
      );
    });
  }
  const mean = layers.reduce((sum, layer) => sum + (layer.bias.values[0] ?? 0), 0) / members;
  return [
    { ...first, shape: [kernel.length, 1], values: kernel },
    { ...bias, shape: [1], values: Float32Array.of(slope * mean + offset) },
  ];
}

/** @param members parameters of networks of one shape, as `fit` gives them */
export function foldEnsemble(members: readonly (readonly Parameter[])[], calibration: Calibration): Parameter[] {
  const all = members.map(layersOf);
  const depth = all[0]?.length ?? 0;
  return Array.from({ length: depth }, (_, at) => {
    const layers = all.map((member) => member[at] as Layer);
    return at === depth - 1 ? output(layers, at === 0, calibration) : joined(layers, at === 0);
  }).flat();
}
