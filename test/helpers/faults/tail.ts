/** Follows the decisions topic, and knows what it says of each payment. */
import { randomUUID } from 'node:crypto';
import type { KafkaEventLog } from '../../../src/adapters/kafka/eventLog.ts';
import { decodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import { type Message, type Subscription, topics } from '../../../src/pipeline/ports.ts';

export interface Decided {
  /** Different decisions of the payment, in the topic's order: the first stands. */
  readonly contents: string[];
  /** How often it was appended. */
  times: number;
  /** Of the first decision, NaN where missing. */
  readonly customerCount: number;
  readonly customerSum: number;
  readonly terminalCount: number;
  readonly degraded: readonly string[];
  readonly decidedAtMs: number;
}

const pollMessagesMax = 1000;
const pollMs = 200;

export class DecisionsTail {
  readonly decided = new Map<string, Decided>();
  readonly #log: KafkaEventLog;
  readonly #group = `tail-${randomUUID()}`;
  readonly #next = new Map<number, number>();
  readonly #running: Promise<void>;
  #closing = false;

  constructor(log: KafkaEventLog) {
    this.#log = log;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    let subscription: Subscription | undefined;
    while (!this.#closing) {
      try {
        subscription ??= await this.#log.subscribe(this.#group, topics.decisions);
        for (const message of await subscription.poll(pollMessagesMax, pollMs)) this.#take(message);
      } catch (error) {
        // Kafka may be away: that is what is tested.
        if (!(error instanceof SubscriptionDead)) await new Promise((resolve) => setTimeout(resolve, pollMs));
        await subscription?.close();
        subscription = undefined;
      }
    }
    await subscription?.close();
  }

  #take({ partition, offset, value }: Message): void {
    if (offset < (this.#next.get(partition) ?? 0)) return;
    this.#next.set(partition, offset + 1);
    let message: ReturnType<typeof decodeDecisionMessage>;
    try {
      message = decodeDecisionMessage(value);
    } catch {
      return;
    }
    const { record, featureNames } = message;
    const content = Buffer.from(record.decision).toString();
    const known = this.decided.get(record.paymentId);
    if (known !== undefined) {
      known.times++;
      if (!known.contents.includes(content)) known.contents.push(content);
      return;
    }
    const { degraded, decidedAt } = JSON.parse(content) as { degraded: string[]; decidedAt: string };
    const feature = (name: string): number => record.features[featureNames.indexOf(name)] ?? Number.NaN;
    this.decided.set(record.paymentId, {
      contents: [content],
      times: 1,
      customerCount: feature('customer.count.24h'),
      customerSum: feature('customer.sum.amountMinor.24h'),
      terminalCount: feature('terminal.count.24h'),
      degraded,
      decidedAtMs: Date.parse(decidedAt),
    });
  }
}
