import { bucketsMax, headerBytes } from '../../features/state.ts';
import type { EntityPlan } from '../../features/plan.ts';

/** Bytes of the generation before the state. */
export const generationBytes = 4;
/** Room for so many more records is made at once. */
const spareRecords = 16;

/**
 * What this process knows of one entity in Redis: its state with the tail put in, as of `rawLength` bytes of the value.
 * Belongs to one generation; when Redis has another, a new copy is made and this one forgotten.
 */
export class EntityCopy {
  readonly plan: EntityPlan;
  readonly generation: number;
  /** How much of the value in Redis is in here. */
  rawLength: number;
  /** Records that Redis still holds as a tail. */
  tailRecords = 0;
  bytes: Uint8Array;
  view: DataView;

  /** @param state the state bytes that the value starts with, without the tail */
  constructor(plan: EntityPlan, generation: number, rawLength: number, state: Uint8Array, records: number) {
    this.plan = plan;
    this.generation = generation;
    this.rawLength = rawLength;
    const room = state.length + (records + spareRecords) * (plan.amountAt + 7);
    this.bytes = new Uint8Array(room);
    this.bytes.set(state);
    this.view = new DataView(this.bytes.buffer);
  }

  /** An independent copy of the state alone, to be changed and sent. */
  clone(): EntityCopy {
    const made = new EntityCopy(this.plan, this.generation, this.rawLength, this.bytes, 0);
    made.tailRecords = this.tailRecords;
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

/** Bytes of the state that a value starts with (after the generation), by its header; undefined when it has none. */
export function baseBytesOf(plan: EntityPlan, value: Uint8Array): { stateBytes: number; stride: number } | undefined {
  if (value.length < generationBytes + headerBytes) return undefined;
  const shape = value[generationBytes + 1] as number;
  const count = (value[generationBytes + 2] as number) | ((value[generationBytes + 3] as number) << 8);
  const stride = plan.amountAt + (shape & 7);
  const buckets = (shape >> 3) & 15;
  const stateBytes = headerBytes + buckets * plan.bucketBytes + count * stride;
  const tailBytes = value.length - generationBytes - stateBytes;
  if (buckets > bucketsMax || tailBytes < 0 || tailBytes % stride !== 0) return undefined;
  return { stateBytes, stride };
}
