import type { AmountBand, AmountLimit, PolicyDefinition } from './schema.ts';
import type { PolicyInput } from './types.ts';

function bandOf(bands: readonly AmountBand[], amountMinor: number): AmountBand {
  for (const band of bands) {
    if (band.belowAmountMinor === undefined || amountMinor < band.belowAmountMinor) return band;
  }
  throw new Error('the last amount band has no upper amount');
}

/** @returns whether score or probability reach the thresholds of the payment's band, in its currency's bands if it has them. */
export function bindThresholds({ thresholds }: PolicyDefinition): (input: PolicyInput, score: number) => boolean {
  const ofCurrency = new Map(Object.entries(thresholds.currencies ?? {}));
  return function reachesThreshold({ payment, probability }, score) {
    const band = bandOf(ofCurrency.get(payment.currency) ?? thresholds.default, payment.amountMinor);
    return (
      score >= band.holdFromScore || (band.holdFromProbability !== undefined && probability >= band.holdFromProbability)
    );
  };
}

function limitFor({ default: usual, currencies }: AmountLimit, currency: string): number {
  return currencies !== undefined && Object.hasOwn(currencies, currency) ? (currencies[currency] ?? usual) : usual;
}

/** @returns the lowest amount from which the missing stages hold a payment; Infinity when they change nothing. */
export function bindDegraded({ degraded }: PolicyDefinition): (input: PolicyInput) => number {
  return function degradedLimit(input) {
    let limit = Number.POSITIVE_INFINITY;
    for (const stage of input.degraded) {
      const rule = degraded.stages[stage] ?? degraded.default;
      if (rule !== 'asUsual') limit = Math.min(limit, limitFor(rule.holdFromAmountMinor, input.payment.currency));
    }
    return limit;
  };
}
