/**
 * A queue of byte messages from one thread to another over shared memory: the producer writes a message where the
 * consumer will read it, and wakes it with one `Atomics.notify`. No message is cloned, no buffer is allocated.
 *
 * Positions run from 0 to capacity − 1; head = tail means empty, so one message never fills the whole ring. A message
 * is an 8-byte head (u32 length, u32 0) and its bytes, contiguous, at a multiple of 8. Length `skip` sends the reader
 * back to position 0.
 */
const controlBytes = 64;
const headIndex = 0;
const tailIndex = 1;
/** Counts publications; the consumer sleeps on it. */
const signalIndex = 2;
const messageHeadBytes = 8;
const skip = 0xffffffff;

const align = (bytes: number): number => (bytes + 7) & ~7;

/** @param capacityBytes a multiple of 8; a message may take half of it. */
export function createRingMemory(capacityBytes: number): SharedArrayBuffer {
  if (capacityBytes % 8 !== 0) throw new Error('a ring is a multiple of 8 bytes');
  return new SharedArrayBuffer(controlBytes + capacityBytes);
}

/** The largest message that always finds its place once the ring is empty. */
export const ringMessageBytesMax = (capacityBytes: number): number => capacityBytes / 2 - 2 * messageHeadBytes;

class RingView {
  protected readonly control: Int32Array;
  protected readonly view: DataView;
  readonly data: Uint8Array;
  readonly capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.control = new Int32Array(memory, 0, controlBytes / 4);
    this.capacity = memory.byteLength - controlBytes;
    this.view = new DataView(memory, controlBytes, this.capacity);
    this.data = new Uint8Array(memory, controlBytes, this.capacity);
  }

  /** Bytes taken, wrap included. */
  get usedBytes(): number {
    const used = Atomics.load(this.control, headIndex) - Atomics.load(this.control, tailIndex);
    return used < 0 ? used + this.capacity : used;
  }
}

export class RingProducer extends RingView {
  #head = 0;
  #reserved = -1;

  /** Space for a message of up to `bytes`: its offset into `data`, or -1 while there is none. */
  reserve(bytes: number): number {
    const whole = messageHeadBytes + align(bytes);
    const tail = Atomics.load(this.control, tailIndex);
    // Strictly less than the gap: head may never catch up with tail.
    if (this.#head >= tail) {
      const empty = this.#head === tail;
      // An empty ring starts again at 0: a quiet system then touches the same few cached pages for ever.
      const restart = empty && this.#head !== 0 && whole < tail;
      if (!restart && whole < this.capacity - this.#head) return this.#reserveAt(this.#head);
      if (whole >= tail) return -1;
      this.view.setUint32(this.#head, skip, true);
      return this.#reserveAt(0);
    }
    return whole < tail - this.#head ? this.#reserveAt(this.#head) : -1;
  }

  /** Makes the reserved message of `bytes` (≤ as reserved) visible and wakes the consumer. */
  publish(bytes: number): void {
    if (this.#reserved < 0) throw new Error('nothing reserved');
    this.view.setUint32(this.#reserved, bytes, true);
    this.#head = this.#reserved + messageHeadBytes + align(bytes);
    this.#reserved = -1;
    Atomics.store(this.control, headIndex, this.#head);
    Atomics.add(this.control, signalIndex, 1);
    Atomics.notify(this.control, signalIndex);
  }

  #reserveAt(position: number): number {
    this.#reserved = position;
    return position + messageHeadBytes;
  }
}

export interface RingMessage {
  /** Offset and length in `data`. */
  readonly offset: number;
  readonly length: number;
  /** What to `release` when this message and all before it are done with. */
  readonly end: number;
}

export class RingConsumer extends RingView {
  #read = 0;

  /** The next message not yet read, or undefined. It stays in place until released. */
  next(): RingMessage | undefined {
    const head = Atomics.load(this.control, headIndex);
    if (this.#read === head) return undefined;
    let length = this.view.getUint32(this.#read, true);
    if (length === skip) {
      this.#read = 0;
      length = this.view.getUint32(0, true);
    }
    const offset = this.#read + messageHeadBytes;
    this.#read = offset + align(length);
    return { offset, length, end: this.#read };
  }

  /** Gives the room of every message up to `end` back to the producer. */
  release(end: number): void {
    Atomics.store(this.control, tailIndex, end);
  }

  /** Sleeps until something may have been published, at most `timeoutMs`. False when the time ran out. */
  wait(timeoutMs: number): boolean {
    const seen = Atomics.load(this.control, signalIndex);
    if (this.#read !== Atomics.load(this.control, headIndex)) return true;
    return Atomics.wait(this.control, signalIndex, seen, timeoutMs) !== 'timed-out';
  }
}
