/**
 * What would have let a held payment through: a smaller amount, an entity that is known, fewer payments before it. Every claim
 * is a variant that went through rules, model and policy again and came out as `allow`; facts that a change may move and that
 * could not be recomputed are named with it.
 */
import type { Payment } from '../domain/payment.ts';
import { type ChangedFeatures, compileWhatIf, type WhatIf, withAmountOf } from '../features/whatIf.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { collectColumnNeeds } from '../rules/needs.ts';
import { type Rescored, type Rescorer, variantsMax } from './rescore.ts';

/** Amounts tried at once, and how often the gap that holds the limit is divided again. */
const amountsTried = variantsMax - 1;
const refinementsMax = 5;
/** Counts that are tried lower, and by how much at most. */
const countsMax = 24;
const fewerMax = 20;
const foundMax = 8;
const significantDigits = 3;

export type Change =
  | { readonly kind: 'amountBelow'; readonly amountMinor: number; readonly currency: string }
  | { readonly kind: 'known'; readonly entity: string }
  | { readonly kind: 'countAtMost'; readonly fact: string; readonly value: number };

export interface Counterfactual {
  readonly change: Change;
  /** As in "would be allowed TEXT". */
  readonly text: string;
  readonly score: number;
  readonly probability: number | null;
  /** False where facts that the release reads, and that the change may move, had to keep their recorded value. */
  readonly exact: boolean;
  readonly held: readonly string[];
}

export interface Counterfactuals {
  readonly found: readonly Counterfactual[];
  /** One sentence of all that was found; empty where nothing was. */
  readonly text: string;
  /** How many variants were scored, and of what. */
  readonly checked: { readonly amounts: number; readonly known: number; readonly counts: number };
}

/** Features that decide: inputs of the model, and what rules read. */
function factsRead(release: CompiledRelease): ReadonlySet<string> {
  const needs = collectColumnNeeds(release.bundle.rules, release.features.names);
  return new Set([...needs.numeric, ...(release.model?.inputs ?? []).map(({ fact }) => fact)]);
}

/** Digits after the point of a currency's amounts. */
function fractionDigits(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

function amountText(amountMinor: number, currency: string): string {
  const digits = fractionDigits(currency);
  const text = String(amountMinor).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${digits === 0 ? whole : `${whole}.${text.slice(-digits)}`} ${currency}`;
}

/** The largest number of few digits that is not above; for people. */
function roundedDown(amountMinor: number): number {
  const unit = 10 ** Math.max(0, String(amountMinor).length - significantDigits);
  return Math.floor(amountMinor / unit) * unit;
}

/** Whole amounts from `low` to `high`, both included, at most `amountsTried`; evenly or by equal factors. */
function amountsBetween(low: number, high: number, spacing: 'even' | 'factor'): number[] {
  const steps = amountsTried - 1;
  const amounts = new Set<number>();
  for (let i = 0; i <= steps; i++) {
    const share = i / steps;
    amounts.add(Math.round(spacing === 'even' ? low + (high - low) * share : low * (high / Math.max(1, low)) ** share));
  }
  return [...amounts].sort((a, b) => a - b);
}

class Search {
  readonly #payment: Payment;
  readonly #recorded: Float64Array;
  readonly #whatIf: WhatIf;
  readonly #rescorer: Rescorer;
  readonly #read: ReadonlySet<string>;
  readonly #names: readonly string[];

  constructor(release: CompiledRelease, payment: Payment, recorded: Float64Array, rescorer: Rescorer) {
    this.#payment = payment;
    this.#recorded = recorded;
    this.#whatIf = compileWhatIf(release.bundle.features, release.features);
    this.#rescorer = rescorer;
    this.#read = factsRead(release);
    this.#names = release.features.names;
  }

  /** The limit below which every amount that was tried is allowed. */
  *amount(): Generator<undefined, Counterfactual | undefined> {
    const { amountMinor, currency } = this.#payment;
    if (amountMinor < 2) return undefined;
    let low = 0;
    let high = amountMinor;
    for (let refinement = 0; refinement <= refinementsMax && high - low > 1; refinement++) {
      const first = refinement === 0;
      const amounts = first ? amountsBetween(1, high - 1, 'factor') : amountsBetween(low + 1, high - 1, 'even');
      const outcomes = this.#amounts(amounts);
      yield undefined;
      const held = outcomes.findIndex(({ action }) => action === 'hold');
      if (held === 0 && first) return undefined;
      if (held < 0) low = amounts[amounts.length - 1] ?? low;
      else {
        high = amounts[held] ?? high;
        low = held === 0 ? low : (amounts[held - 1] ?? low);
      }
    }
    const limit = this.#presentable(low + 1);
    const [outcome] = this.#amounts([limit - 1]);
    if (outcome?.action !== 'allow') return undefined;
    const change: Change = { kind: 'amountBelow', amountMinor: limit, currency };
    const { held } = this.#whatIf.withAmount(this.#payment, this.#recorded, limit - 1);
    return this.#found(change, `below ${amountText(limit, currency)}`, outcome, held);
  }

  *known(): Generator<undefined, Counterfactual[]> {
    yield undefined;
    return this.#whatIf.firstPairs(this.#recorded).flatMap((pair) => {
      const changed = this.#whatIf.withKnownPair(this.#payment, this.#recorded, pair);
      const outcome = this.#score(changed);
      const [owner = '', other = ''] = pair.split('+');
      if (outcome?.action !== 'allow') return [];
      return [
        this.#found({ kind: 'known', entity: pair }, `with a ${other} known of this ${owner}`, outcome, changed.held),
      ];
    });
  }

  *counts(): Generator<undefined, Counterfactual[]> {
    const found: Counterfactual[] = [];
    const facts = this.#whatIf.counts(this.#recorded).filter((fact) => this.#read.has(fact));
    for (const fact of facts.slice(0, countsMax)) {
      const one = this.#fewer(fact);
      yield undefined;
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  #fewer(fact: string): Counterfactual | undefined {
    const variants = this.#fewerVariants(fact);
    const outcomes = this.#rescorer.score(
      variants.map(({ changed }) => ({ payment: this.#payment, features: changed.values })),
    );
    const at = outcomes.findIndex(({ action }) => action === 'allow');
    const [outcome, variant] = [outcomes[at], variants[at]];
    if (outcome === undefined || variant === undefined) return undefined;
    const change: Change = { kind: 'countAtMost', fact, value: variant.value };
    return this.#found(change, `with ${fact} at ${variant.value}`, outcome, variant.changed.held);
  }

  #fewerVariants(fact: string): readonly { readonly value: number; readonly changed: ChangedFeatures }[] {
    const count = this.#recorded[this.#names.indexOf(fact)] ?? 0;
    // Where older payments are folded, counts can be estimates.
    if (!Number.isInteger(count)) return [];
    return Array.from({ length: Math.min(fewerMax, count - 1) }, (_, i) => ({
      value: count - 1 - i,
      changed: this.#whatIf.withFewer(this.#payment, this.#recorded, fact, i + 1),
    }));
  }

  #presentable(limit: number): number {
    const rounded = roundedDown(limit);
    if (rounded < 2 || rounded === limit) return limit;
    const [outcome] = this.#amounts([rounded - 1]);
    return outcome?.action === 'allow' ? rounded : limit;
  }

  #amounts(amounts: readonly number[]): readonly Rescored[] {
    return this.#rescorer.score(
      amounts.map((amount) => ({
        payment: withAmountOf(this.#payment, amount),
        features: this.#whatIf.withAmount(this.#payment, this.#recorded, amount).values,
      })),
    );
  }

  #score({ values }: ChangedFeatures): Rescored | undefined {
    return this.#rescorer.score([{ payment: this.#payment, features: values }])[0];
  }

  #found(change: Change, text: string, outcome: Rescored, held: ReadonlySet<string>): Counterfactual {
    const named = [...held].filter((fact) => this.#read.has(fact)).sort();
    const { score, probability } = outcome;
    return {
      change,
      text,
      score,
      probability: Number.isNaN(probability) ? null : probability,
      exact: named.length === 0,
      held: named,
    };
  }
}

/**
 * Pauses (yields) after each few dozen variants.
 * @param rescorer of the decision's release, told of the stages that the decision was without
 */
export function* counterfactualsOf(
  release: CompiledRelease,
  payment: Payment,
  recorded: Float64Array,
  rescorer: Rescorer,
): Generator<undefined, Counterfactuals> {
  const search = new Search(release, payment, recorded, rescorer);
  const start = rescorer.scored;
  const amount = yield* search.amount();
  const afterAmounts = rescorer.scored;
  const known = yield* search.known();
  const afterKnown = rescorer.scored;
  const counts = yield* search.counts();
  const found = [...(amount === undefined ? [] : [amount]), ...known, ...counts].slice(0, foundMax);
  return {
    found,
    text: found.length === 0 ? '' : `would be allowed ${found.map(({ text }) => text).join(', or ')}`,
    checked: {
      amounts: afterAmounts - start,
      known: afterKnown - afterAmounts,
      counts: rescorer.scored - afterKnown,
    },
  };
}
