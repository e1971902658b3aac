/** Payments and labels to Kafka, and what becomes of them from its decisions and dead letters. */
import { randomUUID } from 'node:crypto';
import { unreachable } from '../../config/exit.ts';
import { decodeDecisionMessage, DecisionMessageError } from '../../pipeline/decisionMessage.ts';
import { parseDeadLetter } from '../../pipeline/deadletter.ts';
import { type EventLog, type Message, type Subscription, type Topic, topics } from '../../pipeline/ports.ts';
import type { ItemResult } from './answer.ts';
import type { ReplayTarget } from './client.ts';

const pollMessagesMax = 1_000;
const idleWaitMs = 250;
/** Nobody seems to decide: longer than a group takes to give partitions of a killed process to another. */
const silentMsMax = 60_000;
/** Decisions remembered, also those of before; beyond, the oldest are forgotten. */
const knownMax = 2_000_000;

interface Document {
  readonly action: string;
  readonly degraded: readonly string[];
  readonly decidedAt: string;
}

/** Remembers so many, the newest. */
class Known<T> {
  readonly #entries = new Map<string, T>();

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  /** The first stands. */
  add(key: string, value: T): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, value);
    const oldest = this.#entries.size > knownMax ? this.#entries.keys().next() : undefined;
    if (oldest?.done === false) this.#entries.delete(oldest.value);
  }
}

function decisionOf(value: Uint8Array, startedAtMs: number): readonly [string, ItemResult] | undefined {
  try {
    const { record, document } = decodeDecisionMessage(value);
    const { action, degraded, decidedAt } = document as Document;
    const repeated = Date.parse(decidedAt) < startedAtMs;
    return [record.paymentId, { kind: 'decided', held: action === 'hold', degraded: degraded.length > 0, repeated }];
  } catch (error) {
    if (error instanceof DecisionMessageError) return undefined;
    throw error;
  }
}

/** What says which payment it is, and where it goes; of a line that is no payment nothing. */
function idsOf(json: string): { readonly paymentId: string; readonly customerId: string } {
  try {
    const parsed = JSON.parse(json) as { readonly paymentId?: unknown; readonly customerId?: unknown } | null;
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    return { paymentId: text(parsed?.paymentId), customerId: text(parsed?.customerId) };
  } catch {
    return { paymentId: '', customerId: '' };
  }
}

class KafkaTarget implements ReplayTarget {
  readonly #log: EventLog;
  readonly #startedAtMs = Date.now();
  readonly #decided = new Known<ItemResult>();
  /** Codes, by the refused message. */
  readonly #refused = new Known<string>();
  #readers: readonly Promise<void>[] = [];
  #failure: Error | undefined;
  #closed = false;
  #wake = (): void => {};

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** From the topics' beginnings: what was decided before is not decided again. */
  async open(): Promise<void> {
    const group = `holdfast-replay-${randomUUID()}`;
    const subscriptions = await Promise.all([
      this.#log.subscribe(`${group}-decisions`, topics.decisions),
      this.#log.subscribe(`${group}-deadletter`, topics.deadletter),
    ]);
    const [decisions, letters] = subscriptions;
    this.#readers = [
      this.#read(decisions, ({ value }) => {
        const entry = decisionOf(value, this.#startedAtMs);
        if (entry !== undefined) this.#decided.add(...entry);
      }),
      this.#read(letters, ({ value }) => {
        const letter = parseDeadLetter(value);
        const isPayment = letter?.topic === (topics.payments satisfies Topic);
        if (isPayment) this.#refused.add(letter.originalBase64, letter.code);
      }),
    ];
  }

  async decide(payments: readonly string[]): Promise<readonly ItemResult[]> {
    const asked = payments.map((json) => ({ ...idsOf(json), value: Buffer.from(json) }));
    await this.#log.append(
      topics.payments,
      asked.map(({ customerId, value }) => ({ key: customerId, value })),
    );
    const results = (): (ItemResult | undefined)[] => asked.map((one) => this.#resultOf(one));
    let open = payments.length;
    for (let sinceMs = performance.now(); ; ) {
      if (this.#failure !== undefined) throw this.#failure;
      const found = results();
      const missing = found.filter((result) => result === undefined).length;
      if (missing === 0) return found.filter((result) => result !== undefined);
      if (missing < open) sinceMs = performance.now();
      open = missing;
      if (performance.now() - sinceMs > silentMsMax)
        throw unreachable(`Nothing has decided for ${silentMsMax / 1000} s: is a \`holdfast stream\` running?`);
      await this.#news();
    }
  }

  async label(label: string): Promise<boolean> {
    await this.#log.append(topics.labels, [{ key: idsOf(label).paymentId, value: Buffer.from(label) }]);
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#readers);
    await this.#log.close();
  }

  #resultOf({ paymentId, value }: { readonly paymentId: string; readonly value: Buffer }): ItemResult | undefined {
    const code = this.#refused.get(value.toString('base64'));
    return this.#decided.get(paymentId) ?? (code === undefined ? undefined : { kind: 'refused', code });
  }

  async #read(subscription: Subscription, take: (message: Message) => void): Promise<void> {
    try {
      while (!this.#closed) {
        const messages = await subscription.poll(pollMessagesMax, idleWaitMs);
        for (const message of messages) take(message);
        if (messages.length > 0) this.#wake();
      }
    } catch (error) {
      this.#failure = unreachable(error instanceof Error ? error.message : String(error));
      this.#wake();
    } finally {
      await subscription.close();
    }
  }

  /** Resolves when something was read, or after a while. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 4 * idleWaitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** @param log closed with the target. @throws LogUnavailable */
export async function openKafkaTarget(log: EventLog): Promise<ReplayTarget> {
  const target = new KafkaTarget(log);
  await target.open();
  return target;
}
