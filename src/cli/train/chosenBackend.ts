/** The backend an option asks for, checked. */
import { wrongUsage } from '../../config/exit.ts';
import { defaultTrainingBackend, type TrainingBackend } from '../../models/training/backend.ts';
import { tfjsNodePath } from '../../models/tfjsNode.ts';

/** @throws CommandError (exit code 2) where it is not installed */
export function chosenBackend(asked: TrainingBackend | 'auto'): TrainingBackend {
  if (asked === 'auto') return defaultTrainingBackend();
  if (asked === 'tfjs-node' && tfjsNodePath() === undefined)
    throw wrongUsage('The tfjs-node backend is not installed: run npm run setup:tfjs-node, or take --backend wasm.');
  return asked;
}
