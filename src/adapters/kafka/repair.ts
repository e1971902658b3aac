/**
 * Faults of kafkajs 2.2.4 mended where they are, because they cannot be avoided from outside. Tests in
 * test/integration/kafka/faults.test.ts and test/unit/kafka/repair.test.ts fail without them.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

interface RequestQueue {
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}
interface Connection {
  socket: Socket | null;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<boolean>;
}

interface ConsumerGroup {
  /** Wall clock of the last heartbeat. */
  lastRequest: number;
  heartbeat(options: { readonly interval: number }): Promise<void>;
}

const load = createRequire(import.meta.url);
/** How often a queue with waiting requests looks again, as in kafkajs. */
const checkMs = 10;
/** Bytes that tell the size of a reply. */
const sizeBytes = 4;

/**
 * 1. It re-arms a timer of negative length after every response: each connection wakes its process a thousand times a second for
 * ever, and Node 24 warns of it. Here the timer is armed only when something waits, as it was meant to be.
 */
const { prototype: queue } = load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
queue.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return;
  const throttledMs = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    },
    throttledMs > 0 ? throttledMs : checkMs,
  );
};

/**
 * 2. A connection that ends in the middle of a reply keeps the half of it, and reads the replies of its next socket as the rest:
 * nothing matches any more, every request times out, and it never recovers because the socket itself is sound. Here a new socket
 * begins with nothing, and the old one cannot disturb it.
 */
const { prototype: connection } = load('kafkajs/src/network/connection') as { prototype: Connection };
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with the connection it is taken for
const { connect } = connection;
connection.connect = function reconnect(this: Connection): Promise<boolean> {
  if (!this.isConnected()) {
    for (const event of ['data', 'end', 'error', 'timeout']) this.socket?.removeAllListeners(event);
    this.socket?.on('error', () => {});
    this.socket?.destroy();
    this.chunks = [];
    this.bytesBuffered = 0;
    this.bytesNeeded = sizeBytes;
  }
  return connect.call(this);
};

/**
 * 3. It tells by the wall clock when the next heartbeat is due: set back by an hour, a consumer is silent for an hour, is put out of
 * its group, and can commit nothing, since it does not hear of it either.
 */
const { prototype: consumerGroup } = load('kafkajs/src/consumer/consumerGroup') as { prototype: ConsumerGroup };
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with the group it is taken for
const { heartbeat } = consumerGroup;
consumerGroup.heartbeat = function beat(this: ConsumerGroup, options): Promise<void> {
  if (this.lastRequest > Date.now()) this.lastRequest = 0;
  return heartbeat.call(this, options);
};
