/** What the parity checks of a process came to, read when scraped. They begin anew with the process that checks, as counters do. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ParityState } from '../pipeline/parityJob.ts';
import { parityReasons } from '../pipeline/parityTypes.ts';

const outcomes = {
  within_bounds: 'withinBounds',
  other_order: 'otherOrder',
  order_unknown: 'orderUnknown',
  not_covered: 'notCovered',
  mismatch: 'mismatches',
} as const satisfies Readonly<Record<string, keyof ParityState>>;

/** @param state undefined where nothing is compared, or nothing yet */
export function registerParityCounters(registry: Registry, state: () => ParityState | undefined): void {
  const registers = [registry];
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name: `holdfast_feature_parity_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  counter('checks', 'Parity checks that ended.', () => state()?.checks ?? 0);
  counter('compared', 'Payments whose features were computed again from the log.', () => state()?.compared ?? 0);
  counter('mismatches', 'Features that were recorded otherwise. Expected: 0.', () => state()?.mismatches ?? 0);
  counter('values', 'Features computed again and compared.', () => state()?.values ?? 0);
  new Counter({
    name: 'holdfast_feature_parity_inexact_total',
    help: 'Features that did not simply agree, or were not compared, by what was found.',
    labelNames: ['outcome'] satisfies readonly string[],
    registers,
    collect() {
      this.reset();
      for (const [outcome, name] of Object.entries(outcomes)) this.inc({ outcome }, state()?.[name] ?? 0);
    },
  });
  new Counter({
    name: 'holdfast_feature_parity_not_comparable_total',
    help: 'Payments that could not be compared, by the reason.',
    labelNames: ['reason'] satisfies readonly string[],
    registers,
    collect() {
      this.reset();
      const counts = state()?.notComparable ?? {};
      for (const reason of parityReasons) this.inc({ reason }, counts[reason] ?? 0);
    },
  });
  new Gauge({
    name: 'holdfast_feature_parity_last_check_seconds',
    help: 'When the last check ended, Unix epoch; 0 before the first, absent where nothing is compared.',
    registers,
    collect() {
      const known = state();
      if (known === undefined) this.remove();
      else this.set((known.lastAtMs ?? 0) / 1000);
    },
  });
}
