/**
 * The published process of the *Fraud Detection Handbook* (Le Borgne, Siblini, Lebichot, Bontempi), chapter 3.2, day by day: the number
 * of a customer's payments is Poisson, their time of day normal around noon with 20,000 s, their amount normal with the customer's mean and
 * half of it as deviation. Frauds: (1) amounts over 220; (2) two terminals a day drawn, all their payments fraudulent for 28 days; (3) three
 * customers a day drawn, a third of their payments multiplied by 5 and fraudulent for 14 days. One difference: a payment of (3) is drawn with
 * probability 1/3 of its own, instead of exactly a third of them after all are known, so that days can be made one after another.
 */
import { atTerminal, type Channels } from './fields.ts';
import { streams } from './people.ts';
import { deriveSeed, Random } from './random.ts';
import type { Customer, Draft, Population, Scenario } from './types.ts';

const dayMs = 86_400_000;
const daySeconds = 86_400;
const noonDeviationSeconds = 20_000;
const highAmount = 220;
const terminalsADay = 2;
const terminalDays = 28;
const customersADay = 3;
const customerDays = 14;
const customerShare = 1 / 3;
const customerFactor = 5;

/** Indices compromised on any of the `length` days up to `day`, with how many of those draws hit each. */
function compromised(
  seed: number,
  kind: number,
  day: number,
  length: number,
  draws: number,
  count: number,
): Map<number, number> {
  const hits = new Map<number, number>();
  if (count === 0) return hits;
  for (let start = Math.max(0, day - length + 1); start <= day; start += 1) {
    const random = new Random(deriveSeed(seed, streams.compromises, kind, start));
    const drawn = new Set<number>();
    while (drawn.size < Math.min(draws, count)) drawn.add(random.below(count));
    for (const index of drawn) hits.set(index, (hits.get(index) ?? 0) + 1);
  }
  return hits;
}

interface Fraud {
  readonly scenario: Scenario;
  readonly amount: number;
}

export interface HandbookDays {
  /** Payments of the day, in no particular order. `day` counts from 0 at `startMs`. */
  day(day: number): Draft[];
}

/** @param channels how a payment that is not at a compromised terminal or of a compromised customer is made; none: all at terminals */
export function createHandbookDays(
  seed: number,
  population: Population,
  startMs: number,
  channels: Channels | undefined,
): HandbookDays {
  function drawAmount(customer: Customer, random: Random): number {
    const amount = random.normal(customer.amountMean, customer.amountMean / 2);
    return amount < 0 ? random.uniform(0, customer.amountMean * 2) : amount;
  }

  function judge(amount: number, terminalHit: boolean, customerHits: number, random: Random): Fraud {
    let raised = amount;
    let scenario: Scenario = amount > highAmount ? 'handbook-1' : 'normal';
    if (terminalHit) scenario = 'handbook-2';
    for (let hit = 0; hit < customerHits; hit += 1) {
      if (!random.chance(customerShare)) continue;
      raised *= customerFactor;
      scenario = 'handbook-3';
    }
    return { scenario, amount: raised };
  }

  return {
    day(day) {
      const terminals = compromised(seed, 2, day, terminalDays, terminalsADay, population.terminalCount);
      const customers = compromised(seed, 3, day, customerDays, customersADay, population.customerCount);
      const drafts: Draft[] = [];
      for (let index = 0; index < population.customerCount; index += 1) {
        const customer = population.customer(index);
        const nearbyCount = population.nearbyCount(customer);
        const random = new Random(deriveSeed(seed, streams.days, day, index));
        const count = random.poisson(customer.paymentsPerDay);
        for (let n = 0; n < count; n += 1) {
          const second = random.normal(daySeconds / 2, noonDeviationSeconds);
          if (second <= 0 || second >= daySeconds || nearbyCount === 0) continue;
          const amount = drawAmount(customer, random);
          const terminal = population.nearby(customer, random.below(nearbyCount));
          const fraud = judge(amount, terminals.has(terminal.index), customers.get(index) ?? 0, random);
          drafts.push({
            atMs: startMs + day * dayMs + Math.floor(second) * 1000,
            scenario: fraud.scenario,
            fraud: fraud.scenario !== 'normal',
            fields:
              channels !== undefined && fraud.scenario === 'normal'
                ? channels(customer, terminal, fraud.amount, random)
                : atTerminal(customer, terminal, fraud.amount),
          });
        }
      }
      return drafts;
    },
  };
}
