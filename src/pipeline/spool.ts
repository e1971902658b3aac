/**
 * Appends to a topic that may be away: what it does not take in time goes to this machine's disk, fsynced, and from there to
 * the topic, in order, when it is back. Resolves when the messages are durable in one of the two. Beyond the bound, and when
 * the disk refuses, appending fails, and so does whatever depended on it.
 *
 * A message that the topic took after all, only too late, is there twice: readers tell by its content.
 */
import { LogUnavailable } from './logErrors.ts';
import { Wait } from './wait.ts';

export interface OutgoingMessage {
  readonly key: string;
  readonly value: Uint8Array;
}
export interface SpooledMessage extends OutgoingMessage {
  readonly seq: number;
}

/** Every call is durable when it returns; throws, with nothing changed, when the disk refuses. */
export interface SpoolFile {
  readonly count: number;
  readonly bytes: number;
  write(messages: readonly OutgoingMessage[]): void;
  oldest(max: number): readonly SpooledMessage[];
  /** @param messages the oldest ones, as read */
  remove(messages: readonly SpooledMessage[]): void;
  close(): void;
}

/** Longest wait for the topic before the disk takes the messages: most of a payment's default deadline is then left. */
const spoolAfterMs = 40;
/** Beyond it nothing more is taken: about a million decisions. */
const spoolBytesMax = 4 * 2 ** 30;
const drainMessages = 500;
const retryMsDefault = 100;
const retryMsMax = 2_000;

export interface SpoolOptions {
  readonly file: SpoolFile;
  readonly append: (messages: readonly OutgoingMessage[]) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly bytesMax?: number;
  readonly afterMs?: number;
  /** First pause after a failed drain; it doubles up to a bound. */
  readonly retryMs?: number;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #bytesMax: number;
  readonly #afterMs: number;
  #draining: Promise<void> | undefined;
  readonly #wait = new Wait();
  #closing = false;
  #refused = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? spoolBytesMax;
    this.#afterMs = options.afterMs ?? spoolAfterMs;
    // What an earlier process left comes first.
    if (options.file.count > 0) this.#drain();
  }

  /** `spooling`: the topic is away or was, and has not got everything yet. `refused`: messages that found no room. */
  state(): { readonly spooling: boolean; readonly messages: number; readonly bytes: number; readonly refused: number } {
    const { count, bytes } = this.#options.file;
    return { spooling: count > 0, messages: count, bytes, refused: this.#refused };
  }

  /** @throws LogUnavailable when they are durable nowhere, as far as is known */
  async append(messages: readonly OutgoingMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { file } = this.#options;
    // Whoever is spooled must reach the topic first.
    if (file.count === 0 && (await this.#appendInTime(messages))) return;
    this.#write(messages);
    this.#drain();
  }

  /** Stops draining; what is spooled stays for the next start. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wait.end();
    await this.#draining;
    this.#options.file.close();
  }

  async #appendInTime(messages: readonly OutgoingMessage[]): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), this.#afterMs);
    const appended = this.#options.append(messages).then(
      () => true,
      (error: unknown) => {
        this.#options.onFailure(error);
        return false;
      },
    );
    const inTime = await Promise.race([appended, late]);
    clearTimeout(timer);
    return inTime;
  }

  #write(messages: readonly OutgoingMessage[]): void {
    const { file } = this.#options;
    const bytes = messages.reduce((sum, { value }) => sum + value.length, 0);
    try {
      if (file.bytes + bytes > this.#bytesMax) throw new LogUnavailable('the topic is away and its spool is full');
      file.write(messages);
    } catch (error) {
      this.#refused += messages.length;
      if (error instanceof LogUnavailable) throw error;
      throw new LogUnavailable('the topic is away and the disk refuses', { cause: error });
    }
  }

  #drain(): void {
    this.#draining ??= this.#drainAll();
  }

  async #drainAll(): Promise<void> {
    const { file, append, onFailure, retryMs = retryMsDefault } = this.#options;
    let pauseMs = retryMs;
    // Not in the same turn: whoever drains is known as `#draining` before the first read.
    await Promise.resolve();
    while (!this.#closing && file.count > 0) {
      try {
        const messages = file.oldest(drainMessages);
        await append(messages);
        file.remove(messages);
        pauseMs = retryMs;
      } catch (error) {
        onFailure(error);
        await this.#wait.pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, retryMsMax);
      }
    }
    // In the turn that saw it empty: what is written next starts the next one.
    this.#draining = undefined;
  }
}
