/**
 * Consumes the labels topic: each label is counted for the entities of its payment and remembered with it. Labels that were
 * given to the API come by here too; they are known already, and nothing is counted twice.
 */
import { decodeLabel } from '../domain/decodeLabel.ts';
import type { Label } from '../domain/label.ts';
import { isRefusal } from '../domain/refusal.ts';
import type { Clock } from './clock.ts';
import { ConsumerLoop } from './consumerLoop.ts';
import { deadLetterMessage } from './deadletter.ts';
import { LogUnavailable, type SubscriptionDead } from './logErrors.ts';
import type { EventLog, Message, Subscription } from './ports.ts';
import { topics } from './ports.ts';
import type { DecisionService } from './service.ts';

const labelGroup = 'holdfast-labels';
const pollMessagesMax = 256;
const idleWaitMs = 1000;
const retryPauseMs = 500;

type LabelOutcome = Awaited<ReturnType<DecisionService['label']>>[number];

export interface LabelConsumerOptions {
  readonly log: EventLog;
  /** Counts and remembers labels; rejects, or says `unavailable`, where they have to come again. */
  readonly apply: (labels: readonly Label[]) => Promise<readonly LabelOutcome[]>;
  readonly clock: Clock;
  /** It goes on by itself: it reads its last messages again. */
  readonly onFailure: (error: unknown) => void;
  /** It has ended and will not go on. */
  readonly onDead: (error: SubscriptionDead) => void;
  readonly onDeadLetter: (code: string) => void;
}

export class LabelConsumer {
  readonly #options: LabelConsumerOptions;
  readonly #loop: ConsumerLoop;

  constructor(options: LabelConsumerOptions) {
    this.#options = options;
    this.#loop = new ConsumerLoop({
      subscribe: () => options.log.subscribe(labelGroup, topics.labels),
      work: (subscription) => this.#round(subscription),
      retryPauseMs,
      onFailure: options.onFailure,
      onDead: options.onDead,
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #round(subscription: Subscription): Promise<void> {
    try {
      await this.#step(subscription);
    } catch (error) {
      subscription.rewind();
      throw error;
    }
  }

  async #step(subscription: Subscription): Promise<void> {
    const messages = await this.#loop.polled(subscription.poll(pollMessagesMax, idleWaitMs));
    const last = messages.at(-1);
    if (last === undefined) return;
    const refused: { readonly message: Message; readonly code: string }[] = [];
    const labels: { readonly message: Message; readonly label: Label }[] = [];
    for (const message of messages) {
      const label = decodeLabel(message.value, this.#options.clock.nowMs());
      if (isRefusal(label)) refused.push({ message, code: label.code });
      else labels.push({ message, label });
    }
    refused.push(...(await this.#apply(labels)));
    await this.#deadLetter(refused);
    const { partition, offset } = last;
    await subscription.commit([{ group: labelGroup, topic: topics.labels, partition, nextOffset: offset + 1 }]);
  }

  /** @returns those whose payment is not known */
  async #apply(labels: readonly { readonly message: Message; readonly label: Label }[]) {
    if (labels.length === 0) return [];
    const outcomes = await this.#options.apply(labels.map(({ label }) => label));
    if (outcomes.includes('unavailable')) throw new LogUnavailable('labels could not be remembered');
    return labels
      .filter((_, i) => outcomes[i] === 'unknown')
      .map(({ message }) => ({ message, code: 'payment_unknown' }));
  }

  async #deadLetter(letters: readonly { readonly message: Message; readonly code: string }[]): Promise<void> {
    if (letters.length === 0) return;
    const { log, clock, onDeadLetter } = this.#options;
    const at = new Date(clock.nowMs()).toISOString();
    await log.append(
      topics.deadletter,
      letters.map(({ message, code }) => deadLetterMessage(topics.labels, message, code, at)),
    );
    for (const { code } of letters) onDeadLetter(code);
  }
}
