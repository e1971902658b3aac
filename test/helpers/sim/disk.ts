/** A machine's disk with its spool: durable at once, now and then full, and the process may die in the middle of a call. */
import type { OutgoingMessage, SpooledMessage, SpoolFile } from '../../../src/pipeline/spool.ts';
import { SimJournal } from './journal.ts';
import type { Actor } from './world.ts';

export interface DiskFaults {
  readonly refused: number;
  readonly crash: number;
}

export class SimDisk {
  /** Of `up`; the roles have only the spool. */
  readonly journal = new SimJournal();
  readonly spooled: SpooledMessage[] = [];
  #seq = 0;

  open(actor: Actor, faults: DiskFaults): SpoolFile {
    const { spooled } = this;
    const { world } = actor;
    const happens = (probability: number): boolean => !world.calm && world.random.chance(probability);
    /** A call by a dead process does nothing. */
    const durably = <T>(what: string, effect: () => T): T => {
      if (!actor.alive) actor.crashHere('');
      if (happens(faults.refused)) {
        world.trace(actor.name, () => `disk ${what} refused`);
        throw new Error('simulated: the disk refuses');
      }
      if (happens(faults.crash)) actor.crashHere(`before the disk's ${what}`);
      const value = effect();
      world.trace(actor.name, () => `disk ${what}`);
      if (happens(faults.crash)) actor.crashHere(`after the disk's ${what}`);
      return value;
    };
    return {
      get count() {
        return spooled.length;
      },
      get bytes() {
        return spooled.reduce((sum, { value }) => sum + value.length, 0);
      },
      write: (messages: readonly OutgoingMessage[]) =>
        durably(`write ${messages.map(({ key }) => key).join(',')}`, () => {
          for (const { key, value } of messages) spooled.push({ seq: ++this.#seq, key, value: Uint8Array.from(value) });
        }),
      oldest: (max) => durably('read', () => spooled.slice(0, max)),
      remove: (messages) =>
        durably(`remove ${messages.map(({ key }) => key).join(',')}`, () => {
          const last = messages.at(-1)?.seq ?? 0;
          while ((spooled[0]?.seq ?? Number.POSITIVE_INFINITY) <= last) spooled.shift();
        }),
      close: () => {},
    };
  }
}
