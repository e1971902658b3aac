/** Customers and terminals as pure functions of (seed, index): nothing is stored, so a population may be of any size. */
import { deriveSeed, Random } from './random.ts';
import type { Customer, Terminal } from './types.ts';

/** Streams of `deriveSeed`; one for each kind of thing, so that adding one changes no other. */
export const streams = {
  customers: 1,
  terminals: 2,
  days: 3,
  attacks: 4,
  compromises: 5,
  arrivals: 6,
  places: 7,
} as const;

/** Home countries by weight; EUR countries only, since amounts are in EUR. */
const homeCountries = [
  'DE',
  'DE',
  'DE',
  'FR',
  'FR',
  'IT',
  'IT',
  'ES',
  'ES',
  'NL',
  'BE',
  'AT',
  'PT',
  'IE',
  'FI',
] as const;
export const homeCountry = (seed: number, index: number): string =>
  homeCountries[deriveSeed(seed, streams.places, index) % homeCountries.length]!;
/** Where stolen credentials are used from. */
export const foreignCountries = ['US', 'BR', 'TH', 'NG', 'ID', 'MX', 'ZA', 'PH'] as const;
/** Grocery, fuel, restaurants, pharmacy, clothing, department store, hotels, taxis. */
const merchantCategories = ['5411', '5541', '5812', '5912', '5651', '5311', '7011', '4121'] as const;

/** The handbook's ranges: mean amount 5 … 100, payments a day 0 … 4. */
const amountMeanRange = [5, 100] as const;
const paymentsPerDayMax = 4;

const padded = (index: number, digits: number): string => String(index).padStart(digits, '0');

/** An address of the documentation and benchmarking ranges (RFC 2544): it belongs to nobody. */
export function testAddress(random: Random): string {
  return `198.${random.integer(18, 19)}.${random.below(256)}.${random.integer(1, 254)}`;
}

export function makeCustomer(seed: number, index: number, country: string): Customer {
  const random = new Random(deriveSeed(seed, streams.customers, index));
  return {
    index,
    customerId: `C${padded(index, 6)}`,
    cardId: `card-${padded(index, 6)}`,
    accountId: `acct-${padded(index, 6)}`,
    deviceId: `dev-${padded(index, 6)}`,
    amountMean: random.uniform(...amountMeanRange),
    paymentsPerDay: random.uniform(0, paymentsPerDayMax),
    country,
    ipAddress: testAddress(random),
  };
}

export function makeTerminal(seed: number, index: number, country: string): Terminal {
  const random = new Random(deriveSeed(seed, streams.terminals, index));
  return {
    index,
    terminalId: `T${padded(index, 6)}`,
    merchantId: `M${padded(index >> 1, 6)}`,
    merchantCategoryCode: random.pick(merchantCategories),
    country,
  };
}
