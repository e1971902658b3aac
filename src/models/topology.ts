/** The layers of a TF.js (or converted Keras) topology, as far as the kernel needs to understand them. */
import { layersMax, topologyCharactersMax } from './bounds.ts';
import { ModelError } from './errors.ts';

export interface TopologyLayer {
  readonly className: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers whose outputs it takes, in order; undefined where that is not told in a form we read. */
  readonly inbound: readonly string[] | undefined;
}

export interface Topology {
  /** A plain chain; otherwise the layers are a graph, told by their `inbound`. */
  readonly sequential: boolean;
  readonly layers: readonly TopologyLayer[];
  /** Of a graph: the layers that are its inputs and outputs, in order. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keras wraps the model in `model_config`; TF.js writes it bare. */
function modelConfig(topology: unknown): Record<string, unknown> {
  const outer = isRecord(topology) ? topology : {};
  const inner = isRecord(outer['model_config']) ? outer['model_config'] : outer;
  if (typeof inner['class_name'] !== 'string' || inner['config'] === undefined) {
    throw new ModelError(
      'model_topology',
      'The model topology has no class_name and config: it is not a TF.js LayersModel.',
    );
  }
  return inner;
}

function readLayer(value: unknown, index: number): TopologyLayer {
  const config = isRecord(value) && isRecord(value['config']) ? value['config'] : undefined;
  if (!isRecord(value) || typeof value['class_name'] !== 'string' || config === undefined) {
    throw new ModelError('model_topology', `Layer ${index} of the model has no class_name and config.`);
  }
  const name = typeof config['name'] === 'string' ? config['name'] : '';
  return { className: value['class_name'], name, config, inbound: readInbound(value['inbound_nodes']) };
}

/** `[layer, node, tensor, …]` of a layer that is used once and has one output, as TF.js and Keras 2 write them. */
function readReference(value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  const [name, node, tensor] = value as unknown[];
  return typeof name === 'string' && node === 0 && tensor === 0 ? name : undefined;
}

function readReferences(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  if (typeof value[0] === 'string') return readReferences([value]);
  const names = value.map(readReference);
  return names.every((name) => name !== undefined) ? names : undefined;
}

function readInbound(nodes: unknown): readonly string[] | undefined {
  if (!Array.isArray(nodes) || nodes.length === 0) return [];
  return nodes.length === 1 ? readReferences(nodes[0]) : undefined;
}

/** @throws ModelError where the topology is no LayersModel or beyond the bounds. */
export function readTopology(modelTopology: unknown): Topology {
  if (JSON.stringify(modelTopology ?? null).length > topologyCharactersMax) {
    throw new ModelError('model_too_large', `The model topology is longer than ${topologyCharactersMax} characters.`);
  }
  const model = modelConfig(modelTopology);
  const config = model['config'];
  const listed = Array.isArray(config) ? config : isRecord(config) ? config['layers'] : undefined;
  if (!Array.isArray(listed) || listed.length === 0) throw new ModelError('model_topology', 'The model has no layers.');
  if (listed.length > layersMax) {
    throw new ModelError('model_too_large', `The model has ${listed.length} layers; at most ${layersMax} are allowed.`);
  }
  const graph = isRecord(config) ? config : {};
  return {
    sequential: model['class_name'] === 'Sequential',
    layers: listed.map(readLayer),
    inputs: readReferences(graph['input_layers'] ?? graph['inputLayers']) ?? [],
    outputs: readReferences(graph['output_layers'] ?? graph['outputLayers']) ?? [],
  };
}

/** The width of the model's numeric input where the first layer states it. */
export function statedInputWidth(topology: Topology): number | undefined {
  const first = topology.layers.find(({ name }) => name === topology.inputs[0]);
  for (const { config } of first === undefined ? topology.layers : [first]) {
    const shape = config['batch_input_shape'] ?? config['batchInputShape'] ?? config['batch_shape'];
    if (Array.isArray(shape)) {
      if (shape.length === 2 && typeof shape[1] === 'number') return shape[1];
      throw new ModelError(
        'model_inputs',
        `The model takes inputs of shape [${shape.join(', ')}]; a row of numbers is needed.`,
      );
    }
  }
  return undefined;
}
