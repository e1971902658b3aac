/** Whether the roles are whole again: every dependency up, nothing waiting anywhere. */
import type { RoleProcess } from '../roles.ts';
import { waitFor } from '../server.ts';
import type { Sent } from './history.ts';
import type { RolesWorld } from './world.ts';

/** Gauges that count what waits, and what may wait while payments come. */
const waiting: Readonly<Record<string, number>> = {
  holdfast_stream_lag_messages: 100,
  holdfast_velocity_backlog_payments: 0,
  holdfast_spool_messages: 0,
  holdfast_claims_unclaimed: 0,
};

async function troubleOf({ role, url, process: child, said }: RoleProcess): Promise<string[]> {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${role} has ended: ${said()}`);
  const [ready, metrics] = await Promise.all([fetch(`${url}/readyz`), fetch(`${url}/metrics`)]);
  const { dependencies } = (await ready.json()) as { dependencies: readonly { name: string; state: string }[] };
  const text = await metrics.text();
  const full = Object.entries(waiting).filter(
    ([name, most]) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0) > most,
  );
  return [
    ...dependencies.filter(({ state }) => state !== 'up').map(({ name, state }) => `${role}: ${name} ${state}`),
    ...full.map(([name]) => `${role}: ${name}`),
  ];
}

export interface Recovery {
  readonly ms: number;
  /** What was missing last. */
  readonly last: string;
}

/** Resolves when the roles are whole, and everything that was on the topic has its decision. */
export async function recovered({ roles, tail }: RolesWorld, sent: readonly Sent[]): Promise<Recovery> {
  const fromMs = performance.now();
  let last: readonly string[] = ['nothing'];
  const missing = async (): Promise<true | undefined> => {
    const troubles = await Promise.all(
      roles.map((role) => troubleOf(role).catch((error: unknown) => [`${role.role}: ${String(error)}`])),
    );
    const undecided = sent.filter(({ paymentId }) => !tail.decided.has(paymentId)).length;
    const all = [...troubles.flat(), ...(undecided === 0 ? [] : [`${undecided} payments without a decision`])];
    if (all.length === 0) return true;
    last = all;
    return undefined;
  };
  try {
    await waitFor('the roles to be whole again', missing);
  } catch (error) {
    throw new Error(`not whole again: ${last.join(', ')}`, { cause: error });
  }
  return { ms: performance.now() - fromMs, last: last.join(', ') };
}
