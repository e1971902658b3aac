/** `holdfast model import PATH --mapping FILE --out DIR`: a model that others have made, checked against a release and written as ours. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { loadEnvironment } from '../../config/env.ts';
import { failed, wrongUsage } from '../../config/exit.ts';
import { Frame } from '../../features/frame.ts';
import { writeModelDirectory } from '../../models/directory.ts';
import { ModelError } from '../../models/errors.ts';
import { importModel, type ModelMapping, readMapping } from '../../models/import.ts';
import { uniform } from '../../models/training/random.ts';
import type { BoundModel, ModelArtefact } from '../../models/types.ts';
import { type CompiledRelease, compileRelease, ReleaseRefused } from '../../releases/compile.ts';
import { releaseNamed } from '../releaseNamed.ts';

interface ImportOptions {
  readonly mapping: string;
  readonly out: string;
  readonly release: string;
  readonly json: boolean;
}

const defaultRelease = resolve(import.meta.dirname, '../../../config/default');
const probedRows = 256;

function readMappingFile(path: string): ModelMapping {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The mapping ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return readMapping(json);
}

/** Facts of every size and missing ones: whatever comes, the answer must be a probability. */
function probe(model: BoundModel, { layout }: CompiledRelease): void {
  const random = uniform(1);
  const frame = new Frame(layout, probedRows);
  frame.rows = probedRows;
  const cell = (row: number): number =>
    row === 0 || random() < 0.1 ? Number.NaN : (random() * 2 - 0.5) * 10 ** (row % 12);
  for (const column of frame.numbers) for (let row = 0; row < probedRows; row++) column[row] = cell(row);
  frame.codes.forEach((column, at) => {
    const codes = (layout.categorical[at]?.vocabulary.length ?? 0) + 2;
    for (let row = 0; row < probedRows; row++) column[row] = Math.floor(random() * codes);
  });
  const answers = new Float64Array(probedRows);
  model.score(frame, answers);
  const bad = answers.find((answer) => !(answer >= 0 && answer <= 1));
  if (bad !== undefined)
    throw new ModelError(
      'model_output',
      `The model answers ${bad} for a payment; a probability from 0 to 1 is needed.`,
    );
}

async function check(artefact: ModelArtefact, release: string): Promise<BoundModel> {
  const environment = loadEnvironment();
  const bundle = await releaseNamed(release, environment.dataDir);
  const compiled = await compileRelease({ ...bundle, model: artefact }, environment.models);
  if (compiled.model === null) throw new Error('a release with a model has one');
  probe(compiled.model, compiled);
  return compiled.model;
}

async function run(path: string, options: ImportOptions): Promise<void> {
  const out = resolve(options.out);
  if (existsSync(join(out, 'model.json')))
    throw wrongUsage(`${options.out} holds a model already; name a directory that does not.`);
  try {
    const artefact = await importModel(resolve(path), readMappingFile(options.mapping));
    const model = await check(artefact, options.release);
    const card = { ...artefact.card, version: model.version };
    await writeModelDirectory(out, { ...artefact, card });
    const { id, version, backend } = model;
    const text = `${id} ${version}\n${card.inputs.length} inputs, scored by ${backend}; written to ${options.out}`;
    process.stdout.write(`${options.json ? JSON.stringify({ id, version, backend, out }) : text}\n`);
  } catch (error) {
    if (error instanceof ModelError || error instanceof ReleaseRefused) throw failed(error.message);
    throw error;
  }
}

export function importCommand(): Command {
  return new Command('import')
    .description('make a Keras or TF.js LayersModel, or an ONNX tree ensemble, a model of ours')
    .argument('<path>', "a directory with TF.js's model.json, or an .onnx file")
    .requiredOption('--mapping <file>', 'JSON: which fact each input of the model is')
    .requiredOption('--out <directory>', 'where the model is written')
    .option('--release <id or directory>', 'the release whose facts it is to use', defaultRelease)
    .option('--json', 'one JSON document on stdout', false)
    .action(run);
}
