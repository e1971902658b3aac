/** The main thread's end of the journal's thread: writes messages into the ring, and resolves them when they are durable. */
import { Worker } from 'node:worker_threads';
import { createRingMemory, RingProducer, ringMessageBytesMax } from '../threads/byteRing.ts';
import type { IndexedTail, JournalThreadData, Reply } from './protocol.ts';
import { headBytes, messageType } from './protocol.ts';

/** Bytes between the main thread and the journal's thread: the bound of what waits to be written. */
const queueBytesMax = 32 * 1024 * 1024;
const messageBytesMax = ringMessageBytesMax(queueBytesMax);

/** The transaction failed: nothing of it was written, and the store goes on. */
export class JournalWriteFailed extends Error {
  override readonly name = 'JournalWriteFailed';
  /** `SQLITE_13` (disk full), `SQLITE_10` (I/O error), … */
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/** What became of a message: rows not mentioned in `exceptions` were written, in order, from `first` on. */
export interface MessageOutcome {
  readonly first: number;
  /** row, code, row, code, … (protocol.ts). */
  readonly exceptions: Float64Array;
}

export interface OutgoingMessage {
  readonly type: number;
  readonly count: number;
  /** Bytes after the head, without the JSON. */
  readonly bodyBytes: number;
  /** Writes the body at `offset`; called once, when its turn has come, in the order of the calls to `send`. */
  readonly write: (data: Uint8Array, view: DataView, offset: number) => void;
  readonly tail: object | undefined;
}

interface Waiting {
  readonly message: OutgoingMessage;
  readonly json: Buffer | undefined;
  readonly resolve: (outcome: MessageOutcome) => void;
  readonly reject: (error: Error) => void;
}

type FromThread = Reply | { readonly ready: true } | { readonly closed: true };

export class JournalClient {
  readonly #worker: Worker;
  readonly #producer: RingProducer;
  readonly #view: DataView;
  readonly #sent = new Map<number, Pick<Waiting, 'resolve' | 'reject'>>();
  readonly #waiting: Waiting[] = [];
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #ticket = 0;
  #broken: Error | undefined;
  #closing = false;
  #onIdle: () => void = () => {};

  constructor(data: Omit<JournalThreadData, 'ring'>) {
    const ring = createRingMemory(queueBytesMax);
    this.#producer = new RingProducer(ring);
    const { data: bytes } = this.#producer;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#worker = new Worker(new URL('../../../workers/journal.ts', import.meta.url), {
      workerData: { ...data, ring } satisfies JournalThreadData,
      name: 'journal',
    });
    this.#ready.promise.catch(() => {});
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('error', (error) => this.#break(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => {
      this.#break(new Error('the journal is closed'));
      this.#closed.resolve();
    });
  }

  /** Resolves when the thread has opened its database. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Messages on their way: written and not answered, and those that wait for room. */
  get queueDepth(): number {
    return this.#sent.size + this.#waiting.length;
  }

  get queuedBytes(): number {
    return this.#producer.usedBytes;
  }

  /** Why nothing can be written any more, or undefined. */
  get failure(): Error | undefined {
    return this.#broken;
  }

  /**
   * Resolves when the message's transaction is durable. Messages are applied in the order of the calls.
   * Rejects with JournalWriteFailed when the transaction failed, with nothing of it written.
   */
  send(message: OutgoingMessage): Promise<MessageOutcome> {
    if (this.#broken !== undefined || this.#closing) {
      return Promise.reject(this.#broken ?? new Error('the journal is closing'));
    }
    const json = message.tail === undefined ? undefined : Buffer.from(JSON.stringify(message.tail));
    const bytes = headBytes + message.bodyBytes + (json?.length ?? 0);
    if (bytes > messageBytesMax)
      return Promise.reject(new RangeError(`a batch of ${bytes} bytes is over ${messageBytesMax}`));
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { message, json, resolve, reject };
      if (this.#waiting.length > 0 || !this.#write(waiting)) this.#waiting.push(waiting);
    });
  }

  /** Tells the thread that state.db has every id through `throughSeq`: it need not remember them. */
  indexed(throughSeq: number): void {
    const tail = { throughSeq } satisfies IndexedTail;
    // Of no consequence when it fails: the thread remembers longer than it must.
    this.send({ type: messageType.indexed, count: 0, bodyBytes: 0, write: () => {}, tail }).catch(() => {});
  }

  /** Writes out what waits and ends the thread. */
  async close(): Promise<void> {
    if (!this.#closing && this.failure === undefined) {
      this.#closing = true;
      if (this.queueDepth > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
      this.#writeClose();
    }
    await this.#closed.promise;
  }

  #write(waiting: Waiting): boolean {
    const { message, json } = waiting;
    const jsonBytes = json?.length ?? 0;
    const bytes = headBytes + message.bodyBytes + jsonBytes;
    const offset = this.#producer.reserve(bytes);
    if (offset < 0) return false;
    this.#writeHead(offset, message, jsonBytes);
    try {
      message.write(this.#producer.data, this.#view, offset + headBytes);
    } catch (error) {
      waiting.reject(error instanceof Error ? error : new Error(String(error)));
      return true;
    }
    if (json !== undefined) this.#producer.data.set(json, offset + bytes - jsonBytes);
    this.#sent.set(this.#ticket, waiting);
    this.#producer.publish(bytes);
    return true;
  }

  #writeHead(offset: number, { type, count }: { type: number; count: number }, jsonBytes: number): void {
    this.#ticket++;
    this.#view.setUint32(offset, type, true);
    this.#view.setUint32(offset + 4, count, true);
    this.#view.setFloat64(offset + 8, this.#ticket, true);
    this.#view.setUint32(offset + 16, jsonBytes, true);
  }

  #writeClose(): void {
    if (this.#broken !== undefined) return;
    const offset = this.#producer.reserve(headBytes);
    if (offset < 0) throw new Error('the ring is full though everything was answered');
    this.#writeHead(offset, { type: messageType.close, count: 0 }, 0);
    this.#producer.publish(headBytes);
  }

  #receive(message: FromThread): void {
    if ('ready' in message) this.#ready.resolve();
    else if ('values' in message) {
      this.#settle(message);
      while (this.#waiting.length > 0 && this.#write(this.#waiting[0] as Waiting)) this.#waiting.shift();
      if (this.queueDepth === 0) this.#onIdle();
    }
  }

  #settle({ values, failure }: Reply): void {
    for (let at = 0; at < values.length; ) {
      const exceptions = values[at + 2] as number;
      const end = at + 3 + exceptions * 2;
      const ticket = values[at] as number;
      const sent = this.#sent.get(ticket);
      this.#sent.delete(ticket);
      if (failure !== undefined) sent?.reject(new JournalWriteFailed(failure.message, failure.code));
      else sent?.resolve({ first: values[at + 1] as number, exceptions: values.subarray(at + 3, end) });
      at = end;
    }
  }

  /** The thread is gone: everything unanswered is of unknown fate to the caller, and no more is taken. */
  #break(error: Error): void {
    this.#broken ??= error;
    this.#ready.reject(this.#broken);
    for (const { reject } of [...this.#sent.values(), ...this.#waiting]) reject(this.#broken);
    this.#sent.clear();
    this.#waiting.length = 0;
    this.#onIdle();
  }
}
