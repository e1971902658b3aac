/** Puts whole states in the place of values in Redis, where nobody else has rewritten them meanwhile. */
import type { RedisConnection } from './connection.ts';
import type { Copies } from './copies.ts';
import { type EntityCopy, envelopeBytes, generationBytes, generations } from './entityCopy.ts';
import { replaceScript } from './scripts.ts';
import type { StateWriter } from './stateWriter.ts';

/** A tail of so many records, and of an eighth of the state, is put into the state. */
const tailRecordsMax = 16;
const tailShare = 8;
/** Compactions on their way at one time (of 512 payments some 70 are due); beyond, the next reader of the entity tries again. */
const compactionsMax = 512;

export interface ReplacerOptions {
  readonly connection: RedisConnection;
  readonly copies: Copies;
  /** By plan; one has the state open that is to be put in a value's place. */
  readonly writers: readonly StateWriter[];
  readonly ttlSeconds: readonly number[];
}

/** A state that is to take the place of what it was read from. */
export interface Replacement {
  readonly key: string;
  readonly args: readonly (Buffer | number)[];
  /** What this process knows of the entity when it has. */
  readonly renewed: EntityCopy;
  readonly epoch: number;
}

export class Replacer {
  readonly #options: ReplacerOptions;
  readonly #compacting = new Set<string>();
  #failed = 0;
  #epoch = 0;

  constructor(options: ReplacerOptions) {
    this.#options = options;
  }

  /** Compactions that Redis has not heard of, or did not answer. */
  get failed(): number {
    return this.#failed;
  }

  /** Of what is on its way nothing is known any more. */
  forget(): void {
    this.#epoch++;
  }

  /** The entity without its tail, where that has grown long; undefined where it has not, or not now. */
  compacted(key: string, planIndex: number, copy: EntityCopy): Replacement | undefined {
    const { tailRecords, rawLength, plan } = copy;
    if (tailRecords < tailRecordsMax || tailRecords * tailShare < rawLength / plan.amountAt) return undefined;
    if (this.#compacting.has(key) || this.#compacting.size >= compactionsMax) return undefined;
    const shorter = copy.clone();
    const writer = this.#options.writers[planIndex] as StateWriter;
    writer.open(shorter);
    writer.expire();
    this.#compacting.add(key);
    return this.replacement(key, planIndex, shorter);
  }

  /** All in one exchange; nobody waits for it. */
  compact(compactions: readonly Replacement[]): void {
    if (compactions.length === 0) return;
    this.replace(compactions)
      .catch(() => {
        this.#failed += compactions.length;
      })
      .finally(() => {
        for (const { key } of compactions) this.#compacting.delete(key);
      });
  }

  /** The copy's state, which the writer of its plan has open, in the place of what it was read from. The copy is given up. */
  replacement(key: string, planIndex: number, copy: EntityCopy): Replacement {
    const { writers, ttlSeconds, copies } = this.#options;
    const { cell } = writers[planIndex] as StateWriter;
    if (cell.amountBytes !== copy.rawAmountBytes) throw new Error('records that follow would not fit the state');
    const stateBytes = cell.stateBytes();
    const next = Buffer.allocUnsafe(envelopeBytes + stateBytes);
    const nextGeneration = (copy.generation + 1) % generations;
    next.writeUInt32LE(nextGeneration, 0);
    next.writeUInt8(cell.amountBytes, generationBytes);
    next.set(copy.bytes.subarray(0, stateBytes), envelopeBytes);
    const generation = Buffer.allocUnsafe(generationBytes);
    generation.writeUInt32LE(copy.generation, 0);
    copies.drop(key);
    const renewed = copy.replaced(nextGeneration, next.length);
    renewed.refreshedAtMs = Date.now();
    const args = [generation, copy.rawLength, next, ttlSeconds[planIndex] as number];
    return { key, args, renewed, epoch: this.#epoch };
  }

  /** Answers for each whether what it was read from was still there. @throws RedisUnavailable */
  async replace(replacements: readonly Replacement[]): Promise<boolean[]> {
    const { connection, copies } = this.#options;
    const replaced = replacements.map(() => false);
    const calls = replacements.map(({ key, args }) => ({ keys: [key], args }));
    await connection.runAll(replaceScript, calls, (reply, i) => {
      if (reply !== 1) return;
      replaced[i] = true;
      const { key, renewed, epoch } = replacements[i] as Replacement;
      // Whoever has read it since knows at least as much.
      if (epoch === this.#epoch && copies.get(key) === undefined) copies.keep(key, renewed);
    });
    return replaced;
  }
}
