/** Models as people name them on the command line: a model's directory, or one of the registry. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { failed, wrongUsage } from '../../config/exit.ts';
import { readModelDirectory } from '../../models/directory.ts';
import { ModelError } from '../../models/errors.ts';
import { isModel, type RegisteredModel, type ModelStore } from '../../releases/models.ts';

/** Reads a model's directory and keeps it. @throws CommandError where it is none */
export async function addDirectory(store: ModelStore, directory: string): Promise<RegisteredModel> {
  try {
    const artefact = await readModelDirectory(resolve(directory));
    if (!isModel(artefact)) throw new ModelError('model_unreadable', 'its card does not say its id and inputs.');
    return store.add(artefact);
  } catch (error) {
    if (error instanceof ModelError) throw failed(`${directory} is no model that can be used: ${error.message}`);
    throw error;
  }
}

/**
 * The model in a directory (kept by that), or the registered one that the name is the id of, or begins the version or key of.
 * @throws CommandError where there is none, or more than one.
 */
export async function modelNamed(store: ModelStore, name: string): Promise<RegisteredModel> {
  if (existsSync(join(resolve(name), 'model.json'))) return addDirectory(store, name);
  const [found, ...others] = store.find(name);
  if (found === undefined) {
    throw wrongUsage(`No model is called ${name} or begins with it; \`holdfast model list\` lists them.`);
  }
  if (others.length > 0) {
    const keys = [found, ...others].map(({ key }) => key.slice(0, 12)).join(', ');
    throw wrongUsage(`More than one model is called ${name}: name one by its key (${keys}).`);
  }
  return found;
}
