/**
 * The journal's thread: takes everything that waits in the ring into one transaction (group commit), commits with one
 * fsync, and answers. It sleeps on the ring, not in an event loop: waking it is one system call.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { journalPath, openReader, openWriter, statePath } from '../src/adapters/sqlite/connection.ts';
import { HotIds } from '../src/adapters/sqlite/hotIds.ts';
import { JournalWriter } from '../src/adapters/sqlite/journalWriter.ts';
import type { JournalThreadData, Reply } from '../src/adapters/sqlite/protocol.ts';
import { messageType, sharedClockMs } from '../src/adapters/sqlite/protocol.ts';
import { RingConsumer } from '../src/adapters/threads/byteRing.ts';

/** A transaction takes no further message once it holds this much: bounds its time and what a failure rejects. */
const transactionBytesMax = 4 * 1024 * 1024;
/** WAL written since the last checkpoint before the next one: when nothing waits, and when something does. */
const checkpointBytesIdle = 4 * 1024 * 1024;
const checkpointBytesBusy = 32 * 1024 * 1024;
/** A quiet moment this long is used for a checkpoint of whatever there is. */
const quietMs = 500;
/** Pages that a commit writes beside the records themselves: the unfilled last page again, its parents, positions. */
const commitOverheadBytes = 4 * 8192;
const pagePerRecordFactor = 1.25;

const data = workerData as JournalThreadData;
const port = parentPort;
if (port === null) throw new Error('workers/journal.ts is a thread');

const db = openWriter(journalPath(data.dataDir), 'FULL');
if (data.pagesMax > 0) db.exec(`PRAGMA max_page_count = ${data.pagesMax}`);
const state = openReader(statePath(data.dataDir));
const indexed = state.prepare('SELECT seq FROM ids WHERE hash = ?');
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
const hot = new HotIds();
for (let i = 0; i < data.hot.length; i += 2) hot.add(data.hot[i] as number, data.hot[i + 1] as number);
const writer = new JournalWriter(db, hot, (hash) => indexed.all(hash).map((row) => row.seq as number));
const ring = new RingConsumer(data.ring);
let walBytes = 0;

function describe(error: unknown): { message: string; code: string } {
  const code = error instanceof Error && 'errcode' in error ? `SQLITE_${String(error.errcode)}` : 'ERROR';
  return { message: error instanceof Error ? error.message : 'unknown', code };
}

/** Tickets of a failed transaction, in the reply's form. */
function ticketsOf(messages: readonly Uint8Array[]): Float64Array {
  return Float64Array.from(
    messages.flatMap((message) => [new DataView(message.buffer, message.byteOffset).getFloat64(8, true), 0, 0]),
  );
}

type Turn = 'nothing' | 'written' | 'closing';

/** One transaction of whatever waits. */
function runTransaction(): Turn {
  const messages: Uint8Array[] = [];
  let end = -1;
  let bytes = 0;
  let closing = false;
  while (bytes < transactionBytesMax && !closing) {
    const next = ring.next();
    if (next === undefined) break;
    const message = ring.data.subarray(next.offset, next.offset + next.length);
    end = next.end;
    if (new DataView(message.buffer, message.byteOffset).getUint32(0, true) === messageType.close) closing = true;
    else messages.push(message);
    bytes += next.length;
  }
  if (end < 0) return 'nothing';
  const reply = messages.length > 0 ? write(messages) : undefined;
  // Before the answer: whoever waits for room looks again when an answer comes.
  ring.release(end);
  if (reply !== undefined) port?.postMessage(reply);
  return closing ? 'closing' : 'written';
}

function write(messages: readonly Uint8Array[]): Reply {
  try {
    writer.begin(sharedClockMs());
    for (const message of messages) writer.apply(message);
    const values = writer.commit();
    walBytes += writer.bytes * pagePerRecordFactor + commitOverheadBytes;
    return { values, failure: undefined };
  } catch (error) {
    writer.rollback();
    return { values: ticketsOf(messages), failure: describe(error) };
  }
}

function runCheckpoint(): void {
  try {
    checkpoint.get();
    walBytes = 0;
  } catch {
    // Full disk or the like: the WAL grows until a later attempt succeeds; commits tell whether they can go on.
    walBytes = checkpointBytesIdle / 2;
  }
}

port.postMessage({ ready: true });
for (let turn = runTransaction(); turn !== 'closing'; turn = runTransaction()) {
  if (turn === 'written') {
    // After the answer: nobody waits for it but what arrives meanwhile.
    const busy = ring.usedBytes > 0;
    if (walBytes > (busy ? checkpointBytesBusy : checkpointBytesIdle)) runCheckpoint();
  } else if (!ring.wait(quietMs) && walBytes > 0) runCheckpoint();
}
state.close();
db.close();
port.postMessage({ closed: true });
