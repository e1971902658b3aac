/** Which of TF.js's backends trains. */
import { version_core } from '@tensorflow/tfjs-core';
import { startWasmBackend } from '../tensorflow.ts';
import { startTfjsNode, tfjsNodePath } from '../tfjsNode.ts';

export const trainingBackends = ['wasm', 'tfjs-node'] as const;
export type TrainingBackend = (typeof trainingBackends)[number];

/** Native where it is installed, else WebAssembly. */
export const defaultTrainingBackend = (): TrainingBackend => (tfjsNodePath() === undefined ? 'wasm' : 'tfjs-node');

export const trainingLibrary = (backend: TrainingBackend): string =>
  `@tensorflow/tfjs-core ${version_core}, ${backend === 'wasm' ? 'WebAssembly backend' : 'native backend (tfjs-node)'}`;

/** @throws ModelError where the backend is not installed or does not start */
export async function startTrainingBackend(backend: TrainingBackend): Promise<void> {
  await (backend === 'wasm' ? startWasmBackend() : startTfjsNode());
}
