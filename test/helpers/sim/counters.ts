/** What the entities have counted, and what they should have. */
import { RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import type { VelocityStore } from '../../../src/pipeline/ports.ts';
import type { SimAnalytics } from './analytics.ts';
import type { Book } from './book.ts';
import type { ApiClient } from './client.ts';
import type { Machine } from './machines.ts';
import type { Plan, PlannedPayment } from './plan.ts';
import { type Engines, tenantId } from './processes.ts';
import { counted, fraudRate } from './release.ts';
import { Actor } from './world.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

export interface Checked {
  readonly plan: Plan;
  readonly engines: Engines;
  readonly book: Book;
  readonly client: ApiClient;
  readonly analytics: SimAnalytics;
  readonly machines: readonly Machine[];
  /** Payments that a process which died was still to count: nobody else knows of them. */
  readonly uncounted: ReadonlySet<string>;
}

/** Labels of a payment as Redis or the journal keeps them. */
export function rememberedLabels({ book, engines, machines }: Checked, paymentId: string): readonly string[] {
  const journalled = machines.flatMap(({ disk }) =>
    disk.journal.labels.filter((label) => label.paymentId === paymentId),
  );
  if (journalled.length > 0) return journalled.map(({ labelledAtMs }) => ` ${labelledAtMs}`);
  const key = book.keyOf('l', tenantId, paymentId);
  const list = engines.redis.data.get(key);
  return Array.isArray(list) ? list.map(String) : [];
}

function probeOf(index: number, fields: Readonly<Record<string, string>>): Payment {
  const decoded = createPaymentDecoder().decode(
    Buffer.from(
      JSON.stringify({
        paymentId: `probe-${index}`,
        occurredAt: '2026-01-05T10:00:00.500Z',
        amountMinor: 0,
        currency: 'EUR',
        customerId: `probe-${index}`,
        ...fields,
      }),
    ),
    Number.POSITIVE_INFINITY,
  );
  if (!(decoded instanceof Payment)) throw new Error('a probe does not decode');
  return decoded;
}

/** What each entity has counted, asked as the product asks. */
async function readCounters({ engines, plan, machines }: Checked) {
  const { release, redis, kafka } = engines;
  const actor = new Actor(kafka.world, 'probe');
  const entities = (['customer', 'terminal'] as const).flatMap((kind) =>
    [...new Set(plan.payments.map((payment) => payment[`${kind}Id`]))].map((id) => ({ kind, id })),
  );
  const out = createFeatureMatrix(release.features.names.length, Math.max(1, entities.length));
  const memory = machines[0]?.process?.decider?.memory;
  const store: VelocityStore =
    memory ?? new RedisVelocityStore({ program: release.features, connection: redis.connect(actor, 1000) });
  const probes = entities.map(({ kind, id }, i) => probeOf(i, { [`${kind}Id`]: id }));
  if (probes.length > 0) await actor.run(() => store.appendAndRead(tenantId, probes, out, 1));
  return entities.map(({ kind, id }, row) => {
    const value = (name: string): number => {
      const cell = out.values[row * out.featureCount + release.features.names.indexOf(name)];
      return cell === undefined || Number.isNaN(cell) ? 0 : cell;
    };
    const count = value(counted[kind].count) - 1;
    const frauds = kind === 'terminal' ? Math.round(value(fraudRate) * (count + 1)) : 0;
    return { kind, id, count, sum: value(counted[kind].sum), frauds };
  });
}

const amountsOf = (payments: readonly PlannedPayment[]): Map<number, PlannedPayment> =>
  new Map(payments.map((payment) => [payment.amountMinor, payment]));

/**
 * What may have been counted without being decided: its process ended, or its batch failed, and when it comes again another
 * content is decided already; nobody asks for it again; or it was decided twice while the claims were out of reach, and the
 * other decision is first in the topic.
 */
function mayBeExtra({ plan, book, client, engines }: Checked, payment: PlannedPayment): boolean {
  // There, what is counted dies with the process.
  if (plan.composition === 'up') return false;
  const { interrupted } = engines.kafka.world;
  const { paymentId } = payment;
  const unsure = interrupted || plan.faults.has('redis');
  if (unsure && book.contentsOf(paymentId) > 1) return true;
  // It ran out of time, and its process did not live to take it out again.
  if (client.outOfTime.has(paymentId) && unsure) return true;
  // It stands, and is decided when somebody asks again.
  if (book.claimOf(tenantId, paymentId)?.includes(Buffer.from(payment.body)) === true) return true;
  return client.lostCalls.has(payment) || book.decidedAlone.has(paymentId);
}

/** Each decided payment is counted once for each of its entities, and no other payment is. */
export async function checkCounters(checked: Checked, problems: string[]): Promise<void> {
  const { plan, book, uncounted, client, engines } = checked;
  const byAmount = amountsOf(plan.payments);
  const isDecided = ({ paymentId, body }: PlannedPayment): boolean =>
    book.decided.get(paymentId)?.[0]?.payment === text(body);
  // It ran out of time where nobody knows any more what was put in by whom.
  const unsure = engines.kafka.world.interrupted || plan.faults.has('redis');
  const mayBeTakenOut = ({ paymentId }: PlannedPayment): boolean => unsure && client.outOfTime.has(paymentId);
  for (const { kind, id, count, sum, frauds } of await readCounters(checked)) {
    const bits = [...byAmount.values()].filter(({ amountMinor }) => Math.floor(sum / amountMinor) % 2 === 1);
    if (bits.length !== count) problems.push(`${kind} ${id} has counted ${count} payments that sum to ${sum}`);
    const expected = plan.payments.filter((payment) => payment[`${kind}Id`] === id && isDecided(payment));
    const marked = expected.filter(
      (payment) =>
        bits.includes(payment) &&
        !book.decidedAlone.has(payment.paymentId) &&
        rememberedLabels(checked, payment.paymentId).length > 0,
    );
    // A payment that Redis gets late is not there yet when its label comes.
    if (kind === 'terminal' && !plan.faults.has('redis') && frauds < marked.length)
      problems.push(`${marked.length} payments of terminal ${id} are labelled, ${frauds} are marked`);
    for (const payment of expected)
      if (!bits.includes(payment) && !uncounted.has(payment.paymentId) && !mayBeTakenOut(payment))
        problems.push(`${payment.paymentId} is decided and not counted for ${kind} ${id}`);
    for (const payment of bits)
      if (!expected.includes(payment) && !mayBeExtra(checked, payment))
        problems.push(`${payment.paymentId} is counted for ${kind} ${id} and not decided`);
  }
}
