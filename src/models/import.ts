/** Models that others have made, as ours: a Keras or TF.js LayersModel's directory, or an ONNX tree ensemble, with a mapping to facts. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import Value from 'typebox/value';
import { backgroundRowsMax, factMagnitudeMax, modelInputsMax } from './bounds.ts';
import { readLayersModel } from './directory.ts';
import { ModelError } from './errors.ts';
import { readOnnxTrees } from './onnx/trees.ts';
import { categoryInputSchema, modelSchema } from './schema.ts';
import { treeArtefact } from './trees.ts';
import type { CardInput, ModelArtefact } from './types.ts';

const closed = { additionalProperties: false } as const;

/** Which fact each input of the model is, in the model's order. */
const mappingSchema = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 128 }),
    about: Type.Optional(Type.String({ maxLength: 4000 })),
    inputs: Type.Array(
      Type.Union([
        Type.Object(
          {
            fact: Type.String({ minLength: 1 }),
            transform: Type.Optional(Type.Enum(['none', 'signedLog1p'])),
            missing: Type.Optional(
              Type.Union([Type.Number({ minimum: -factMagnitudeMax, maximum: factMagnitudeMax }), Type.Null()]),
            ),
          },
          closed,
        ),
        Type.Object(categoryInputSchema.properties, closed),
      ]),
      { minItems: 1, maxItems: modelInputsMax },
    ),
    background: Type.Optional(
      Type.Array(Type.Array(Type.Union([Type.Number(), Type.String(), Type.Null()])), { maxItems: backgroundRowsMax }),
    ),
  },
  closed,
);
export type ModelMapping = Static<typeof mappingSchema>;

/** @throws ModelError that names the first thing wrong */
export function readMapping(mapping: unknown): ModelMapping {
  if (Value.Check(mappingSchema, mapping)) return mapping;
  const [problem] = Value.Errors(mappingSchema, mapping);
  const at = problem === undefined ? '' : `${problem.instancePath || '/'} ${problem.message}`;
  throw new ModelError(
    'model_inputs',
    `The mapping is not {"id": …, "inputs": [{"fact": …, "transform": "none" or "signedLog1p", "missing": number or null} or {"fact": …, "kind": "category", "vocabulary": […]}, …]}: ${at}.`,
  );
}

function cardInput(input: ModelMapping['inputs'][number]): CardInput {
  if ('kind' in input) return input;
  return { fact: input.fact, transform: input.transform ?? 'none', missing: input.missing ?? 0 };
}

/** Positions of inputs that a tree ensemble is to see as missing where the fact is. */
function keptMissing({ inputs }: ModelMapping): readonly number[] {
  return inputs.flatMap((input, at) => (!('kind' in input) && input.missing === null ? [at] : []));
}

type Network = Pick<ModelArtefact, 'modelTopology' | 'weightSpecs' | 'weightData'>;

interface Source {
  readonly network: Network;
  readonly format: 'layers-model' | 'onnx';
  readonly file: string;
  readonly sha256: string;
}

const sha256 = (...parts: readonly (string | Uint8Array)[]): string =>
  parts.reduce<ReturnType<typeof createHash>>((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

async function readOnnx(path: string, mapping: ModelMapping): Promise<Source> {
  const bytes = await readFile(path);
  const { trees, width } = readOnnxTrees(bytes);
  if (width !== undefined && width !== mapping.inputs.length)
    throw new ModelError(
      'model_inputs',
      `The ONNX model takes ${width} inputs, but the mapping lists ${mapping.inputs.length}.`,
    );
  const network = treeArtefact(trees, keptMissing(mapping));
  return { network, format: 'onnx', file: basename(path), sha256: sha256(bytes) };
}

async function readLayers(directory: string, mapping: ModelMapping): Promise<Source> {
  const kept = keptMissing(mapping)[0];
  if (kept !== undefined)
    throw new ModelError(
      'model_inputs',
      `The mapping says null for a missing ${mapping.inputs[kept]?.fact ?? ''}; a network needs a number there.`,
    );
  const network = await readLayersModel(directory);
  return {
    network,
    format: 'layers-model',
    file: basename(directory),
    sha256: sha256(JSON.stringify(network.modelTopology), Buffer.from(network.weightData, 'base64')),
  };
}

const otherFormats: ReadonlySet<string> = new Set([
  '.h5',
  '.hdf5',
  '.keras',
  '.pb',
  '.pkl',
  '.joblib',
  '.json',
  '.ubj',
]);

async function readSource(path: string, mapping: ModelMapping): Promise<Source> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch {
    throw new ModelError('model_unreadable', `${path} cannot be read: there is no such file or directory.`);
  }
  if (isDirectory) return readLayers(path, mapping);
  if (basename(path) === 'model.json') return readLayers(dirname(path), mapping);
  const extension = extname(path).toLowerCase();
  if (extension === '.onnx') return readOnnx(path, mapping);
  const hint = otherFormats.has(extension)
    ? 'convert Keras with tensorflowjs_converter, and tree ensembles to ONNX with onnxmltools or skl2onnx'
    : 'give a directory with model.json, or an .onnx file';
  throw new ModelError('model_unreadable', `${path} is in a format that is not read here; ${hint}.`);
}

/**
 * Reads and maps; binding the artefact (bind.ts) is what checks it.
 * @param path a LayersModel's directory (or its model.json), or an .onnx file
 * @throws ModelError (as a rejection), a sentence that says what to do
 */
export async function importModel(path: string, mapping: ModelMapping): Promise<ModelArtefact> {
  const { network, format, file, sha256: hash } = await readSource(path, mapping);
  const artefact: ModelArtefact = {
    ...network,
    card: {
      id: mapping.id,
      about: mapping.about ?? `Imported from ${join(file)}.`,
      source: { format, file, sha256: hash },
      inputs: mapping.inputs.map(cardInput),
    },
    ...(mapping.background === undefined ? {} : { background: mapping.background }),
  };
  if (!Value.Check(modelSchema, artefact))
    throw new ModelError('model_unreadable', `${path} is not a model as TF.js or ONNX write it.`);
  return artefact;
}
