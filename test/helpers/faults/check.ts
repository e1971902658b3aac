/** What must hold of a history whatever befell it: see the head of test/integration/roles/faults.test.ts. */
import { expect } from 'vitest';
import { select } from '../../../src/adapters/clickhouse/client.ts';
import { openServer } from '../../../src/adapters/clickhouse/server.ts';
import type { Random } from '../../../src/simulator/random.ts';
import { roleKey } from '../roles.ts';
import { waitFor } from '../server.ts';
import { type History, post, type Sent } from './history.ts';
import type { Window } from './faults.ts';
import type { Decided } from './tail.ts';
import type { RolesWorld } from './world.ts';

const probes = 6;
const dayMs = 86_400_000;
/** Between a payment's count and its decision no more time passes than this. */
const edgeMs = 2_000;
/** Long for anyone to wait, short for a counter that is still to be put right. */
const probeDeadlineMs = 5000;

/** Every payment has a decision in the topic. */
export async function everyDecision({ tail }: RolesWorld, payments: readonly Sent[]): Promise<Map<string, Decided>> {
  await waitFor('every payment to be decided', () =>
    Promise.resolve(payments.every(({ paymentId }) => tail.decided.has(paymentId)) ? true : undefined),
  );
  return new Map(payments.map(({ paymentId }) => [paymentId, tail.decided.get(paymentId) as Decided]));
}

/**
 * One decision each, told to whoever asked; and what is missing in one is named in it.
 * @param claimsLost a payment that was delivered again, to another process, just when Redis forgot who had decided it, was
 *   decided anew; the first decision in the topic stands
 * @returns how many were decided twice
 */
export function checkDecisions(history: History, decided: ReadonlyMap<string, Decided>, claimsLost: boolean): number {
  let twice = 0;
  for (const [id, { contents, degraded, customerCount }] of decided) {
    if (contents.length > 1) twice++;
    if (!claimsLost) expect(contents.length, `different decisions of ${id}`).toBe(1);
    const answered = history.answered.get(id);
    if (answered !== undefined) expect(answered, `the answer of ${id}`).toBe(contents[0]);
    const without = degraded.includes('velocity:unavailable');
    expect(Number.isNaN(customerCount), `${id} is decided without velocity`).toBe(without);
  }
  return twice;
}

/** A customer's payments on the topic were counted one after another, each with those before it. */
export function checkCounts(history: History, decided: ReadonlyMap<string, Decided>): void {
  const before = new Map<string, { count: number; sum: number }>();
  for (const { paymentId, customerId, amountMinor } of history.onTopic) {
    const known = before.get(customerId) ?? { count: 0, sum: 0 };
    const expected = { count: known.count + 1, sum: known.sum + amountMinor };
    before.set(customerId, expected);
    const { customerCount: count, customerSum: sum, degraded } = decided.get(paymentId) as Decided;
    if (degraded.length === 0) expect({ count, sum }, `counted for ${paymentId}`).toEqual(expected);
  }
}

interface Recount {
  readonly customer: { readonly count: number; readonly sum: number };
  readonly terminal: number;
}

function naively(payments: readonly Sent[], { customerId, terminalId, occurredAtMs }: Sent): Recount {
  const within = payments.filter((one) => one.occurredAtMs <= occurredAtMs && one.occurredAtMs > occurredAtMs - dayMs);
  const own = within.filter((one) => one.customerId === customerId);
  const sum = own.reduce((total, { amountMinor }) => total + amountMinor, 0);
  const terminal = within.filter((one) => one.terminalId === terminalId).length;
  return { customer: { count: own.length, sum }, terminal };
}

/** As recorded. On a busy machine the way to Redis may be too slow for once. */
async function featuresOf(url: string, paymentId: string): Promise<Recount> {
  const headers = { authorization: `Bearer ${roleKey}` };
  const features = await waitFor(`the decision of ${paymentId}`, async () => {
    const response = await fetch(`${url}/v1/decisions/${paymentId}`, { headers });
    if (!response.ok) return undefined;
    return ((await response.json()) as { features: Record<string, { value: number }> }).features;
  });
  const value = (name: string): number => features[name]?.value ?? Number.NaN;
  const customer = { count: value('customer.count.24h'), sum: value('customer.sum.amountMinor.24h') };
  return { customer, terminal: value('terminal.count.24h') };
}

/**
 * What the counters of a Redis that forgot everything may say: at least what was decided since it is back, and what it was
 * missing meanwhile; at most that, and what was on its way when it went.
 */
function forgetful(
  { tail }: RolesWorld,
  payments: readonly Sent[],
  probe: Sent,
  { fromMs, toMs }: Window,
): readonly [Recount, Recount] {
  const told = (isTold: (decided: Decided) => boolean): Recount => {
    const decidedOf = ({ paymentId }: Sent): Decided | undefined => tail.decided.get(paymentId);
    return naively(
      payments.filter((payment) => {
        const decided = decidedOf(payment);
        return decided === undefined || isTold(decided);
      }),
      probe,
    );
  };
  const isDegraded = ({ degraded }: Decided): boolean => degraded.length > 0;
  return [
    told((decided) => decided.decidedAtMs >= toMs + edgeMs || (isDegraded(decided) && decided.decidedAtMs >= fromMs)),
    told((decided) => decided.decidedAtMs >= fromMs - edgeMs || isDegraded(decided)),
  ];
}

function expectWithin(counted: Recount, [least, most]: readonly [Recount, Recount]): void {
  const flat = ({ customer, terminal }: Recount): number[] => [customer.count, customer.sum, terminal];
  flat(counted).forEach((value, i) => {
    expect(value).toBeGreaterThanOrEqual(flat(least)[i] as number);
    expect(value).toBeLessThanOrEqual(flat(most)[i] as number);
  });
}

/**
 * Asks for the counters by payments that come after the history.
 * @param forgot when Redis lost everything
 * @returns the payments that asked
 */
export async function recount(
  world: RolesWorld,
  history: History,
  random: Random,
  forgot: Window | undefined,
): Promise<readonly Sent[]> {
  const [serve] = world.of('serve');
  if (serve === undefined) throw new Error('nobody serves');
  const asked: Sent[] = [];
  while (asked.length < probes) {
    const { customerId, terminalId } = history.all[random.below(history.all.length)] as Sent;
    const occurredAtMs = Date.now() - 1000;
    const paymentId = `${history.prefix}-p-${asked.length}`;
    const probe = { paymentId, customerId, terminalId, amountMinor: 100, occurredAtMs };
    asked.push(probe);
    const response = await post(serve.url, probe, probeDeadlineMs);
    const text = await response.text();
    expect(response.status, text).toBe(200);
    // A machine that is slow for a moment: it is counted all the same, and the next one asks.
    if ((JSON.parse(text) as { degraded: readonly string[] }).degraded.length > 0) continue;
    const counted = await featuresOf(serve.url, paymentId);
    const payments = [...history.all, ...asked];
    if (forgot === undefined) expect(counted, `counted for ${paymentId}`).toEqual(naively(payments, probe));
    else expectWithin(counted, forgetful(world, payments, probe, forgot));
  }
  return asked;
}

/** Each decision is one row, the one that stands. */
export async function checkRows(
  { front }: RolesWorld,
  prefix: string,
  decided: ReadonlyMap<string, Decided>,
): Promise<void> {
  const { client, database } = openServer({ url: front.url, ...front.login });
  const expected = new Map([...decided].map(([id, { contents }]) => [id, contents[0]]));
  try {
    const rows = await waitFor('every row', async () => {
      const found = await select<{ paymentId: string; decision: string }>(
        client,
        `SELECT paymentId, decision FROM ${database}.decisions WHERE startsWith(paymentId, {prefix:String})`,
        { prefix: `${prefix}-` },
      );
      return new Set(found.map(({ paymentId }) => paymentId)).size >= expected.size ? found : undefined;
    });
    expect(rows.length, 'rows').toBe(expected.size);
    for (const { paymentId, decision } of rows)
      expect(decision, `the row of ${paymentId}`).toBe(expected.get(paymentId));
  } finally {
    await client.close();
  }
}
