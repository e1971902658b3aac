import type { EntityPlan } from '../../features/plan.ts';
import { copyState } from '../../features/ring.ts';
import { bucketsMax, headerBytes, StateCell } from '../../features/state.ts';
import type { Kept } from './copies.ts';

export const generationBytes = 4;
/** Generation and width before the state. */
export const envelopeBytes = generationBytes + 1;
/** Room for so many more records is made at once. */
const spareRecords = 16;

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

  constructor(plan: EntityPlan, generation: number, rawAmountBytes: number, rawLength: number, roomBytes: number) {
    this.plan = plan;
    this.generation = generation;
    this.rawAmountBytes = rawAmountBytes;
    this.rawLength = rawLength;
    this.bytes = new Uint8Array(roomBytes + spareRecords * (plan.amountAt + rawAmountBytes));
    this.view = new DataView(this.bytes.buffer);
  }

  /** An independent copy of the state alone, to be changed and sent. */
  clone(generation = this.generation, rawLength = this.rawLength): EntityCopy {
    const made = new EntityCopy(this.plan, generation, this.rawAmountBytes, rawLength, this.bytes.length);
    made.bytes.set(this.bytes);
    return made;
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

const from = new StateCell();

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
  const copy = new EntityCopy(plan, view.getUint32(0, true), from.amountBytes, rawLength, stateBytes + tailBytes);
  copyState(from, copy.view, copy.bytes, 0, value[generationBytes] as number);
  return copy;
}
