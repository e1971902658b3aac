/** Runs many histories, and says of one that fails what it takes to run it again, as small as it can be made cheaply. */
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { type HistoryResult, runHistory } from './history.ts';
import { type FaultKind, faultKinds, type PlanLimits } from './plan.ts';

/** Lines of the trace that are shown. */
const shownLines = 400;

/** Leaves out kinds of faults, then payments, as long as the history still fails. */
async function shrunk(seed: number, release: CompiledRelease, limits: PlanLimits): Promise<PlanLimits> {
  const fails = async (candidate: PlanLimits): Promise<boolean> =>
    (await runHistory(seed, release, candidate)).violations.length > 0;
  let best = limits;
  for (const kind of faultKinds) {
    const candidate = { ...best, without: [...(best.without ?? []), kind] };
    if (await fails(candidate)) best = candidate;
  }
  for (let paymentsMax = 1; paymentsMax < 14; paymentsMax++) {
    const candidate = { ...best, paymentsMax };
    if (await fails(candidate)) return candidate;
  }
  return best;
}

function describe(result: HistoryResult, seed: number, { without = [], paymentsMax }: PlanLimits): string {
  const { plan, violations, trace } = result;
  const again = [`SIM_SEED=${seed}`];
  if (without.length > 0) again.push(`SIM_WITHOUT=${without.join(',')}`);
  if (paymentsMax !== undefined) again.push(`SIM_PAYMENTS=${paymentsMax}`);
  const payments = plan.payments.map(({ paymentId, customerId, terminalId, amountMinor, sendings }) => {
    const sent = sendings.map(({ how, atMs }) => `${how}@${atMs.toFixed(1)}`).join(' ');
    return `  ${paymentId} of ${amountMinor} by ${customerId} at ${terminalId}: ${sent}`;
  });
  return [
    `history ${seed} went wrong:`,
    ...violations.map((violation) => `  ${violation}`),
    `again: ${again.join(' ')} npx vitest run test/sim`,
    `faults: ${[...plan.faults].join(', ')}`,
    ...payments,
    ...(trace.length > shownLines ? [`… ${trace.length - shownLines} lines before`] : []),
    ...trace.slice(-shownLines),
  ].join('\n');
}

/** Limits from the environment, for one history that is run again. */
export function limitsOf(environment: NodeJS.ProcessEnv): PlanLimits {
  const names = (environment['SIM_WITHOUT'] ?? '').split(',');
  const without = names.filter((name): name is FaultKind => (faultKinds as readonly string[]).includes(name));
  const most = environment['SIM_PAYMENTS'];
  return { without, ...(most === undefined ? {} : { paymentsMax: Number(most) }) };
}

/** Runs a history; what it did wrong, in full, or undefined. */
export async function failureOf(
  seed: number,
  release: CompiledRelease,
  limits: PlanLimits = {},
): Promise<string | undefined> {
  if ((await runHistory(seed, release, limits)).violations.length === 0) return undefined;
  const small = await shrunk(seed, release, limits);
  return describe(await runHistory(seed, release, { ...small, traced: true }), seed, small);
}
