/**
 * Gathers appends into sends, one send at a time: what comes while one is on its way goes with the next. kafkajs loses
 * messages when sends overlap after a lost reply, and a later send could overtake the repetition of an earlier one.
 */
import { LogUnavailable } from '../../pipeline/logErrors.ts';

export interface OutMessage {
  readonly key: string;
  readonly value: Uint8Array;
}
export interface TopicMessages {
  readonly topic: string;
  readonly messages: OutMessage[];
}

export interface BatcherOptions {
  readonly send: (topicMessages: readonly TopicMessages[]) => Promise<void>;
  readonly sendBytesMax: number;
  readonly sendMessagesMax: number;
  readonly messageBytesMax: number;
  readonly queueBytesMax: number;
  readonly appendMsMax: number;
}

/** What a record costs beside its key and value, about. */
const recordBytes = 32;

/** One call of `append`: settled once, when its last part is acknowledged, one failed, or its time is over. */
class Append {
  readonly done: Promise<void>;
  partsLeft: number;
  settled = false;
  readonly #settle: (error?: Error) => void;

  constructor(parts: number, msMax: number) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.partsLeft = parts;
    const timer = setTimeout(() => this.fail(new LogUnavailable(`not acknowledged within ${msMax} ms`)), msMax);
    this.#settle = (error) => {
      clearTimeout(timer);
      this.settled = true;
      if (error === undefined) resolve();
      else reject(error);
    };
  }

  partSent(): void {
    if (--this.partsLeft === 0 && !this.settled) this.#settle();
  }

  fail(error: Error): void {
    if (!this.settled) this.#settle(error);
  }
}

interface Part {
  readonly append: Append;
  readonly topic: string;
  readonly messages: readonly OutMessage[];
  readonly bytes: number;
}

export class SendBatcher {
  readonly #options: BatcherOptions;
  readonly #queue: Part[] = [];
  #queuedBytes = 0;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** @throws RangeError for a message that no broker takes; rejects with LogUnavailable when it is not known to be durable */
  append(topic: string, messages: readonly OutMessage[]): Promise<void> {
    if (messages.length === 0) return Promise.resolve();
    if (this.#closed) return Promise.reject(new LogUnavailable('the log is closed'));
    const slices = this.#slices(messages);
    const bytes = slices.reduce((sum, slice) => sum + slice.bytes, 0);
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.queueBytesMax) {
      return Promise.reject(new LogUnavailable('the queue of unacknowledged messages is full'));
    }
    const append = new Append(slices.length, this.#options.appendMsMax);
    for (const slice of slices) this.#queue.push({ append, topic, ...slice });
    this.#queuedBytes += bytes;
    this.#sending ??= this.#sendAll();
    return append.done;
  }

  /** Takes no more; resolves when what was taken is settled and nothing is on its way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
  }

  /** Parts of an append, each small enough for one send. */
  #slices(messages: readonly OutMessage[]): { messages: OutMessage[]; bytes: number }[] {
    const { sendBytesMax, sendMessagesMax, messageBytesMax } = this.#options;
    const slices: { messages: OutMessage[]; bytes: number }[] = [];
    let last: { messages: OutMessage[]; bytes: number } | undefined;
    for (const message of messages) {
      const size = recordBytes + Buffer.byteLength(message.key) + message.value.length;
      if (size > messageBytesMax) throw new RangeError(`a message of ${size} bytes is over ${messageBytesMax}`);
      if (last === undefined || last.bytes + size > sendBytesMax || last.messages.length >= sendMessagesMax) {
        slices.push((last = { messages: [], bytes: 0 }));
      }
      last.messages.push(message);
      last.bytes += size;
    }
    return slices;
  }

  async #sendAll(): Promise<void> {
    // Appends of the same turn of the event loop go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const parts = this.#take();
      try {
        if (parts.length > 0) await this.#options.send(byTopic(parts));
        for (const { append } of parts) append.partSent();
      } catch (error) {
        for (const { append } of parts) append.fail(error instanceof Error ? error : new Error(String(error)));
      } finally {
        for (const { bytes } of parts) this.#queuedBytes -= bytes;
      }
    }
    this.#sending = undefined;
  }

  /** The next send's parts, in order; the rest of appends that failed is dropped. */
  #take(): Part[] {
    const { sendBytesMax, sendMessagesMax } = this.#options;
    const parts: Part[] = [];
    let bytes = 0;
    let messages = 0;
    let taken = 0;
    for (const part of this.#queue) {
      if (part.append.settled) this.#queuedBytes -= part.bytes;
      else {
        const over = bytes + part.bytes > sendBytesMax || messages + part.messages.length > sendMessagesMax;
        if (over && parts.length > 0) break;
        parts.push(part);
        bytes += part.bytes;
        messages += part.messages.length;
      }
      taken++;
    }
    this.#queue.splice(0, taken);
    return parts;
  }
}

function byTopic(parts: readonly Part[]): TopicMessages[] {
  const topics = new Map<string, OutMessage[]>();
  for (const { topic, messages } of parts) {
    const gathered = topics.get(topic);
    if (gathered === undefined) topics.set(topic, [...messages]);
    else for (const message of messages) gathered.push(message);
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}
