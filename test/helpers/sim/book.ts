/** What a history sent, was answered and finds durable; says at once when something cannot be. */
import { shardsMax } from '../../../src/adapters/redis/keys.ts';
import { hashText } from '../../../src/features/hash.ts';
import { encodeRecordBytes } from '../../../src/pipeline/codec.ts';
import { decodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import type { DecisionRecord, Message, Topic } from '../../../src/pipeline/ports.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import type { DecideResult } from '../../../src/pipeline/service.ts';
import { streamGroup } from '../../../src/pipeline/stream.ts';
import type { Group } from './group.ts';
import type { SimKafka } from './kafka.ts';
import type { Machine } from './machines.ts';
import type { Plan, PlannedPayment } from './plan.ts';
import type { SimRedis } from './redis.ts';
import type { Actor, World } from './world.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

export interface Letter {
  readonly place: string;
  readonly code: string;
  readonly original: string;
}

export function letterOf({ value }: Message): Letter {
  const { topic, partition, offset, code, originalBase64 } = JSON.parse(text(value)) as Record<string, string>;
  const original = Buffer.from(originalBase64 ?? '', 'base64').toString();
  return { place: `${topic}/${partition}/${offset}`, code: code ?? '', original };
}

/** A decision as it is durable: its own bytes and those of its payment. */
export interface Decided {
  readonly decision: string;
  readonly payment: string;
}

export class Book {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #kafka: SimKafka;
  readonly #redis: SimRedis;
  /** By payment id, in the order of the topic. */
  readonly decided = new Map<string, Decided[]>();
  readonly letters = new Map<string, Letter>();
  readonly #answers = new Map<string, Set<string>>();
  /** Decided by a process that could not ask the others: the first in the topic stands. */
  readonly decidedAlone = new Set<string>();
  /** Whose senders were told that they are in conflict with what is decided. */
  readonly conflicted = new Set<PlannedPayment>();
  machines: readonly Machine[] = [];

  constructor(plan: Plan, kafka: SimKafka, redis: SimRedis) {
    this.#world = kafka.world;
    this.#plan = plan;
    this.#kafka = kafka;
    this.#redis = redis;
    kafka.onAppended = (topic, message) => this.#appended(topic, message);
    kafka.onCommit = (group, partition, from, to) => this.#committing(group, partition, from, to);
  }

  /** Answers as decisions by payment id. */
  get answers(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#answers;
  }

  answered(payment: PlannedPayment, result: DecideResult): void {
    const { paymentId, body } = payment;
    if (result.kind === 'decided') {
      const known = this.#answers.get(paymentId) ?? new Set();
      known.add(text(result.decision));
      this.#answers.set(paymentId, known);
      if (known.size > 1 && !this.decidedAlone.has(paymentId))
        this.#world.violate(`${paymentId} was answered with different decisions`);
    } else if (result.kind === 'refused') this.#world.violate(`${text(body)} was refused`);
    else if (result.kind === 'conflict') this.conflicted.add(payment);
    if (result.kind === 'conflict' && this.contentsOf(paymentId) < 2)
      this.#world.violate(`${paymentId} is in conflict with nothing`);
  }

  contentsOf(paymentId: string): number {
    return this.#plan.payments.filter((payment) => payment.paymentId === paymentId).length;
  }

  /** A process sends decisions to their topic: each is the one that was claimed, except where the claims were out of reach. */
  publishing(actor: Actor, records: readonly DecisionRecord[]): void {
    for (const record of records) {
      const { paymentId, tenantId } = record;
      const claim = this.claimOf(tenantId, paymentId);
      const own = Buffer.from(encodeRecordBytes(record));
      if (claim?.subarray(1).equals(own) === true) continue;
      this.#world.trace(actor.name, () => `decides ${paymentId} alone`);
      this.decidedAlone.add(paymentId);
      if (!this.#plan.faults.has('redis'))
        this.#world.violate(`${actor.name} decides ${paymentId} without claiming it`);
    }
  }

  /** As src/adapters/redis/decisionCache.ts names them. */
  keyOf(kind: 'd' | 'l', tenantId: string, paymentId: string): string {
    const shard = hashText(paymentId) & (shardsMax - 1);
    return `${kind}:{${shard}}:${tenantId.length}:${tenantId}:${paymentId}`;
  }

  /** What stands for a payment id in Redis: a flag and the encoded decision. */
  claimOf(tenantId: string, paymentId: string): Buffer | undefined {
    const claim = this.#redis.data.get(this.keyOf('d', tenantId, paymentId));
    return Buffer.isBuffer(claim) ? claim : undefined;
  }

  #appended(topic: Topic, message: Message): void {
    if (topic === topics.deadletter) {
      const letter = letterOf(message);
      this.letters.set(letter.place, letter);
    }
    if (topic !== topics.decisions) return;
    const { record } = decodeDecisionMessage(message.value);
    const decided = { decision: text(record.decision), payment: text(record.payment) };
    const known = this.decided.get(record.paymentId) ?? [];
    this.decided.set(record.paymentId, [...known, decided]);
    const same = known.every(({ decision }) => decision === decided.decision);
    if (!same && !this.decidedAlone.has(record.paymentId))
      this.#world.violate(`${record.paymentId} has different decisions in the topic`);
  }

  /** No position moves past a payment whose decision is not durable, in the topic or in a spool, nor past a missing dead letter. */
  #committing({ name, topic }: Group, partition: number, from: number, to: number): void {
    if (name !== streamGroup) return;
    for (const message of this.#kafka.listsOf(topic)[partition]!.slice(from, to)) {
      const place = `${topic}/${partition}/${message.offset}`;
      if (!this.isDone(message) && !this.letters.has(place))
        this.#world.violate(`${name} moves past ${place}, whose decision is not durable`);
    }
  }

  /** Decided, durably, with this content. */
  isDone({ value }: Message): boolean {
    const body = text(value);
    const payment = this.#plan.payments.find((each) => text(each.body) === body);
    if (payment === undefined) return false;
    if (this.decided.get(payment.paymentId)?.some((each) => each.payment === body) === true) return true;
    const { paymentId } = payment;
    return this.machines.some(({ disk }) => {
      const recorded = disk.journal.recordOf(paymentId);
      if (recorded !== undefined && text(recorded.payment) === body) return true;
      return disk.spooled.some((spooled) => text(spooled.value).includes(body));
    });
  }
}
