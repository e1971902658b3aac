/** The thread of state.db: nothing waits for it, so it steps back for those that somebody waits for. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { openWriter, statePath } from '../src/adapters/sqlite/connection.ts';
import type { FromState, StateThreadData, ToState } from '../src/adapters/sqlite/stateProtocol.ts';
import { StateWriter } from '../src/adapters/sqlite/stateWriter.ts';

const niceness = 5;

const data = workerData as StateThreadData;
const port = parentPort;
if (port === null) throw new Error('workers/state.ts is a thread');
// On Linux a priority belongs to the calling thread; elsewhere the whole process would step back.
if (process.platform === 'linux') {
  try {
    setPriority(niceness);
  } catch {
    // Only speed depends on it.
  }
}

/** Stored since the last checkpoint before the next one: each makes the disk busy that the journal is waiting for. */
const checkpointBytes = 8 * 1024 * 1024;
let flushedBytes = 0;

const db = openWriter(statePath(data.dataDir), 'NORMAL');
const writer = new StateWriter(db);
const answer = (message: FromState): void => port.postMessage(message);

/** Slice by slice, so that a flush need not wait for the whole index. */
function fill(memory: SharedArrayBuffer, after: number): void {
  const next = writer.fill(memory, after);
  if (next === undefined) answer({ type: 'filled' });
  else setImmediate(() => fill(memory, next));
}

function fillKeys(memory: SharedArrayBuffer, after: Uint8Array): void {
  const next = writer.fillKeys(memory, after);
  if (next === undefined) answer({ type: 'keysFilled' });
  else setImmediate(() => fillKeys(memory, next));
}

function handle(message: ToState): void {
  switch (message.type) {
    case 'flush': {
      const startedMs = performance.now();
      writer.flush(message);
      flushedBytes += message.entities.byteLength + message.ids.byteLength;
      if (flushedBytes > checkpointBytes) {
        writer.checkpoint();
        flushedBytes = 0;
      }
      answer({ type: 'done', tookMs: performance.now() - startedMs });
      return;
    }
    case 'fill': {
      fill(message.memory, -1);
      return;
    }
    case 'fillKeys': {
      fillKeys(message.memory, new Uint8Array(0));
      return;
    }
    case 'dropVelocity':
      writer.dropVelocity(message.fingerprint);
      {
        answer({ type: 'done', tookMs: 0 });
        return;
      }
    case 'close':
      db.close();
      answer({ type: 'closed' });
      port?.close();
  }
}

port.on('message', (message: ToState) => {
  try {
    handle(message);
  } catch (error) {
    answer({ type: 'failed', message: error instanceof Error ? error.message : 'unknown' });
  }
});
