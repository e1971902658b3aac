/** Faults of what is on the topics. */
import { expect } from 'vitest';
import { listDeadLetters } from '../../../src/pipeline/deadletter.ts';
import { topics } from '../../../src/pipeline/ports.ts';
import type { Random } from '../../../src/simulator/random.ts';
import { waitFor } from '../server.ts';
import type { Fault } from './faults.ts';
import type { Letter } from './history.ts';

/** Letters that may be sent again later. */
const rememberedMax = 100;

/** Every slice is shuffled, and some of the letters before it are sent again among it. */
export function duplicatedAndReordered(): NonNullable<Fault['mangle']> {
  const earlier: Letter[] = [];
  return (slice, random) => {
    const again = earlier.filter(() => random.below(20) === 0);
    earlier.push(...slice);
    earlier.splice(0, Math.max(0, earlier.length - rememberedMax));
    const mixed = [...slice, ...again];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [mixed[i], mixed[j]] = [mixed[j] as Letter, mixed[i] as Letter];
    }
    return mixed;
  };
}

/** What no decoder may take, for every topic. */
const garbage = (random: Random): Buffer[] => [
  Buffer.alloc(0),
  Buffer.from('{'),
  Buffer.from('null'),
  Buffer.from('[[[[[[[[[['),
  Buffer.from('{"__proto__":{"paymentId":"x"}}'),
  Buffer.from(`{"paymentId":"${'x'.repeat(20_000)}"}`),
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
  Buffer.from(Array.from({ length: 300 }, () => random.below(256))),
];

/** A letter with the payment's id and another amount: a conflict, since the payment comes before it. */
function conflictOf({ key, value }: Letter): Letter {
  const payment = JSON.parse(value.toString()) as { amountMinor: number };
  return { key, value: Buffer.from(JSON.stringify({ ...payment, amountMinor: payment.amountMinor + 1 })) };
}

/** A decision like a recorded one, only without what a row needs. */
const halfDecision = Buffer.from(
  '{"decisionId":"d","paymentId":"half","tenantId":"default","releaseId":"r","occurredAt":"2026-01-04T12:00:00.000Z","payment":{},"features":{}}',
);

function poison(): Fault {
  const sent: Letter[] = [];
  return {
    name: 'messages that nobody can read are on every topic',
    countedThroughout: true,
    mangle(slice, random) {
      const [first] = slice;
      if (first === undefined) return slice;
      const bad = [...garbage(random).map((value) => ({ key: first.key, value })), conflictOf(first)];
      const some = bad.filter(() => random.below(4) === 0);
      sent.push(...some);
      return [...slice, ...some];
    },
    async strike({ log }, _history, random) {
      const letters = [...garbage(random), halfDecision].map((value, i) => ({ key: `bad-${i}`, value }));
      for (const topic of [topics.labels, topics.decisions]) await log.append(topic, letters);
      sent.push(...letters, ...letters);
      return () => Promise.resolve();
    },
    async check({ log }) {
      const kept = await waitFor('every letter to be kept', async () => {
        const letters = await listDeadLetters(log);
        return letters.length >= sent.length ? letters : undefined;
      });
      const originals = (bytes: readonly string[]): string[] => [...bytes].sort();
      expect(originals(kept.map(({ originalBase64 }) => originalBase64))).toEqual(
        originals(sent.map(({ value }) => value.toString('base64'))),
      );
    },
  };
}

export const poisoned = poison();
