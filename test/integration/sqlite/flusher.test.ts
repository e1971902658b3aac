import { expect, test } from 'vitest';
import { createVelocityMemory } from '../../../src/adapters/memory/velocity.ts';
import { defaultPace, Flusher, type FlushTarget } from '../../../src/adapters/sqlite/flusher.ts';
import { StampLedger } from '../../../src/adapters/sqlite/stamps.ts';
import { createEmbeddedVelocity, LabelStamps } from '../../../src/adapters/sqlite/velocity.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import type { VelocityMemory } from '../../../src/features/types.ts';
import { Disk, type MakeMemory, runHistory } from '../../helpers/flusherHistory.ts';
import { ForgetfulMemory } from '../../helpers/forgetfulMemory.ts';
import { paymentJson } from '../../helpers/journalHistory.ts';

const firstSeed = Number(process.env.HOLDFAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

const forgetful: MakeMemory = (hooks) => new ForgetfulMemory(hooks, 'kept');

async function checkForgetful(disk: Disk, where: string): Promise<void> {
  const memory = await disk.recover(forgetful);
  if (!(memory instanceof ForgetfulMemory)) throw new Error('another memory');
  for (const [key, counts] of disk.truth()) expect(memory.counts(key), `${key}, ${where}`).toEqual(counts);
}

const program = compileFeatures({
  version: 1,
  ringEventsMax: 8,
  features: ['customer', 'card', 'terminal'].flatMap((entity) => [
    { entity, aggregate: 'count', windows: ['30d'] },
    { entity, aggregate: 'sum', field: 'amountMinor', windows: ['30d'] },
    { entity, aggregate: 'fraudRate', windows: ['30d'] },
  ]),
});
const real: MakeMemory = (hooks) => createVelocityMemory(program, { ...hooks, residentBytesMax: 1 });

interface Seen {
  readonly value: number;
  readonly bound: number;
}

/** Counts of the entities that one more payment touches, itself included; the memory is not of use afterwards. */
function probe(memory: VelocityMemory, customer: number, card: number, terminal: number): Record<string, Seen[]> {
  const { payment } = paymentJson(`probe ${customer} ${card} ${terminal}`, customer, card, terminal, 0, 59);
  const out = createFeatureMatrix(program.names.length, 1);
  memory.appendAndRead('default', [payment], out, Number.MAX_SAFE_INTEGER);
  const of = (entity: string): Seen[] =>
    ['count', 'sum.amountMinor', 'fraudRate'].map((name) => {
      const at = program.names.indexOf(`${entity}.${name}.30d`);
      return { value: out.values[at] as number, bound: out.bounds[at] as number };
    });
  return { customerId: of('customer'), cardId: of('card'), terminalId: of('terminal') };
}

async function checkReal(disk: Disk, where: string): Promise<void> {
  const truth = disk.truth();
  const memory = await disk.recover(real);
  const expected = (kind: string, value: string): number[] => {
    const { count, sum, frauds } = truth.get(`default/${kind}/${value}`) ?? { count: 0, sum: 0, frauds: 0 };
    return [count + 1, sum, frauds / (count + 1)];
  };
  // Every entity once: a probe counts in what comes after it.
  for (let i = 0; i < 9; i++) {
    const seen = probe(memory, i, i, i);
    const want = {
      customerId: expected('customerId', `C${i}`),
      cardId: expected('cardId', `K${i}`),
      terminalId: expected('terminalId', `T${i}`),
    };
    for (const kind of ['customerId', 'cardId', 'terminalId'] as const) {
      for (const [k, value] of want[kind].entries()) {
        const { value: found, bound } = seen[kind]?.[k] as Seen;
        expect(Math.abs(found - value), `${kind} ${i} [${k}] ${found}, ${value}, ${where}`).toBeLessThanOrEqual(
          bound + 1e-9,
        );
      }
    }
  }
}

// Batches overtake each other, rows expire, records fail, labels fail and are taken back, flushes fail, entities are
// evicted, the process dies and starts again: wherever it dies, what was stored and the journal give the truth.
test(`whatever moment the process dies at, recovery finds the truth (seed ${firstSeed})`, {
  timeout: 120_000,
}, async () => {
  let stored = 0;
  for (let seed = firstSeed; seed < firstSeed + 60; seed++) {
    stored += (
      await runHistory({ seed, lives: 3, steps: 100, checkShare: 0.3, make: forgetful, check: checkForgetful })
    ).flushes;
  }
  expect(stored).toBeGreaterThan(600);
});

test(`the same with the real memory, which folds and evicts (seed ${firstSeed})`, { timeout: 120_000 }, async () => {
  for (let seed = firstSeed; seed < firstSeed + 8; seed++) {
    await runHistory({ seed, lives: 3, steps: 80, checkShare: 0.1, make: real, check: checkReal });
  }
});

test('after a clean stop there is nothing to replay', async () => {
  const { disk } = await runHistory({
    seed: firstSeed,
    lives: 2,
    steps: 200,
    checkShare: 0.1,
    make: forgetful,
    check: checkForgetful,
  });
  expect(disk.meta.get('clean')).toBe('1');
  expect(disk.rows.filter(({ stamp }) => stamp > disk.checkpoint().stamp)).toEqual([]);
});

test('a stamp that a stored entity has is never given again, also when no row of the journal has it', async () => {
  const disk = new Disk();
  const made = ['kept', 'taken back', 'later'].map((id) => paymentJson(id, 1, 1, 1, 100));
  const [kept, takenBack, later] = made as [(typeof made)[0], (typeof made)[0], (typeof made)[0]];
  const target: FlushTarget = {
    run(message) {
      if (message.type === 'flush') disk.apply(message);
      return Promise.resolve(0);
    },
  };
  const pace = { ...defaultPace, flushRows: 1 };

  const before = new StampLedger(disk.checkpoint(), 0, 0);
  const flusher = new Flusher({
    pace,
    state: target,
    ledger: before,
    checkpoint: disk.checkpoint(),
    onIndexed: () => {},
  });
  const memory = forgetful({ loadMissing: disk.load, storedElsewhere: true });
  flusher.attach(memory);
  const velocity = createEmbeddedVelocity(memory, before, new LabelStamps(before), flusher);
  const append = (each: (typeof made)[0]) =>
    velocity.appendAndRead('default', [each.payment], createFeatureMatrix(2, 1), 1);
  await append(kept);
  before.durable(disk.decision(kept, before.stampOf('default', 'kept')));
  before.settlePayment('default', 'kept');
  await append(takenBack);
  velocity.retract('default', takenBack.payment);
  await flusher.close();
  const stored = Math.max(...[...disk.velocity.values()].map(({ stamp }) => stamp));
  expect(stored).toBeGreaterThan(Math.max(...disk.rows.map(({ stamp }) => stamp)));

  const after = new StampLedger(disk.checkpoint(), disk.rows[0]?.stamp ?? 0, disk.rows.length);
  after.openPayments('default', [later.payment]);
  disk.decision(later, after.stampOf('default', 'later'));
  await checkForgetful(disk, 'second start');
});
