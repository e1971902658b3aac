/** The journal as the parity check reads it: its stamps say in which order the velocity state saw what it holds. */
import { compileFeatures } from '../../features/program.ts';
import type { ParityLog } from '../../pipeline/parityTypes.ts';
import type { OpenParity } from '../../pipeline/parityJob.ts';
import type { JournalEntry } from '../../pipeline/sink.ts';
import { ReleaseStore } from '../../releases/store.ts';
import { createVelocityMemory } from '../memory/velocity.ts';
import { type JournalReader, openJournalReader } from './reader.ts';
import { inStampOrder } from './recovery.ts';

/** Entries read at once. */
const pageEntries = 1_000;

function createParityLog(reader: Pick<JournalReader, 'entries' | 'stamps' | 'firstSeq' | 'lastSeq'>): ParityLog {
  function* recent(fromSeq: number): Generator<JournalEntry> {
    for (let next = fromSeq; ; ) {
      const page = reader.entries(next, pageEntries);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      next = last.seq + 1;
    }
  }

  function* inOrder(): Generator<JournalEntry> {
    for (const seq of inStampOrder(reader, 1, -1)) yield* reader.entries(seq, 1);
  }

  return { ends: () => ({ first: reader.firstSeq(), last: reader.lastSeq() }), recent, inOrder };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The check over a data directory's journal and releases. Throws while there is no journal. */
export function openParity(dataDir: string): OpenParity {
  const reader = openJournalReader(dataDir);
  const releases = new ReleaseStore(dataDir);
  return {
    tools: {
      log: createParityLog(reader),
      programOf: (releaseId) => compileFeatures(releases.read(releaseId).bundle.features),
      createMemory: (program) => createVelocityMemory(program),
      pause: nextTurn,
    },
    close: () => reader.close(),
  };
}
