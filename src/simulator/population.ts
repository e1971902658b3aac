/** Two populations: the handbook's geometry, and a large one without memory for the live demonstration. */
import { homeCountry, makeCustomer, makeTerminal, streams } from './people.ts';
import { deriveSeed, Random } from './random.ts';
import type { Customer, Population, Terminal } from './types.ts';

export interface PopulationOptions {
  readonly seed: number;
  readonly customers: number;
  readonly terminals: number;
}

/** The handbook's square is 100 × 100, and a customer uses the terminals within this distance. */
const squareSide = 100;
const radius = 5;
/** The square lies in one country, so that everyday shopping crosses no border. */
const handbookCountry = 'DE';

function places(seed: number, count: number): Float64Array {
  const random = new Random(deriveSeed(seed, streams.places, count));
  return Float64Array.from({ length: count * 2 }, () => random.uniform(0, squareSide));
}

/**
 * *Reproducible Machine Learning for Credit Card Fraud Detection*, chapter 3.2: customers and terminals lie uniformly on a square; the
 * terminals within `radius` of a customer are available to it.
 */
export function createHandbookPopulation({ seed, customers, terminals }: PopulationOptions): Population {
  const customerPlaces = places(deriveSeed(seed, 1), customers);
  const terminalPlaces = places(deriveSeed(seed, 2), terminals);
  const available = Array.from({ length: customers }, (_, c) => {
    const near: number[] = [];
    for (let t = 0; t < terminals; t += 1) {
      const dx = customerPlaces[c * 2]! - terminalPlaces[t * 2]!;
      const dy = customerPlaces[c * 2 + 1]! - terminalPlaces[t * 2 + 1]!;
      if (dx * dx + dy * dy < radius * radius) near.push(t);
    }
    return near;
  });
  const people = Array.from({ length: customers }, (_, index) => makeCustomer(seed, index, handbookCountry));
  const shops = Array.from({ length: terminals }, (_, index) => makeTerminal(seed, index, handbookCountry));
  return {
    customerCount: customers,
    terminalCount: terminals,
    customer: (index) => people[index]!,
    terminal: (index) => shops[index]!,
    nearbyCount: (customer) => available[customer.index]!.length,
    nearby: (customer, nth) => shops[available[customer.index]![nth]!]!,
  };
}

/** Terminals that one customer of the live population uses. */
const liveNearby = 12;

/** Everything is computed from the index when it is asked for; a customer's terminals are in the customer's country. */
export function createLivePopulation({ seed, customers, terminals }: PopulationOptions): Population {
  const terminalsOf = new Map<string, number[]>();
  const terminalCountry = (index: number): string => homeCountry(deriveSeed(seed, streams.terminals), index);
  for (let index = 0; index < terminals; index += 1) {
    const country = terminalCountry(index);
    const here = terminalsOf.get(country);
    if (here === undefined) terminalsOf.set(country, [index]);
    else here.push(index);
  }
  const terminal = (index: number): Terminal => makeTerminal(seed, index, terminalCountry(index));
  return {
    customerCount: customers,
    terminalCount: terminals,
    customer: (index) => makeCustomer(seed, index, homeCountry(seed, index)),
    terminal,
    nearbyCount: (customer: Customer) => Math.min(liveNearby, terminalsOf.get(customer.country)?.length ?? 0),
    nearby(customer: Customer, nth: number) {
      const here = terminalsOf.get(customer.country)!;
      return terminal(here[deriveSeed(seed, customer.index, nth) % here.length]!);
    },
  };
}
