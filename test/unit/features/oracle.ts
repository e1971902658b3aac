/** The features by definition: all events kept for ever, every window counted anew, sums in BigInt. Slow and obvious. */
import { Payment } from '../../../src/domain/payment.ts';
import type { DerivedDefinition, FeatureDefinitions } from '../../../src/features/definitions.ts';
import { type ExpandedFeature, expandFeatures } from '../../../src/features/expand.ts';
import { fieldValue } from '../../../src/features/fields.ts';

export interface OracleEvent {
  readonly payment: Payment;
  readonly arrival: number;
  fraud: boolean;
}

type Filter = (payment: Payment) => boolean;

export class Oracle {
  readonly features: readonly ExpandedFeature[];
  readonly #derived: readonly DerivedDefinition[];
  readonly #filters: Readonly<Record<string, Filter>>;
  readonly #events: OracleEvent[] = [];
  readonly #own = new Map<string, OracleEvent[]>();
  /** By feature of `distinct`: its values for the payment last appended. */
  readonly #values = new Map<string, ReadonlySet<string | undefined>>();
  #arrivals = 0;
  /** By feature: how many amounts equal their limit up to rounding, in the last append; each may be counted either way. */
  readonly ties = new Map<string, number>();

  constructor(definitions: FeatureDefinitions, filters: Readonly<Record<string, Filter>>) {
    this.features = expandFeatures(definitions).features;
    this.#derived = definitions.derived ?? [];
    this.#filters = filters;
  }

  /** Counts the payment once; answers its features as of its own time. */
  append(payment: Payment): number[] {
    let event = this.#find(payment);
    if (event === undefined) {
      event = { payment, arrival: this.#arrivals++, fraud: false };
      this.#events.push(event);
    }
    const at = event;
    this.#own.clear();
    this.ties.clear();
    this.#values.clear();
    const named = new Map([
      ['amountMinor', payment.amountMinor],
      ...this.features.map((feature): [string, number] => [feature.name, this.#value(feature, at)]),
    ]);
    for (const definition of this.#derived) {
      const shared = definition.op === 'common' ? this.#common(definition, named) : undefined;
      named.set(definition.name, shared ?? derivedOf(definition, named));
    }
    return [...named.values()].slice(1);
  }

  label(payment: Payment, fraud: boolean): void {
    const event = this.#find(payment);
    if (event !== undefined) event.fraud = fraud;
  }

  retract(payment: Payment): void {
    const at = this.#events.findIndex((e) => e.payment.paymentId === payment.paymentId);
    if (at >= 0) this.#events.splice(at, 1);
  }

  #find(payment: Payment): OracleEvent | undefined {
    return this.#events.find((e) => e.payment.paymentId === payment.paymentId);
  }

  #value(feature: ExpandedFeature, at: OracleEvent): number {
    const values = feature.fields.map((field) => fieldValue(at.payment, field));
    if (values.some((value) => value === undefined)) return Number.NaN;
    const t = at.payment.occurredAtMs;
    const inRole = feature.entity !== feature.state;
    const before = (e: OracleEvent): boolean =>
      e.payment.occurredAtMs < t || (!inRole && e.payment.occurredAtMs === t && e.arrival <= at.arrival);
    // The features of one entity look at the same events.
    let own = this.#own.get(feature.entity);
    if (own === undefined) {
      own = this.#events.filter(
        (e) => feature.stateFields.every((f, i) => fieldValue(e.payment, f) === values[i]) && before(e),
      );
      this.#own.set(feature.entity, own);
    }
    const others = own.filter((e) => e !== at).map((e) => e.payment.occurredAtMs);
    switch (feature.aggregate) {
      case 'sinceLast':
        return others.length === 0 ? Number.NaN : (t - Math.max(...others)) / 1000;
      case 'sinceFirst':
        return inRole && others.length === 0 ? Number.NaN : (t - Math.min(t, ...others)) / 1000;
      case 'isFirst':
        return others.length === 0 ? 1 : 0;
      case 'fraudRun':
      case 'sinceFraudRun':
      case 'sinceFraud':
      case 'sinceGenuine':
        return this.#labelRun(feature, own, t);
      default:
        return this.#windowed(feature, own, t);
    }
  }

  #inside(feature: ExpandedFeature, own: readonly OracleEvent[], to: number, windowMs: number): OracleEvent[] {
    const passes = feature.filter === undefined ? () => true : (this.#filters[feature.filter] as Filter);
    return own.filter(
      ({ payment }) => payment.occurredAtMs > to - windowMs && payment.occurredAtMs <= to && passes(payment),
    );
  }

  #labelRun(feature: ExpandedFeature, own: readonly OracleEvent[], t: number): number {
    const newestFirst = this.#inside(feature, own, t - feature.delayMs, feature.windowMs).sort(
      (a, b) => b.payment.occurredAtMs - a.payment.occurredAtMs || b.arrival - a.arrival,
    );
    const genuine = newestFirst.findIndex((e) => !e.fraud);
    const run = genuine < 0 ? newestFirst : newestFirst.slice(0, genuine);
    if (feature.aggregate === 'fraudRun') return run.length;
    const event = {
      sinceFraudRun: run.at(-1),
      sinceFraud: newestFirst.find((e) => e.fraud),
      sinceGenuine: newestFirst.find((e) => !e.fraud),
    }[feature.aggregate as 'sinceFraud'];
    return event === undefined ? Number.NaN : (t - event.payment.occurredAtMs) / 1000;
  }

  /** What amounts are compared with; NaN where there is nothing to compare with. */
  #usual(feature: ExpandedFeature, own: readonly OracleEvent[], to: number): number {
    const { unusual } = feature;
    if (unusual === undefined) return Number.NaN;
    const reference = this.#inside(feature, own, to - unusual.referenceDelayMs, unusual.referenceMs);
    const amounts = reference.map((e) => e.payment.amountMinor);
    const sum = amounts.reduce((total, amount) => total + BigInt(amount), 0n);
    const mean = Number(sum) / amounts.length;
    return unusual.kind === 'timesMean' ? unusual.factor * mean : mean + unusual.factor * deviation(amounts, sum);
  }

  #windowed(feature: ExpandedFeature, own: readonly OracleEvent[], t: number): number {
    const to = t - feature.delayMs;
    const inside = this.#inside(feature, own, to, feature.windowMs);
    const amounts = inside.map((e) => e.payment.amountMinor);
    const sum = amounts.reduce((total, amount) => total + BigInt(amount), 0n);
    const n = inside.length;
    switch (feature.aggregate) {
      case 'count':
        return n;
      case 'sum':
        return Number(sum);
      case 'mean':
        return Number(sum) / n;
      case 'min':
        return n === 0 ? Number.NaN : Math.min(...amounts);
      case 'max':
        return n === 0 ? Number.NaN : Math.max(...amounts);
      case 'frauds':
        return inside.filter((e) => e.fraud).length;
      case 'unusual': {
        const limit = this.#usual(feature, own, to);
        const ties = amounts.filter((amount) => Math.abs(amount - limit) <= 1e-9 * limit).length;
        if (feature.unusual?.kind === 'deviations') this.ties.set(feature.name, ties);
        return Number.isNaN(limit) ? Number.NaN : amounts.filter((amount) => amount > limit).length;
      }
      case 'fraudRate':
        return n === 0 ? 0 : inside.filter((e) => e.fraud).length / n;
      case 'stddev':
        return n === 0 ? Number.NaN : deviation(amounts, sum);
      default: {
        const found = inside.map((e) => fieldValue(e.payment, feature.distinct ?? 0)).filter((v) => v !== undefined);
        this.#values.set(feature.name, new Set(found));
        return new Set(found).size;
      }
    }
  }

  #common({ of: [a = '', b = ''] }: DerivedDefinition, named: ReadonlyMap<string, number>): number {
    const [one, other] = [this.#values.get(a), this.#values.get(b)];
    if (one === undefined || other === undefined || Number.isNaN(named.get(a)) || Number.isNaN(named.get(b)))
      return Number.NaN;
    return [...one].filter((value) => other.has(value)).length;
  }
}

function derivedOf({ op, of, prior = 0, weight = 0 }: DerivedDefinition, named: ReadonlyMap<string, number>): number {
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = of.map((name) => named.get(name) ?? Number.NaN);
  const missing = Number.NaN;
  switch (op) {
    case 'difference':
      return a - b;
    case 'ratio':
      return b === 0 ? missing : a / b;
    case 'logRatio':
      return a > 0 && b > 0 ? Math.log(a / b) : missing;
    case 'smoothedRate':
      return (a + weight * prior) / (b + weight);
    case 'zScore':
      return c === 0 ? 0 : (a - b) / c;
    default:
      throw new Error(`the oracle does not know ${op}`);
  }
}

/** √(n Σa² − (Σa)²) / n, exact under the root up to one rounding. */
function deviation(amounts: readonly number[], sum: bigint): number {
  const n = BigInt(amounts.length);
  const squares = amounts.reduce((total, amount) => total + BigInt(amount) ** 2n, 0n);
  return Math.sqrt(Number(n * squares - sum * sum)) / amounts.length;
}

export function makePayment(fields: Partial<Payment>): Payment {
  return Object.assign(new Payment(), { currency: 'EUR', customerId: 'C1' }, fields);
}
