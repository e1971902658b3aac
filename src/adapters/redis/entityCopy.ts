import type { EntityPlan } from '../../features/plan.ts';
import { copyState } from '../../features/ring.ts';
import { bucketsMax, headerBytes, StateCell } from '../../features/state.ts';
import type { Kept } from './copies.ts';

export const generationBytes = 4;
/** Generations are counted modulo this. */
export const generations = 2 ** (8 * generationBytes);
/** Generation and width before the state. */
export const envelopeBytes = generationBytes + 1;
/** Room for so many more records is made at once. */
const spareRecords = 16;

const from = new StateCell();

function roomFor(plan: EntityPlan, amountBytes: number, stateBytes: number): Uint8Array {
  return new Uint8Array(stateBytes + spareRecords * (plan.amountAt + amountBytes));
}

/**
 * What this process knows of one entity in Redis: its state with the tail put in, as of `rawLength` bytes of the value.
 * Belongs to one generation; when Redis has another, a new copy is made and this one forgotten.
 */
export class EntityCopy {
  readonly plan: EntityPlan;
  readonly generation: number;
  /** Bytes of the amounts in Redis; here they may still be narrower. */
  readonly rawAmountBytes: number;
  /** How much of the value in Redis is in here. */
  rawLength: number;
  /** Records that Redis still holds as a tail. */
  tailRecords = 0;
  /** When this process last put off its expiry, by the wall clock. */
  refreshedAtMs = 0;
  bytes: Uint8Array;
  view: DataView;
  /** Where this process keeps it (copies.ts), if it does. */
  kept: Kept | undefined = undefined;

  constructor(plan: EntityPlan, generation: number, rawAmountBytes: number, rawLength: number, bytes: Uint8Array) {
    this.plan = plan;
    this.generation = generation;
    this.rawAmountBytes = rawAmountBytes;
    this.rawLength = rawLength;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  /** An independent copy of the state alone, to be changed and sent. */
  clone(): EntityCopy {
    const { plan, generation, rawAmountBytes, rawLength } = this;
    from.open(plan, this.view, this.bytes, 0);
    const stateBytes = from.stateBytes();
    const bytes = roomFor(plan, rawAmountBytes, stateBytes);
    bytes.set(this.bytes.subarray(0, stateBytes));
    return new EntityCopy(plan, generation, rawAmountBytes, rawLength, bytes);
  }

  /** The same state (the same bytes: this copy is given up) as it is in Redis without a tail. */
  replaced(generation: number, rawLength: number): EntityCopy {
    return new EntityCopy(this.plan, generation, this.rawAmountBytes, rawLength, this.bytes);
  }

  /** Sees to it that the state can grow to so many bytes. Answers whether it has moved. */
  reserve(stateBytes: number): boolean {
    if (stateBytes <= this.bytes.length) return false;
    const grown = new Uint8Array(Math.max(stateBytes, this.bytes.length + (this.bytes.length >> 1)));
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
    return true;
  }
}

/**
 * The state that a value starts with, its amounts as wide as they were then; the tail is still to be put in. Undefined for
 * bytes that are no value of this plan.
 */
export function readBase(plan: EntityPlan, value: Uint8Array, view: DataView): EntityCopy | undefined {
  if (value.length < envelopeBytes + headerBytes) return undefined;
  from.open(plan, view, value, envelopeBytes);
  const stateBytes = from.stateBytes();
  const tailBytes = value.length - envelopeBytes - stateBytes;
  if (from.bucketCount > bucketsMax || tailBytes < 0 || tailBytes % from.stride !== 0) return undefined;
  const rawLength = envelopeBytes + stateBytes;
  const bytes = roomFor(plan, from.amountBytes, stateBytes + tailBytes);
  const copy = new EntityCopy(plan, view.getUint32(0, true), from.amountBytes, rawLength, bytes);
  copyState(from, copy.view, copy.bytes, 0, value[generationBytes] as number);
  return copy;
}
