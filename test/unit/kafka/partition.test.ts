import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeldPartition } from '../../../src/adapters/kafka/partition.ts';
import type { Message } from '../../../src/pipeline/ports.ts';

const message = (offset: number): Message => ({ partition: 0, offset, key: '', value: Uint8Array.of(offset) });
const range = (from: number, to: number): Message[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => message(from + i));

describe('what a member holds of a partition', () => {
  test('whatever is fetched, again or from before a seek, is handed out once and in order, and again from the commit on after a rewind', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('fetch' as const), back: fc.nat({ max: 5 }), size: fc.nat({ max: 8 }) }),
      fc.record({ kind: fc.constant('stale' as const), ahead: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ kind: fc.constant('hand' as const), max: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ kind: fc.constant('commit' as const), back: fc.nat({ max: 4 }) }),
      fc.record({ kind: fc.constant('rewind' as const) }),
      fc.record({ kind: fc.constant('rejoin' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const held = new HeldPartition(0);
        let expected = 0;
        let committed = 0;
        let seeking = false;
        const fetch = (from: number, to: number): void => {
          if (held.accepts(from) !== 'yes') return;
          held.take(range(from, to), to, to);
          seeking = false;
        };
        fetch(0, 0);
        for (const one of steps) {
          const next = held.next ?? 0;
          if (one.kind === 'fetch') fetch(Math.max(0, next - one.back), next + one.size);
          else if (one.kind === 'stale' && seeking) {
            expect(held.accepts(next + one.ahead)).toBe('stale');
          } else if (one.kind === 'hand') {
            const messages = held.hand(one.max);
            for (const { offset } of messages) expect(offset).toBe(expected++);
          } else if (one.kind === 'commit') {
            const position = expected - one.back;
            const valid = held.mayCommit(position);
            expect(valid).toBe(position > committed && position <= expected);
            if (valid) {
              held.committed(position);
              committed = position;
            }
          } else if (one.kind === 'rewind') {
            const to = held.rewind();
            expect(to).toBe(expected === committed ? undefined : committed);
            if (to !== undefined) seeking = true;
            expected = committed;
          } else if (one.kind === 'rejoin') {
            held.reseek();
            seeking = true;
          }
        }
      }),
    );
  });

  test('offsets that hold no message are passed over', () => {
    const held = new HeldPartition(0);
    held.take(range(0, 3), 5, 5);
    expect(held.accepts(6)).toBe('yes');
    held.take(range(6, 8), 8, 8);
    expect(held.hand(10).map(({ offset }) => offset)).toEqual([0, 1, 2, 6, 7]);
  });

  test('where the broker lost offsets it begins anew, further on or at the beginning', () => {
    const held = new HeldPartition(0);
    held.take(range(0, 5), 5, 5);
    held.hand(5);
    held.outOfRange();
    expect(held.accepts(20)).toBe('restarted');
    held.restart(20);
    held.take(range(20, 22), 22, 22);
    expect(held.mayCommit(5)).toBe(false);
    expect(held.hand(10).map(({ offset }) => offset)).toEqual([20, 21]);
    held.outOfRange();
    expect(held.accepts(0)).toBe('restarted');
    held.restart(0);
    held.take(range(0, 2), 2, 2);
    expect(held.hand(10).map(({ offset }) => offset)).toEqual([0, 1]);
    expect(held.mayCommit(2)).toBe(true);
  });
});
