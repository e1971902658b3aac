/** Claims of payment ids and labels in Redis, for as long as a payment may be delivered again. */
import { type Label, labelSources, labelValues } from '../../domain/label.ts';
import { hashText } from '../../features/hash.ts';
import { decodeRecord, encodeRecordBytes, RecordFormatError } from '../../pipeline/codec.ts';
import type { Claim, ClaimOutcome, DecisionCache, DecisionRecord } from '../../pipeline/ports.ts';
import type { RedisConnection } from './connection.ts';
import { RedisUnavailable } from './errors.ts';
import { shardsMax } from './keys.ts';
import { claimScript, labelScript, publishScript } from './scripts.ts';

/** Keys in one call; Redis does nothing else meanwhile, and a claim brings some 2 kB with it. */
const claimsPerCallMax = 32;
const keysPerCallMax = 128;
const ttlMsDefault = 7 * 86_400_000;
const labelTtlMsDefault = 180 * 86_400_000;
/** Labels of one payment. */
const labelsMax = 256;
const published = 0x31;
const won = 0x31;
const nothing = Buffer.alloc(0);

export interface RedisDecisionCacheOptions {
  readonly connection: RedisConnection;
  /** How long a claim lives: longer than any payment may take to be delivered again. Default: seven days. */
  readonly ttlMs?: number;
  readonly labelTtlMs?: number;
}

function keyOf(kind: 'd' | 'l', tenantId: string, paymentId: string): string {
  const shard = hashText(paymentId) & (shardsMax - 1);
  return `${kind}:{${shard}}:${tenantId.length}:${tenantId}:${paymentId}`;
}

function rowsByTag(keys: readonly string[]): Iterable<number[]> {
  const groups = new Map<string, number[]>();
  keys.forEach((key, row) => {
    const tag = key.slice(0, key.indexOf('}'));
    const group = groups.get(tag);
    if (group === undefined) groups.set(tag, [row]);
    else group.push(row);
  });
  return groups.values();
}

/** Undefined for bytes that are no decision: one such claim must not stand in the way of all others of its batch. */
function decoded(bytes: Buffer): DecisionRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (error instanceof RecordFormatError) return undefined;
    throw error;
  }
}

export class RedisDecisionCache implements DecisionCache {
  readonly #connection: RedisConnection;
  readonly #ttlSeconds: number;
  readonly #labelTtlSeconds: number;

  constructor({ connection, ttlMs = ttlMsDefault, labelTtlMs = labelTtlMsDefault }: RedisDecisionCacheOptions) {
    this.#connection = connection;
    this.#ttlSeconds = Math.ceil(ttlMs / 1000);
    this.#labelTtlSeconds = Math.ceil(labelTtlMs / 1000);
  }

  async lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (Claim | undefined)[]> {
    const keys = paymentIds.map((id) => keyOf('d', tenantId, id));
    const values = await this.#inCalls(keys, (own) => this.#connection.call('MGET', own));
    return values.map((value): Claim | undefined => {
      if (!Buffer.isBuffer(value)) return undefined;
      const record = decoded(value.subarray(1));
      return record === undefined ? undefined : { record, published: value[0] === published };
    });
  }

  async claim(
    records: readonly DecisionRecord[],
    write: readonly boolean[],
  ): Promise<readonly (ClaimOutcome | undefined)[]> {
    const keys = records.map(({ tenantId, paymentId }) => keyOf('d', tenantId, paymentId));
    const values = records.map((record, i) => (write[i] === true ? encodeRecordBytes(record) : nothing));
    const parts = this.#parts(keys, claimsPerCallMax);
    const calls = parts.map((rows) => {
      const own = rows.map((row) => values[row] as Uint8Array);
      const lengths = Buffer.from(Uint32Array.from(own, ({ length }) => length).buffer);
      return { keys: rows.map((row) => keys[row] as string), args: [this.#ttlSeconds, lengths, Buffer.concat(own)] };
    });
    const answers: unknown[] = keys.map(() => null);
    await this.#connection.runAll(claimScript, calls, (reply, i) => place(answers, parts[i] as number[], reply));
    return answers.map((answer, i): ClaimOutcome | undefined => {
      if (!Buffer.isBuffer(answer)) return undefined;
      const isPublished = answer[1] === published;
      const own = records[i] as DecisionRecord;
      if (answer[0] === won) return { won: true, published: isPublished, record: own };
      const record = decoded(answer.subarray(2));
      if (record !== undefined) return { won: false, published: isPublished, record };
      // Nobody can read what stands there: the topic decides who was first.
      return write[i] === true ? { won: true, published: false, record: own } : undefined;
    });
  }

  async markPublished(records: readonly DecisionRecord[]): Promise<void> {
    const keys = records.map(({ tenantId, paymentId }) => keyOf('d', tenantId, paymentId));
    await this.#inCalls(keys, async (own) => {
      await this.#connection.run(publishScript, own, []);
      return own;
    });
  }

  async recordLabels(tenantId: string, labels: readonly Label[]): Promise<readonly boolean[]> {
    const keys = labels.map(({ paymentId }) => keyOf('l', tenantId, paymentId));
    const answers = await this.#inCalls(keys, (own, rows) => {
      const args = rows.map((row) => labelText(labels[row] as Label));
      return this.#connection.run(labelScript, own, [this.#labelTtlSeconds, labelsMax, ...args]);
    });
    return answers.map((answer) => answer === 1);
  }

  async labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]> {
    const texts = await this.#connection.call('LRANGE', [keyOf('l', tenantId, paymentId), 0, -1]);
    if (!Array.isArray(texts)) throw new RedisUnavailable('damaged', 'labels');
    return texts.map((text) => labelOf(paymentId, String(text)));
  }

  /**
   * The rows of each call. Those of a hash tag stay in their order, so that of equal ids the first comes first.
   */
  #parts(keys: readonly string[], keysMax: number): number[][] {
    const parts: number[][] = [];
    for (const rows of this.#connection.cluster ? rowsByTag(keys) : [keys.map((_, row) => row)]) {
      for (let from = 0; from < rows.length; from += keysMax) parts.push(rows.slice(from, from + keysMax));
    }
    return parts;
  }

  /** Splits the keys into calls and puts the answers together again. */
  async #inCalls(
    keys: readonly string[],
    call: (keys: string[], rows: readonly number[]) => Promise<unknown>,
  ): Promise<unknown[]> {
    const answers: unknown[] = keys.map(() => null);
    const asked = this.#parts(keys, keysPerCallMax).map(async (rows) => {
      const own = rows.map((row) => keys[row] as string);
      place(answers, rows, await call(own, rows));
    });
    await Promise.all(asked);
    return answers;
  }
}

/** @throws RedisUnavailable for a reply that is none to these rows */
function place(answers: unknown[], rows: readonly number[], reply: unknown): void {
  if (!Array.isArray(reply) || reply.length !== rows.length) throw new RedisUnavailable('damaged', 'a reply');
  rows.forEach((row, i) => {
    answers[row] = reply[i];
  });
}

function labelText({ label, source, labelledAtMs }: Label): string {
  return `${label} ${source} ${labelledAtMs}`;
}

function labelOf(paymentId: string, text: string): Label {
  const [value, from, at] = text.split(' ');
  const label = labelValues.find((each) => each === value);
  const source = labelSources.find((each) => each === from);
  if (label === undefined || source === undefined) throw new RedisUnavailable('damaged', 'a label');
  return { paymentId, label, source, labelledAtMs: Number(at) };
}
