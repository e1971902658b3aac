/** The parity check over a data directory's journal and releases. */
import { createVelocityMemory } from '../adapters/memory/velocity.ts';
import { createParityLog } from '../adapters/sqlite/parityLog.ts';
import type { JournalReader } from '../adapters/sqlite/reader.ts';
import { compileFeatures } from '../features/program.ts';
import type { ParityOptions } from '../pipeline/parity.ts';
import { ReleaseStore } from '../releases/store.ts';

/** Far longer than a payment is between its place in the velocity state and its place in the journal. */
export const settledMs = 10_000;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function parityOptions(
  reader: JournalReader,
  dataDir: string,
): Pick<ParityOptions, 'log' | 'programOf' | 'createMemory' | 'pause'> {
  const releases = new ReleaseStore(dataDir);
  return {
    log: createParityLog(reader),
    programOf: (releaseId) => compileFeatures(releases.read(releaseId).bundle.features),
    createMemory: (program) => createVelocityMemory(program),
    pause: nextTurn,
  };
}
