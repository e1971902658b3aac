/**
 * The features of a payment had it been another, from what was recorded of it alone: another amount, or an entity that is known.
 * What follows from the recorded values is computed as the features themselves are defined; what does not (which other payment
 * is the largest, how many were unusual) keeps its recorded value and is named, so that nobody takes it for known.
 */
import { Payment } from '../domain/payment.ts';
import { writeDerived } from './derived.ts';
import type { ExpandedFeature } from './expand.ts';
import { expandFeatures } from './expand.ts';
import { fieldAliases, fieldValue } from './fields.ts';
import { compileFilter, type PaymentPredicate } from './filters.ts';
import { lintFeatures } from './lint.ts';
import type { FeatureProgram } from './types.ts';

export interface ChangedFeatures {
  readonly values: Float64Array;
  /** Names of features that may depend on the change and kept their recorded value, or are derived from such. */
  readonly held: ReadonlySet<string>;
}

export interface WhatIf {
  /** Had the payment had this amount. */
  withAmount(payment: Payment, recorded: Float64Array, amountMinor: number): ChangedFeatures;
  /** Entities of two fields that this payment is the first of. */
  firstPairs(recorded: Float64Array): readonly string[];
  /** Had the pair been seen once before, within its shortest window: a customer's known device, a known recipient. */
  withKnownPair(payment: Payment, recorded: Float64Array, pair: string): ChangedFeatures;
  /** Counts of an entity's payments in a window, greater than one. */
  counts(recorded: Float64Array): readonly string[];
  /** Had the entity made so many payments fewer before this one within the window of this count. */
  withFewer(payment: Payment, recorded: Float64Array, count: string, fewer: number): ChangedFeatures;
}

export function withAmountOf(payment: Payment, amountMinor: number): Payment {
  return Object.assign(new Payment(), payment, { amountMinor });
}

interface Moments {
  readonly count: number;
  readonly mean: number;
}

interface AmountChange {
  readonly from: number;
  readonly to: number;
  /** Whether the feature's filter lets the payment pass, before and after. */
  readonly was: boolean;
  readonly is: boolean;
}

/** The largest (`sign` 1) or smallest (−1) amount after the change; undefined where that depends on other payments. */
function extremeAfter(sign: number, value: number, only: boolean, change: AmountChange): number | undefined {
  const [old, own, fresh] = [sign * value, sign * change.from, sign * change.to];
  const others = change.was && own >= old ? undefined : old;
  if (!change.is) return others === undefined ? (only ? Number.NaN : undefined) : value;
  if (Number.isNaN(value)) return change.to;
  if (others !== undefined) return sign * Math.max(others, fresh);
  return only || fresh >= old ? change.to : undefined;
}

/** What the payment's own amount adds to a sum, less what it added. */
const ownDifference = ({ from, to, was, is }: AmountChange): number => (is ? to : 0) - (was ? from : 0);
const countAfter = ({ count }: Moments, { was, is }: AmountChange): number => count - Number(was) + Number(is);
/** A mean over nothing is missing, its sum is 0. */
const sumAfter = ({ count, mean }: Moments, change: AmountChange): number =>
  (count === 0 ? 0 : count * mean) + ownDifference(change);

function meanAfter(moments: Moments, change: AmountChange): number {
  const count = countAfter(moments, change);
  return count === 0 ? Number.NaN : sumAfter(moments, change) / count;
}

/** Population deviation from its moments, the payment's own amount exchanged. */
function deviationAfter(deviation: number, moments: Moments, change: AmountChange): number {
  const count = countAfter(moments, change);
  if (count === 0) return Number.NaN;
  if (moments.count === 0) return 0;
  const before = moments.count * (deviation * deviation + moments.mean * moments.mean);
  const own = (change.is ? change.to ** 2 : 0) - (change.was ? change.from ** 2 : 0);
  const square = (before + own) / count;
  const variance = square - (sumAfter(moments, change) / count) ** 2;
  // What is left of equal squares is rounding.
  return variance > 1e-12 * square ? Math.sqrt(variance) : 0;
}

/** Where the features of a window are that tell of its moments; −1 where there is none. */
interface WindowPlaces {
  readonly count: number;
  readonly mean: number;
  readonly sum: number;
}
const noWindow: WindowPlaces = { count: -1, mean: -1, sum: -1 };

const sameWindow = (a: ExpandedFeature, b: ExpandedFeature): boolean =>
  a.entity === b.entity && a.filter === b.filter && a.windowMs === b.windowMs && a.delayMs === b.delayMs;

/** What does not look at amounts: only a filter over the amount can change it. All else is taken to depend on it. */
const amountFree: ReadonlySet<string> = new Set([
  'sinceLast',
  'sinceFirst',
  'isFirst',
  'distinct',
  'fraudRate',
  'frauds',
]);

/** Of what other payments made of the entity; this payment is not among it. */
const isInRole = ({ entity, state }: ExpandedFeature): boolean => entity !== state;

class Definitions implements WhatIf {
  readonly #features: readonly ExpandedFeature[];
  readonly #program: FeatureProgram;
  readonly #filters: ReadonlyMap<string, PaymentPredicate>;
  readonly #windows: readonly WindowPlaces[];

  constructor(
    features: readonly ExpandedFeature[],
    filters: ReadonlyMap<string, PaymentPredicate>,
    program: FeatureProgram,
  ) {
    this.#features = features;
    this.#filters = filters;
    this.#program = program;
    this.#windows = features.map((of) => {
      const place = (aggregate: ExpandedFeature['aggregate']): number =>
        features.findIndex((f) => f.aggregate === aggregate && sameWindow(f, of));
      return { count: place('count'), mean: place('mean'), sum: place('sum') };
    });
  }

  withAmount(payment: Payment, recorded: Float64Array, amountMinor: number): ChangedFeatures {
    const changed = withAmountOf(payment, amountMinor);
    return this.#change(changed, recorded, (feature, value, at) => {
      if (feature.delayMs > 0 || isInRole(feature) || !this.#hasEntity(feature, payment)) return value;
      const filter = feature.filter === undefined ? undefined : this.#filters.get(feature.filter);
      const was = filter?.(payment) ?? true;
      const is = filter?.(changed) ?? true;
      return this.#amountChanged(at, value, recorded, { from: payment.amountMinor, to: amountMinor, was, is });
    });
  }

  firstPairs(recorded: Float64Array): readonly string[] {
    return this.#features
      .filter((f, i) => f.aggregate === 'isFirst' && f.fields.length === 2 && !isInRole(f) && recorded[i] === 1)
      .map(({ entity }) => entity);
  }

  withKnownPair(payment: Payment, recorded: Float64Array, pair: string): ChangedFeatures {
    const [, other = ''] = pair.split('+');
    return this.#change(payment, recorded, (feature, value) => {
      const { entity, fields, aggregate, filter, delayMs, distinct } = feature;
      if (entity === pair) {
        if (aggregate === 'isFirst') return 0;
        if (delayMs > 0) return value;
        return aggregate === 'count' && filter === undefined ? value + 1 : undefined;
      }
      // Another device has a history of its own, and the customer's count of devices may be another.
      const concerned =
        fields.some((field) => fieldAliases[field] === other) || (distinct !== undefined && pair.includes(entity));
      return concerned && !Number.isNaN(value) ? undefined : value;
    });
  }

  counts(recorded: Float64Array): readonly string[] {
    return this.#features
      .filter(
        (f, i) =>
          f.aggregate === 'count' &&
          f.filter === undefined &&
          f.delayMs === 0 &&
          !isInRole(f) &&
          (recorded[i] ?? 0) > 1,
      )
      .map(({ name }) => name);
  }

  withFewer(payment: Payment, recorded: Float64Array, count: string, fewer: number): ChangedFeatures {
    const at = this.#features.findIndex(({ name }) => name === count);
    const of = this.#features[at];
    const most = (recorded[at] ?? 0) - fewer;
    return this.#change(payment, recorded, (feature, value) => {
      const { aggregate, filter, delayMs, windowMs } = feature;
      if (feature.entity !== of?.entity || delayMs > 0 || aggregate === 'isFirst' || Number.isNaN(value)) return value;
      if (aggregate !== 'count' || filter !== undefined) return undefined;
      return windowMs >= of.windowMs ? value - fewer : Math.min(value, most);
    });
  }

  #hasEntity({ fields }: ExpandedFeature, payment: Payment): boolean {
    return fields.every((field) => fieldValue(payment, field) !== undefined);
  }

  /** Payments and their mean amount in the feature's own window, as far as other features tell. */
  #moments(feature: number, recorded: Float64Array): Moments | undefined {
    const { count: countAt, mean: meanAt, sum: sumAt } = this.#windows[feature] ?? noWindow;
    const [count, mean, sum] = [recorded[countAt], recorded[meanAt], recorded[sumAt]];
    if (count !== undefined && mean !== undefined) return { count, mean };
    if (count !== undefined && sum !== undefined) return { count, mean: count === 0 ? 0 : sum / count };
    if (sum !== undefined && mean !== undefined && mean > 0) return { count: Math.round(sum / mean), mean };
    return undefined;
  }

  /** Undefined where it cannot be told. */
  #amountChanged(at: number, value: number, recorded: Float64Array, change: AmountChange): number | undefined {
    const { was, is } = change;
    if (!was && !is) return value;
    const moments = this.#moments(at, recorded);
    const aggregate = this.#features[at]?.aggregate ?? '';
    switch (aggregate) {
      case 'count':
        return value - Number(was) + Number(is);
      case 'sum':
        return value + ownDifference(change);
      case 'mean':
        return moments === undefined ? undefined : meanAfter(moments, change);
      case 'stddev':
        return moments === undefined ? undefined : deviationAfter(value, moments, change);
      case 'max':
        return extremeAfter(1, value, moments?.count === 1, change);
      case 'min':
        return extremeAfter(-1, value, moments?.count === 1, change);
      default:
        return was === is && amountFree.has(aggregate) ? value : undefined;
    }
  }

  #change(
    payment: Payment,
    recorded: Float64Array,
    next: (feature: ExpandedFeature, value: number, at: number) => number | undefined,
  ): ChangedFeatures {
    const { names, derived, common } = this.#program;
    const values = Float64Array.from(recorded);
    const held = new Set<string>();
    this.#features.forEach((feature, i) => {
      const value = next(feature, recorded[i] ?? Number.NaN, i);
      if (value === undefined) held.add(feature.name);
      else values[i] = value;
    });
    // Which values they share is not recorded, only how many.
    for (const { feature, operands } of common) {
      if (operands.some((operand) => held.has(names[operand] ?? ''))) held.add(names[feature] ?? '');
    }
    const bounds = new Float64Array(values.length);
    for (const op of derived) {
      writeDerived(op, payment.amountMinor, values, bounds, 0);
      if (op.operands.some((operand) => held.has(names[operand] ?? ''))) held.add(names[op.feature] ?? '');
    }
    return { values, held };
  }
}

const compiled = new WeakMap<FeatureProgram, WhatIf>();

/** Compiled once a program. @param definitions those of the program; @throws where they are not sound, which compiling them has seen to */
export function compileWhatIf(definitions: unknown, program: FeatureProgram): WhatIf {
  const known = compiled.get(program);
  if (known !== undefined) return known;
  const lint = lintFeatures(definitions);
  if (!lint.ok) throw new Error('the feature definitions do not pass their lint');
  const filters = Object.entries(lint.definitions.filters ?? {});
  const whatIf = new Definitions(
    expandFeatures(lint.definitions).features,
    new Map(filters.map(([name, filter]) => [name, compileFilter(filter)])),
    program,
  );
  compiled.set(program, whatIf);
  return whatIf;
}
