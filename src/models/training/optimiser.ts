/**
 * Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019) on plain arrays. Some thousand weights
 * take microseconds here, while TF.js's own optimiser spends more than the gradient on its dozens of small tensors.
 */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Biases do not decay. */
  readonly decays: boolean;
}

export interface OptimiserOptions {
  readonly weightDecay: number;
}

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

/** A function that moves the parameters by their gradients, given in the same order. */
export function createAdam(parameters: readonly Parameter[], { weightDecay }: OptimiserOptions) {
  const moments = parameters.map(({ values }) => ({
    first: new Float64Array(values.length),
    second: new Float64Array(values.length),
  }));
  let power1 = 1;
  let power2 = 1;
  return function step(gradients: readonly ArrayLike<number>[], learningRate: number): void {
    power1 *= beta1;
    power2 *= beta2;
    parameters.forEach(({ values, decays }, index) => {
      const gradient = gradients[index];
      const moment = moments[index];
      if (gradient === undefined || moment === undefined) throw new Error('a parameter has no gradient');
      const { first, second } = moment;
      for (let i = 0; i < values.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (first[i] ?? 0) + (1 - beta1) * g;
        const v = beta2 * (second[i] ?? 0) + (1 - beta2) * g * g;
        first[i] = m;
        second[i] = v;
        const value = values[i] ?? 0;
        const decay = decays ? weightDecay * value : 0;
        values[i] = value - learningRate * (m / (1 - power1) / (Math.sqrt(v / (1 - power2)) + epsilon) + decay);
      }
    });
  };
}
