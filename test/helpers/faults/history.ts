/** A few hundred payments, most on the topic and some over HTTP, sent at an even pace until each is in, and answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { topics } from '../../../src/pipeline/ports.ts';
import type { Random } from '../../../src/simulator/random.ts';
import { roleKey } from '../roles.ts';
import type { RolesWorld } from './world.ts';

export interface Sent {
  readonly paymentId: string;
  readonly customerId: string;
  readonly terminalId: string;
  readonly amountMinor: number;
  readonly occurredAtMs: number;
}

export interface Letter {
  readonly key: string;
  readonly value: Buffer;
}

export interface HistoryOptions {
  /** Before every id of the history. */
  readonly prefix: string;
  readonly onTopic: number;
  readonly overHttp: number;
  /** What becomes of the messages of a slice on their way to the topic. */
  readonly mangle?: ((slice: readonly Letter[], random: Random) => readonly Letter[]) | undefined;
}

const perSecond = 200;
const sliceMs = 50;
const httpPauseMs = 60;
const customersOnTopic = 40;
const customersOverHttp = 8;
const terminals = 15;
const deadlineMs = 1000;
const hourMs = 3_600_000;

function bodyOf({ occurredAtMs, ...payment }: Sent): Buffer {
  const occurredAt = new Date(occurredAtMs).toISOString();
  return Buffer.from(JSON.stringify({ ...payment, currency: 'EUR', cardId: `${payment.customerId}-card`, occurredAt }));
}

/** Posts one payment. */
export function post(url: string, payment: Sent, waitMs = deadlineMs): Promise<Response> {
  const headers = {
    authorization: `Bearer ${roleKey}`,
    'content-type': 'application/json',
    'holdfast-deadline-ms': String(waitMs),
  };
  return fetch(`${url}/v1/decisions`, { method: 'POST', headers, body: bodyOf(payment) });
}

export class History {
  readonly prefix: string;
  readonly onTopic: readonly Sent[];
  readonly overHttp: readonly Sent[];
  /** The decision's JSON as answered over HTTP. */
  readonly answered = new Map<string, string>();
  /** Codes of refusals over HTTP, with how often each came. */
  readonly refused = new Map<string, number>();
  readonly #world: RolesWorld;
  readonly #random: Random;
  readonly #options: HistoryOptions;
  #sent = 0;

  constructor(world: RolesWorld, random: Random, options: HistoryOptions) {
    this.#world = world;
    this.#random = random;
    this.#options = options;
    this.prefix = options.prefix;
    const startMs = Date.now() - 6 * hourMs;
    const made = (kind: 'k' | 'h', count: number, customers: number): Sent[] =>
      Array.from({ length: count }, (_, i) => ({
        paymentId: `${options.prefix}-${kind}-${i}`,
        customerId: `${options.prefix}-${kind}-c${random.below(customers)}`,
        terminalId: `${options.prefix}-t${random.below(terminals)}`,
        // Some above the amount from which a decision without velocity is a hold.
        amountMinor: 100 + random.below(random.below(5) === 0 ? 60_000 : 10_000),
        occurredAtMs: startMs + Math.floor((i * 10_000_000) / count),
      }));
    this.onTopic = made('k', options.onTopic, customersOnTopic);
    this.overHttp = made('h', options.overHttp, customersOverHttp);
  }

  get all(): readonly Sent[] {
    return [...this.onTopic, ...this.overHttp];
  }

  /** Those that are on the topic by now. */
  sent(): readonly Sent[] {
    return this.onTopic.slice(0, this.#sent);
  }

  /** How many of those on the topic have a decision. */
  decided(): number {
    return this.onTopic.filter(({ paymentId }) => this.#world.tail.decided.has(paymentId)).length;
  }

  /** Resolves when every payment is on the topic or was answered. */
  async run(): Promise<void> {
    await Promise.all([this.#feedTopic(), this.#feedHttp()]);
  }

  async #feedTopic(): Promise<void> {
    const { mangle = (slice: readonly Letter[]) => slice } = this.#options;
    const size = (perSecond * sliceMs) / 1000;
    for (let at = 0; at < this.onTopic.length; at += size) {
      const slice = this.onTopic.slice(at, at + size).map((one) => ({ key: one.customerId, value: bodyOf(one) }));
      const letters = mangle(slice, this.#random);
      // What was not acknowledged is sent again: it may be there twice then.
      while (!(await this.#append(letters))) await sleep(sliceMs);
      this.#sent = at + slice.length;
      await sleep(sliceMs);
    }
  }

  #append(letters: readonly Letter[]): Promise<boolean> {
    return this.#world.log.append(topics.payments, letters).then(
      () => true,
      () => false,
    );
  }

  async #feedHttp(): Promise<void> {
    for (const payment of this.overHttp) {
      while (!(await this.#answer(payment))) await sleep(httpPauseMs);
      await sleep(httpPauseMs);
    }
  }

  async #answer(payment: Sent): Promise<boolean> {
    const [serve] = this.#world.of('serve');
    if (serve === undefined) return false;
    const response = await post(serve.url, payment).catch(() => undefined);
    if (response === undefined) return false;
    const text = await response.text();
    if (response.status === 200) {
      this.answered.set(payment.paymentId, text);
      return true;
    }
    const { code } = JSON.parse(text) as { code: string };
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
    if (response.status !== 503) throw new Error(`a payment was refused for good: ${text}`);
    return false;
  }
}
