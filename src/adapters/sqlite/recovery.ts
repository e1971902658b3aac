/** Brings the velocity state to what the journal says: replays what the stored entities do not hold yet. */
import { createPaymentDecoder } from '../../domain/decode.ts';
import { Payment } from '../../domain/payment.ts';
import type { IdIndex } from './idIndex.ts';
import type { JournalReader } from './reader.ts';
import type { VelocityMemory } from '../../features/types.ts';
import { keyText } from './storageHooks.ts';
import type { StateClient } from './stateClient.ts';

export interface RecoveryProgress {
  readonly replayed: number;
  readonly total: number;
}

export interface RecoveryOptions {
  readonly reader: Pick<JournalReader, 'entries' | 'stamps' | 'lastSeq'>;
  readonly state: Pick<StateClient, 'stampOf'>;
  readonly index: Pick<IdIndex, 'find'>;
  readonly memory: VelocityMemory;
  /** Every stored entity holds its changes through this stamp. */
  readonly checkpoint: number;
  readonly fromSeq: number;
  readonly onProgress: (progress: RecoveryProgress) => void;
}

/** Rows put into the order of their stamps at once; rows overtake each other only within the batches in flight. */
const windowRows = 65_536;
/** Rows replayed before other work gets a turn. */
const sliceRows = 2_000;

/** @returns how many rows were replayed. Rejects when a recorded payment no longer decodes. */
export async function replayJournal(options: RecoveryOptions): Promise<number> {
  const { reader, checkpoint, fromSeq, onProgress } = options;
  const replay = createReplay(options);
  const total = Math.max(0, reader.lastSeq() - fromSeq + 1);
  let replayed = 0;
  for (const seq of inStampOrder(reader, fromSeq, checkpoint)) {
    replay(seq);
    replayed++;
    if (replayed % sliceRows !== 0) continue;
    onProgress({ replayed, total });
    await new Promise((resolve) => setImmediate(resolve));
  }
  onProgress({ replayed, total: replayed });
  return replayed;
}

function createReplay({ reader, state, index, memory }: RecoveryOptions): (seq: number) => void {
  const decoder = createPaymentDecoder();
  const stamps = new Map<string, number>();
  const storedStamp = (key: Uint8Array): number => {
    const text = keyText(key);
    let stamp = stamps.get(text);
    if (stamp === undefined) {
      stamp = state.stampOf(key) ?? -1;
      stamps.set(text, stamp);
    }
    return stamp;
  };
  const decode = (bytes: Uint8Array): Payment => {
    const payment = decoder.decode(bytes, Number.POSITIVE_INFINITY);
    if (!(payment instanceof Payment)) throw new Error('a recorded payment no longer decodes');
    return payment;
  };
  return (seq) => {
    const entry = reader.entries(seq, 1)[0];
    if (entry === undefined) return;
    const { stamp } = entry;
    const lacksIt = (key: Uint8Array): boolean => storedStamp(key) < stamp;
    if (entry.kind === 'decision') {
      const { tenantId, payment } = entry.record;
      memory.reappend(tenantId, decode(payment), stamp, lacksIt);
      return;
    }
    const { tenantId, paymentId, label } = entry.label;
    const record = index.find(tenantId, paymentId);
    if (record === undefined) return;
    memory.markLabel(tenantId, { payment: decode(record.payment), fraud: label === 'fraud' }, stamp, lacksIt);
  };
}

/** Rows with a stamp over `checkpoint`, in the order in which velocity saw them. */
export function* inStampOrder(
  reader: Pick<RecoveryOptions['reader'], 'stamps'>,
  fromSeq: number,
  checkpoint: number,
): Generator<number> {
  let waiting: { seq: number; stamp: number }[] = [];
  let next = fromSeq;
  for (let more = true; more; ) {
    const rows = reader.stamps(next, windowRows);
    more = rows.length === windowRows;
    next = (rows.at(-1)?.seq ?? next) + 1;
    waiting = waiting.concat(rows.filter(({ stamp }) => stamp > checkpoint));
    waiting.sort((a, b) => a.stamp - b.stamp || a.seq - b.seq);
    const certain = more ? Math.max(0, waiting.length - windowRows / 2) : waiting.length;
    for (let i = 0; i < certain; i++) yield (waiting[i] as { seq: number }).seq;
    waiting = waiting.slice(certain);
  }
}
