/**
 * The payments that share an entity with the sampled ones, at most so many. Where there are more, the sampled payments of the
 * busiest entities are given up: without a bound they would be most of the topic, and with none of them nothing would be compared.
 */
import type { Payment } from '../domain/payment.ts';

/** A payment of the log. */
export interface RelatedPayment {
  readonly payment: Payment;
  /** Those wanted whose state it changes. */
  readonly entities: readonly string[];
}

/** One of the topics. The velocity state counted it at some moment of [fromMs, toMs]. */
export interface SharedPayment extends RelatedPayment {
  readonly tenantId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A sampled payment, by its key, and the entities that its features are of. */
export interface WantedPayment {
  readonly key: string;
  readonly entities: readonly string[];
}

/** Of what the busiest entities have, the share that is given up at once: each time everything kept is looked at. */
const givenUpShare = 1 / 8;

export class RelatedPayments<Kept extends RelatedPayment> {
  readonly #max: number;
  #wanted: readonly WantedPayment[];
  #keys: ReadonlySet<string> = new Set();
  /** How many of the kept payments each wanted entity has. */
  #counts = new Map<string, number>();
  #kept = new Map<string, Kept>();
  readonly #givenUp = new Set<string>();

  constructor(wanted: readonly WantedPayment[], max: number) {
    this.#max = max;
    this.#wanted = wanted;
    this.#want(wanted);
  }

  get kept(): ReadonlyMap<string, Kept> {
    return this.#kept;
  }

  /** Keys of the sampled payments whose related ones were too many. */
  get givenUp(): ReadonlySet<string> {
    return this.#givenUp;
  }

  /** Those of the entities that are wanted; undefined where the payment is neither related nor sampled, or is kept already. */
  wantedOf(key: string, entities: Iterable<string>): readonly string[] | undefined {
    if (this.#kept.has(key)) return undefined;
    const wanted = [...new Set(entities)].filter((entity) => this.#counts.has(entity));
    return wanted.length > 0 || this.#keys.has(key) ? wanted : undefined;
  }

  /** @param payment with the entities that `wantedOf` gave */
  keep(key: string, payment: Kept): void {
    this.#put(key, payment);
    while (this.#kept.size > this.#max && this.#wanted.length > 0) this.#giveUp();
  }

  #put(key: string, payment: Kept): void {
    this.#kept.set(key, payment);
    for (const entity of payment.entities) this.#counts.set(entity, (this.#counts.get(entity) ?? 0) + 1);
  }

  #want(wanted: readonly WantedPayment[]): void {
    this.#wanted = wanted;
    this.#keys = new Set(wanted.map(({ key }) => key));
    this.#counts = new Map(wanted.flatMap(({ entities }) => entities.map((entity) => [entity, 0])));
  }

  #giveUp(): void {
    const busiest = new Set<string>();
    let left = this.#kept.size * givenUpShare;
    for (const [entity, count] of [...this.#counts].sort(([, a], [, b]) => b - a)) {
      if (left <= 0) break;
      busiest.add(entity);
      left -= count;
    }
    const isBusy = ({ entities }: WantedPayment): boolean => entities.some((entity) => busiest.has(entity));
    for (const one of this.#wanted) if (isBusy(one)) this.#givenUp.add(one.key);
    const before = this.#kept;
    this.#kept = new Map();
    this.#want(this.#wanted.filter((one) => !isBusy(one)));
    for (const [key, payment] of before) {
      const entities = this.wantedOf(key, payment.entities);
      if (entities !== undefined) this.#put(key, { ...payment, entities });
    }
  }
}
