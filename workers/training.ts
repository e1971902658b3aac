/** A training worker (piscina): fits one network; the table lies in shared memory, each epoch is told through the port. */
import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'node:worker_threads';
import { startTrainingBackend, type TrainingBackend } from '../src/models/training/backend.ts';
import { type Fitted, type FitTask, fit } from '../src/models/training/fit.ts';

export interface TrainingWorkerTask {
  readonly task: FitTask;
  /** Not 0: stop at the next step and answer with the best so far. */
  readonly stop: Int32Array;
  readonly port: MessagePort;
}

const { backend } = workerData as { backend: TrainingBackend };
await startTrainingBackend(backend);

export default function train({ task, stop, port }: TrainingWorkerTask): Fitted | undefined {
  return fit(task, {
    stopped: () => Atomics.load(stop, 0) !== 0,
    onEpoch: (report) => port.postMessage(report),
  });
}
