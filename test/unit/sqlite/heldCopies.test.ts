// Guarantee: whatever is taken, sent, stored or put back in whatever order, state.db holds every change below the oldest stamp that
// the copies name, and nothing that may still fail; and entities that change all the time do not keep that stamp from going on.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldCopies } from '../../../src/adapters/sqlite/heldCopies.ts';
import type { DirtyEntity } from '../../../src/features/types.ts';

const entities = ['A', 'B', 'C'];

/** Entities as the list of stamps that changed them; a stamp is open until it is settled. */
class World {
  readonly copies = new HeldCopies(() => {});
  readonly changes = new Map<string, number[]>(entities.map((name) => [name, []]));
  readonly dirtySince = new Map<string, number>();
  readonly stored = new Map<string, number>();
  readonly open: number[] = [];
  last = 0;
  #sent: readonly { readonly key: Uint8Array; readonly stamp: number }[] | undefined;

  get watermark(): number {
    return (this.open[0] ?? this.last + 1) - 1;
  }

  change(names: readonly string[]): void {
    const stamp = ++this.last;
    this.open.push(stamp);
    for (const name of names) {
      this.changes.get(name)?.push(stamp);
      if (!this.dirtySince.has(name)) this.dirtySince.set(name, stamp);
    }
  }

  take(max: number): void {
    const { changes, dirtySince } = this;
    const takeDirty = (count: number): DirtyEntity[] =>
      [...dirtySince.keys()].slice(0, count).map((name) => {
        dirtySince.delete(name);
        return { key: Buffer.from(name), bytes: new Uint8Array(8), batch: changes.get(name)?.at(-1) ?? 0 };
      });
    const dirty = () => ({
      count: dirtySince.size,
      oldestBatch: Math.min(Number.POSITIVE_INFINITY, ...dirtySince.values()),
    });
    this.copies.take({ dirty, takeDirty }, max);
  }

  send(): void {
    if (this.#sent !== undefined) return;
    this.#sent = this.copies.send(this.watermark, 2);
    for (const { stamp } of this.#sent) expect(stamp).toBeLessThanOrEqual(this.watermark);
  }

  end(success: boolean): void {
    if (this.#sent === undefined) return;
    if (success) for (const { key, stamp } of this.#sent) this.stored.set(Buffer.from(key).toString(), stamp);
    if (success) this.copies.stored();
    else this.copies.putBack();
    this.#sent = undefined;
  }

  /** Every change below it is stored, once nothing is under way. */
  oldest(): number {
    return Math.min(this.watermark + 1, this.copies.oldestStamp(), ...this.dirtySince.values());
  }

  check(): void {
    if (this.#sent !== undefined) return;
    for (const [name, stamps] of this.changes) {
      const lacking = stamps.filter((stamp) => stamp > (this.stored.get(name) ?? 0));
      expect(lacking[0] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(this.oldest());
    }
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant('change' as const), names: fc.subarray(entities, { minLength: 1 }) }),
  fc.record({ do: fc.constant('settle' as const), at: fc.nat(5) }),
  fc.record({ do: fc.constant('take' as const), max: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('send' as const) }),
  fc.record({ do: fc.constant('end' as const), success: fc.boolean() }),
  fc.record({ do: fc.constant('discard' as const), names: fc.subarray(entities, { minLength: 1 }) }),
);

describe('held copies', () => {
  it('never let the oldest stamp pass a change that is not stored', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const world = new World();
        for (const each of steps) {
          if (each.do === 'change') world.change(each.names);
          else if (each.do === 'settle') world.open.splice(each.at % Math.max(1, world.open.length), 1);
          else if (each.do === 'take') world.take(each.max);
          else if (each.do === 'send') world.send();
          else if (each.do === 'end') world.end(each.success);
          else {
            // What a failed payment touched changes once more: it is taken out of it.
            world.copies.discard(each.names.map((name) => Buffer.from(name)));
            world.change(each.names);
          }
          world.check();
        }
      }),
      { numRuns: 500 },
    );
  });

  it('of an entity in every payment go on, though its newest copy is never old enough', () => {
    const world = new World();
    const inFlight = 10;
    for (let payment = 0; payment < 500; payment++) {
      world.change(['A']);
      if (world.open.length > inFlight) world.open.shift();
      world.take(1);
      world.send();
      world.end(true);
      expect(world.last - world.oldest()).toBeLessThanOrEqual(2 * inFlight + 2);
    }
  });
});
