/**
 * A model's directory, TF.js's own format: model.json (topology and weights manifest), the weights' binary files, and beside
 * them card.json. The only part of this room that touches the disk.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { weightBytesMax } from './bounds.ts';
import { ModelError } from './errors.ts';
import type { ModelArtefact, ModelCard } from './types.ts';
import { weightBytes } from './weights.ts';

const weightsFile = 'weights.bin';
const backgroundFile = 'background.json';

interface ModelJson {
  readonly modelTopology?: unknown;
  readonly weightsManifest?: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly { name: string; shape: number[]; dtype: string }[];
  }[];
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new ModelError(
      'model_unreadable',
      `${path} ${what}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function readWeights(directory: string, paths: readonly string[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const path of paths) {
    if (path.includes('/') || path.includes('\\') || path.startsWith('.')) {
      throw new ModelError(
        'model_unreadable',
        `model.json names the weights file ${JSON.stringify(path)}; only a plain file name is allowed.`,
      );
    }
    try {
      parts.push(await readFile(join(directory, path)));
    } catch (error) {
      throw new ModelError(
        'model_unreadable',
        `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const whole = Buffer.concat(parts);
  if (whole.length > weightBytesMax)
    throw new ModelError('model_too_large', `The model has more than ${weightBytesMax} bytes of weights.`);
  return whole;
}

/** Topology and weights alone. @throws ModelError (as a rejection) where a file is missing or not what it should be. */
export async function readLayersModel(directory: string): Promise<Omit<ModelArtefact, 'card' | 'background'>> {
  const json = (await readJson(join(directory, 'model.json'))) as ModelJson | null;
  const manifest = json?.weightsManifest;
  if (json?.modelTopology === undefined || !Array.isArray(manifest)) {
    throw new ModelError(
      'model_unreadable',
      `${join(directory, 'model.json')} has no modelTopology and weightsManifest: it is not TF.js's layers format.`,
    );
  }
  const groups = manifest as NonNullable<ModelJson['weightsManifest']>;
  const weights = await readWeights(
    directory,
    groups.flatMap((group) => group.paths),
  );
  return {
    modelTopology: json.modelTopology,
    weightSpecs: groups.flatMap((group) => group.weights).map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    weightData: weights.toString('base64'),
  };
}

/** @throws ModelError (as a rejection) where a file is missing or not what it should be. */
export async function readModelDirectory(directory: string): Promise<ModelArtefact> {
  const network = await readLayersModel(directory);
  const card = (await readJson(join(directory, 'card.json'))) as ModelCard | null;
  if (card === null || typeof card !== 'object')
    throw new ModelError('model_unreadable', 'card.json is not an object.');
  return { ...network, card, ...(await readBackground(directory)) };
}

/** Its content is checked against the card's inputs when the model is bound. */
async function readBackground(directory: string): Promise<Pick<ModelArtefact, 'background'>> {
  const path = join(directory, backgroundFile);
  if (!existsSync(path)) return {};
  const background = await readJson(path);
  if (!isTable(background))
    throw new ModelError('model_unreadable', `${path} is not a list of rows, each a list of numbers, texts and nulls.`);
  return { background };
}

function isTable(value: unknown): value is NonNullable<ModelArtefact['background']> {
  const isCell = (cell: unknown) => cell === null || typeof cell === 'number' || typeof cell === 'string';
  return Array.isArray(value) && value.every((row) => Array.isArray(row) && row.every(isCell));
}

/**
 * Writes beside the goal and moves into place file by file, weights first, so that an interruption leaves no half-written file.
 * A background of a model that was there before does not stay behind.
 */
export async function writeModelDirectory(directory: string, artefact: ModelArtefact): Promise<void> {
  const modelJson = {
    format: 'layers-model',
    generatedBy: 'holdfast train',
    convertedBy: null,
    modelTopology: artefact.modelTopology,
    weightsManifest: [{ paths: [weightsFile], weights: artefact.weightSpecs }],
  };
  await mkdir(directory, { recursive: true });
  const files: [string, string | Uint8Array][] = [
    [weightsFile, weightBytes(artefact.weightData)],
    ['model.json', `${JSON.stringify(modelJson, null, 2)}\n`],
    ['card.json', `${JSON.stringify(artefact.card, null, 2)}\n`],
    ...(artefact.background === undefined
      ? []
      : [[backgroundFile, `${JSON.stringify(artefact.background)}\n`] satisfies [string, string]]),
  ];
  const temporary = (name: string) => join(directory, `.${name}.writing`);
  try {
    for (const [name, content] of files) await writeFile(temporary(name), content);
    for (const [name] of files) await rename(temporary(name), join(directory, name));
    if (artefact.background === undefined) await rm(join(directory, backgroundFile), { force: true });
  } finally {
    for (const [name] of files) await rm(temporary(name), { force: true });
  }
}
