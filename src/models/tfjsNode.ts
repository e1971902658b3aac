/**
 * TF.js's native backend, where `npm run setup:tfjs-node` has put it: a directory of its own, because the package cannot be
 * installed everywhere and nobody needs it. It brings a TF.js of its own, which shares the engine with ours (a global): loading
 * it adds the backend `tensorflow` to that engine, and our own core and layers run on it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { engine, env, getBackend, setBackend } from '@tensorflow/tfjs-core';
import { ModelError } from './errors.ts';

const packageName = '@tensorflow/tfjs-node';
const backendName = 'tensorflow';
const defaultDirectory = fileURLToPath(new URL('../../.services/tfjs-node', import.meta.url));

/** The package's directory: under `directory`, or where the set-up puts it; undefined where it is not installed. */
export function tfjsNodePath(directory = defaultDirectory): string | undefined {
  const path = join(resolve(directory), 'node_modules', packageName);
  return existsSync(join(path, 'package.json')) ? path : undefined;
}

/** Loads the package for what it adds to the engine; says nothing of the kernels that it registers a second time. */
async function addBackend(path: string): Promise<void> {
  // tfjs-node 4.22 calls a function that Node 23 took away (tensorflow/tfjs#8425).
  if (!('isNullOrUndefined' in util)) {
    const value = (candidate: unknown): boolean => candidate === null || candidate === undefined;
    Object.defineProperty(util, 'isNullOrUndefined', { value });
  }
  const before = getBackend();
  const quiet = env().getBool('PROD');
  env().set('PROD', true);
  try {
    createRequire(join(path, 'package.json'))(path);
  } finally {
    env().set('PROD', quiet);
    // It makes itself the backend of the process.
    if (before) await setBackend(before);
  }
}

/** Makes the native backend that of this process. @throws ModelError where it is not installed or does not start. */
export async function startTfjsNode(directory?: string): Promise<void> {
  const path = tfjsNodePath(directory);
  if (path === undefined)
    throw new ModelError(
      'model_unsupported',
      'The tfjs-node backend is not installed; npm run setup:tfjs-node installs it.',
    );
  try {
    if (!(backendName in engine().registryFactory)) await addBackend(path);
    if (!(await setBackend(backendName))) throw new Error('TF.js refuses the backend');
  } catch (error) {
    throw new ModelError(
      'model_unsupported',
      `The tfjs-node backend does not start: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
