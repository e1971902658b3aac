/**
 * A velocity memory for tests of what the journal keeps: counts and sums an entity, as plainly as can be. Like the real one
 * it knows a payment again only while it is among the entity's newest, so a payment replayed onto a state that
 * holds it already is counted twice, visibly; and it forgets entities that are stored whenever it can.
 */
import type { Payment } from '../../src/domain/payment.ts';
import type { FeatureMatrix } from '../../src/features/frame.ts';
import type { FeatureProgram, VelocityLabel, VelocityMemory } from '../../src/features/types.ts';
import type { StorageHooks } from '../../src/adapters/sqlite/open.ts';

const newestMax = 3;

interface Event {
  readonly id: string;
  readonly amount: number;
  fraud: boolean;
}
interface Entity {
  newest: Event[];
  folded: Event[];
}
/** An entity's features. */
export interface Counts {
  readonly count: number;
  readonly sum: number;
  readonly frauds: number;
}

const kinds = ['customerId', 'cardId', 'terminalId'] as const;
const entityKey = (tenantId: string, kind: string, value: string): string => `${tenantId}/${kind}/${value}`;

export function keysOf(tenantId: string, payment: Payment): string[] {
  return kinds.flatMap((kind) => (payment[kind] === undefined ? [] : [entityKey(tenantId, kind, payment[kind])]));
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export class ForgetfulMemory implements VelocityMemory {
  readonly program: FeatureProgram;
  readonly #hooks: StorageHooks;
  readonly #entities = new Map<string, Entity>();
  readonly #dirty = new Map<string, { first: number; last: number }>();
  #newestBatch = 0;

  constructor(hooks: StorageHooks, fingerprint = 'forgetful-1') {
    this.#hooks = hooks;
    // The rest of a program is the real memory's business.
    this.program = {
      names: ['count', 'sum'],
      stateFingerprint: fingerprint,
      entities: [],
    } as unknown as FeatureProgram;
  }

  get entityCount(): number {
    return this.#entities.size;
  }
  get residentBytes(): number {
    return 0;
  }

  appendAndRead(tenantId: string, payments: readonly Payment[], out: FeatureMatrix, batch: number): void {
    payments.forEach((payment, row) => {
      for (const key of keysOf(tenantId, payment)) this.#append(key, payment, batch);
      const [customer] = keysOf(tenantId, payment) as [string];
      const { count, sum } = this.counts(customer);
      out.values.set([count, sum], row * out.featureCount);
    });
    this.#forget();
  }

  reappend(tenantId: string, payment: Payment, batch: number, wanted: (key: Uint8Array) => boolean): void {
    for (const key of keysOf(tenantId, payment)) if (wanted(bytesOf(key))) this.#append(key, payment, batch);
    this.#forget();
  }

  retract(tenantId: string, payment: Payment): void {
    for (const key of keysOf(tenantId, payment)) {
      const entity = this.#entity(key);
      const keep = ({ id }: Event): boolean => id !== payment.paymentId;
      if (entity.newest.every(keep) && entity.folded.every(keep)) continue;
      entity.newest = entity.newest.filter(keep);
      entity.folded = entity.folded.filter(keep);
      this.#markDirty(key, this.#newestBatch);
    }
  }

  markLabel(
    tenantId: string,
    { payment, fraud }: VelocityLabel,
    batch: number,
    wanted?: (key: Uint8Array) => boolean,
  ): void {
    for (const key of keysOf(tenantId, payment)) {
      if (wanted?.(bytesOf(key)) === false) continue;
      const { newest, folded } = this.#entity(key);
      for (const event of [...newest, ...folded]) {
        if (event.id !== payment.paymentId || event.fraud === fraud) continue;
        event.fraud = fraud;
        this.#markDirty(key, batch);
      }
    }
  }

  takeDirty(max: number, recordedBatch: number): { key: Uint8Array; bytes: Uint8Array; batch: number }[] {
    const taken = [];
    for (const [key, { last }] of this.#dirty) {
      if (taken.length >= max) break;
      if (last > recordedBatch) continue;
      this.#dirty.delete(key);
      taken.push({ key: bytesOf(key), bytes: bytesOf(JSON.stringify(this.#entity(key))), batch: last });
    }
    return taken;
  }

  dirty(): { count: number; oldestBatch: number } {
    const oldest = this.#dirty.values().next();
    return {
      count: this.#dirty.size,
      oldestBatch: oldest.done === true ? Number.POSITIVE_INFINITY : oldest.value.first,
    };
  }

  dirtyKeysOf(tenantId: string, payment: Payment): Uint8Array[] {
    return keysOf(tenantId, payment)
      .filter((key) => this.#dirty.has(key))
      .map(bytesOf);
  }

  load({ key, bytes }: { key: Uint8Array; bytes: Uint8Array }): void {
    this.#entities.set(textOf(key), JSON.parse(textOf(bytes)) as Entity);
  }

  /** What an entity's features are now. */
  counts(key: string): Counts {
    const { newest, folded } = this.#entity(key);
    const events = [...newest, ...folded];
    return {
      count: events.length,
      sum: events.reduce((sum, { amount }) => sum + amount, 0),
      frauds: events.filter(({ fraud }) => fraud).length,
    };
  }

  #append(key: string, { paymentId, amountMinor }: Payment, batch: number): void {
    const entity = this.#entity(key);
    if (entity.newest.some(({ id }) => id === paymentId)) return;
    entity.newest.push({ id: paymentId, amount: amountMinor, fraud: false });
    if (entity.newest.length > newestMax) entity.folded.push(entity.newest.shift() as Event);
    this.#markDirty(key, batch);
  }

  #entity(key: string): Entity {
    if (!this.#entities.has(key)) {
      const stored = this.#hooks.loadMissing(bytesOf(key));
      if (stored !== undefined) this.load({ key: bytesOf(key), bytes: stored });
    }
    let entity = this.#entities.get(key);
    if (entity === undefined) {
      entity = { newest: [], folded: [] };
      this.#entities.set(key, entity);
    }
    return entity;
  }

  #markDirty(key: string, batch: number): void {
    this.#newestBatch = Math.max(this.#newestBatch, batch);
    const entry = this.#dirty.get(key);
    if (entry === undefined) this.#dirty.set(key, { first: batch, last: batch });
    else entry.last = Math.max(entry.last, batch);
  }

  /** Every third clean entity goes: it is stored, or on its way there. */
  #forget(): void {
    let n = 0;
    for (const key of this.#entities.keys()) if (!this.#dirty.has(key) && n++ % 3 === 0) this.#entities.delete(key);
  }
}
