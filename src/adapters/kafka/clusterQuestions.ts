/** What is asked of the cluster beside messages: topics, ends, positions. One connection for all questions. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, Kafka } from 'kafkajs';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import { kafkaBounds } from './bounds.ts';
import { unavailable } from './options.ts';

/** An answer of a broker that another time may be another. */
const isMatterOfTime = (error: unknown): boolean =>
  error instanceof Error && error.name === 'KafkaJSProtocolError' && 'retriable' in error && error.retriable === true;

export class ClusterQuestions {
  readonly #client: Kafka;
  readonly #asking = new Set<Promise<unknown>>();
  #admin: Promise<Admin> | undefined;
  #closed = false;

  constructor(client: Kafka) {
    this.#client = client;
  }

  /** @throws LogUnavailable */
  async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogUnavailable('the log is closed');
    const asking = this.#answer(question);
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  /** Takes no more questions, and waits for those asked: kafkajs connects anew for them when it is disconnected meanwhile. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#asking);
    await this.#admin?.then((admin) => admin.disconnect()).catch(() => {});
  }

  /**
   * After a failure the next question makes a new connection. What Kafka says is a matter of time (a topic just made has no
   * leader yet, which kafkajs does not ask again for everywhere) is asked again.
   */
  async #answer<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    let pauseMs: number = kafkaBounds.retryPauseMs;
    for (let attempt = 0; ; attempt++) {
      const connecting = (this.#admin ??= this.#connect());
      try {
        return await question(await connecting);
      } catch (error) {
        if (isMatterOfTime(error) && attempt < kafkaBounds.retriesMax && !this.#closed) {
          await sleep(pauseMs);
          pauseMs = Math.min(2 * pauseMs, kafkaBounds.retryPauseMsMax);
          continue;
        }
        if (this.#admin === connecting) this.#admin = undefined;
        void connecting.then((admin) => admin.disconnect()).catch(() => {});
        throw unavailable('Kafka does not answer', error);
      }
    }
  }

  async #connect(): Promise<Admin> {
    const admin = this.#client.admin();
    await admin.connect();
    return admin;
  }
}
