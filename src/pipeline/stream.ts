/** Consumes the payments topic: every message ends as a durable decision or as a dead letter, then its offset moves. */
import { Payment } from '../domain/payment.ts';
import { bounds } from './bounds.ts';
import { Item } from './item.ts';
import type { Pipeline } from './pipeline.ts';
import type { Commit, EventLog, Message } from './ports.ts';
import { topics } from './ports.ts';
import type { Clock } from './clock.ts';

export const streamGroup = 'holdfast-stream';
/** Longest wait for new messages before the loop looks again. */
const idleWaitMs = 1000;
/** Pause after a failed batch, before the same messages are read again. */
const retryPauseMs = 250;

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly code: string;
  /** The message as it came, base64. */
  readonly originalBase64: string;
}

export interface StreamOptions {
  readonly log: EventLog;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  readonly tenantId: string;
  readonly onFailure: (error: unknown) => void;
  readonly onDeadLetter: (code: string) => void;
}

export class StreamConsumer {
  readonly #options: StreamOptions;
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Finishes what is in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    while (!this.#stopping) {
      try {
        await this.#runUntilIdle();
        await log.wait(topics.payments, idleWaitMs);
      } catch (error) {
        this.#options.onFailure(error);
        await new Promise((resolve) => setTimeout(resolve, retryPauseMs));
      }
    }
  }

  /** Reads ahead while earlier batches become durable: at most `streamBatchesMax` at one time, committed in order. */
  async #runUntilIdle(): Promise<void> {
    const running = new Set<Promise<void>>();
    let previous: Promise<unknown> = Promise.resolve();
    let from: number | undefined;
    try {
      while (!this.#stopping) {
        const messages = await this.#poll(from);
        const last = messages.at(-1);
        if (last === undefined) break;
        from = last.offset + 1;
        const { durable, enriched } = this.#process(messages, previous);
        previous = durable;
        const tracked = durable.finally(() => running.delete(tracked));
        running.add(tracked);
        tracked.catch(() => {});
        await Promise.race([enriched, durable]);
        if (running.size >= bounds.streamBatchesMax) await Promise.race(running);
      }
    } finally {
      await Promise.allSettled(running);
    }
    await previous;
  }

  #poll(from: number | undefined): Promise<readonly Message[]> {
    return this.#options.log.poll(streamGroup, topics.payments, bounds.pollMessagesMax, from);
  }

  #process(
    messages: readonly Message[],
    previous: Promise<unknown>,
  ): { durable: Promise<void>; enriched: Promise<void> } {
    const enriched = Promise.withResolvers<void>();
    return { durable: this.#decide(messages, previous, enriched.resolve), enriched: enriched.promise };
  }

  async #decide(messages: readonly Message[], previous: Promise<unknown>, onEnriched: () => void): Promise<void> {
    const { pipeline, clock, tenantId } = this.#options;
    const receivedAtMs = clock.monotonicMs();
    const items: Item[] = [];
    const origins: Message[] = [];
    const refused: { message: Message; code: string }[] = [];
    for (const message of messages) {
      const decoded = pipeline.decode(message.value);
      if (decoded instanceof Payment) {
        items.push(new Item(tenantId, decoded, message.value, receivedAtMs, Number.POSITIVE_INFINITY));
        origins.push(message);
      } else refused.push({ message, code: decoded.code });
    }
    await this.#deadLetter(refused);
    const last = messages.at(-1) as Message;
    const commit: Commit = {
      group: streamGroup,
      topic: topics.payments,
      partition: last.partition,
      nextOffset: last.offset + 1,
    };
    const before = async (): Promise<void> => {
      await previous;
      const conflicts = items.flatMap((item, i) =>
        item.outcome?.kind === 'conflict' ? [{ message: origins[i] as Message, code: 'payment_conflict' }] : [],
      );
      await this.#deadLetter(conflicts);
    };
    await pipeline.decideStreamBatch(tenantId, items, [commit], before, onEnriched);
  }

  async #deadLetter(letters: readonly { message: Message; code: string }[]): Promise<void> {
    if (letters.length === 0) return;
    const { log, onDeadLetter } = this.#options;
    await log.append(
      topics.deadletter,
      letters.map(({ message, code }) => ({
        key: `${topics.payments}/${message.partition}/${message.offset}`,
        value: Buffer.from(JSON.stringify(deadLetterOf(message, code))),
      })),
    );
    for (const { code } of letters) onDeadLetter(code);
  }
}

function deadLetterOf(message: Message, code: string): DeadLetter {
  return {
    topic: topics.payments,
    partition: message.partition,
    offset: message.offset,
    code,
    originalBase64: Buffer.from(message.value).toString('base64'),
  };
}
