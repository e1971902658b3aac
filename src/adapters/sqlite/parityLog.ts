/** The journal as the parity check reads it: its stamps say in which order the velocity state saw what it holds. */
import type { ParityLog } from '../../pipeline/parity.ts';
import type { JournalEntry } from '../../pipeline/sink.ts';
import type { JournalReader } from './reader.ts';
import { inStampOrder } from './recovery.ts';

/** Entries read at once. */
const pageEntries = 1_000;

export function createParityLog(reader: Pick<JournalReader, 'entries' | 'stamps' | 'firstSeq' | 'lastSeq'>): ParityLog {
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
