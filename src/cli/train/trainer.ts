/** Fits networks in worker threads, as many at a time as there are cores: the main thread only waits for them. */
import { availableParallelism } from 'node:os';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { TrainingBackend } from '../../models/training/backend.ts';
import type { EpochReport, Fitted, FitTask } from '../../models/training/fit.ts';
import type { Trainer } from '../../models/training/procedure.ts';

const threadsMax = 8;

export interface TrainingPool extends Trainer {
  readonly threads: number;
  close(): Promise<void>;
}

/** @param signal when it fires, every fit that runs answers with its best epoch so far, and later ones with none */
export function createTrainer(backend: TrainingBackend, signal: AbortSignal): TrainingPool {
  const threads = Math.min(threadsMax, availableParallelism());
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const onAbort = (): void => void Atomics.store(stop, 0, 1);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  const pool = new Piscina({
    filename: new URL('../../../workers/training.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    recordTiming: false,
    workerData: { backend },
  });
  return {
    threads,
    async fit(task: FitTask, onEpoch: (report: EpochReport) => void): Promise<Fitted | undefined> {
      const { port1, port2 } = new MessageChannel();
      port1.on('message', onEpoch);
      try {
        const fitted = (await pool.run({ task, stop, port: port2 }, { transferList: [port2] })) as Fitted | undefined;
        // The answer may overtake the last messages.
        for (let left = receiveMessageOnPort(port1); left; left = receiveMessageOnPort(port1))
          onEpoch(left.message as EpochReport);
        return fitted;
      } finally {
        port1.close();
      }
    },
    async close(): Promise<void> {
      signal.removeEventListener('abort', onAbort);
      await pool.destroy();
    },
  };
}
