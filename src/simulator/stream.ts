/** Simulated payments in time order: day by day for files, or slice by slice for the live demonstration. Pure: the time is an argument. */
import { attackDurationMaxMs, attacks } from './attacks.ts';
import { everydayChannels } from './fields.ts';
import { createHandbookDays } from './handbook.ts';
import { streams } from './people.ts';
import { createHandbookPopulation, createLivePopulation } from './population.ts';
import { deriveSeed, Random } from './random.ts';
import type { Draft, Population, SimulatedPayment } from './types.ts';

const dayMs = 86_400_000;

function finish(draft: Draft, paymentId: string): SimulatedPayment {
  const { atMs, scenario, fraud, fields } = draft;
  return {
    payment: { paymentId, occurredAt: new Date(atMs).toISOString(), ...fields },
    occurredAtMs: atMs,
    label: fraud ? 'fraud' : 'legitimate',
    scenario,
  };
}

/** Equal times keep the order in which they were made: the sort is stable. */
const inTimeOrder = (drafts: Draft[]): Draft[] => drafts.sort((a, b) => a.atMs - b.atMs);

export interface PaymentStreamOptions {
  readonly seed: number;
  readonly customers: number;
  readonly terminals: number;
  readonly days: number;
  /** Midnight UTC of the first day. */
  readonly startMs: number;
  /** `handbook`: the published process and nothing else, all payments at terminals. `full`: other channels and attacks too. */
  readonly profile: 'handbook' | 'full';
  /** Episodes of attacks a day, each of one to some forty payments; `full` only. */
  readonly attacksPerDay: number;
}

function attacksOfDay(options: PaymentStreamOptions, population: Population, day: number): Draft[] {
  const random = new Random(deriveSeed(options.seed, streams.attacks, day));
  const drafts: Draft[] = [];
  for (let n = 0; n < options.attacksPerDay; n += 1) {
    const startMs = options.startMs + day * dayMs + random.below(dayMs - attackDurationMaxMs);
    drafts.push(...random.pick(attacks)({ population, random, startMs }));
  }
  return drafts;
}

/** The whole simulation, one payment at a time; memory is bounded by one day. The same options give the same payments. */
export function* createPaymentStream(options: PaymentStreamOptions): Generator<SimulatedPayment, void, undefined> {
  const full = options.profile === 'full';
  const population = createHandbookPopulation(options);
  const handbook = createHandbookDays(options.seed, population, options.startMs, full ? everydayChannels : undefined);
  let number = 0;
  for (let day = 0; day < options.days; day += 1) {
    const drafts = handbook.day(day);
    if (full) drafts.push(...attacksOfDay(options, population, day));
    for (const draft of inTimeOrder(drafts)) {
      yield finish(draft, `sim-${options.seed}-${number}`);
      number += 1;
    }
  }
}

export interface LiveFeedOptions {
  readonly seed: number;
  /** Event time at which the feed starts; a part of the payments' ids, so that a later start makes new ones. */
  readonly nowMs: number;
  readonly ratePerSecond: number;
}

export interface LiveFeed {
  /** Payments with an event time after the last call's (at first: after `nowMs`) and up to `nowMs`, in time order. */
  due(nowMs: number): SimulatedPayment[];
}

/** Large enough that a customer pays every half hour or so at 30/s, small enough for a demonstration's memory. */
const liveCustomers = 50_000;
const liveTerminals = 5_000;
/** Attack payments are about this share of all; an episode has some 10 payments. */
const liveAttackShare = 0.03;
const paymentsPerEpisode = 10;
const attackSliceMs = 60_000;
const attackWarmUpSlices = attackDurationMaxMs / attackSliceMs;
/** A feed that was not asked for this long (a suspended laptop) skips what it missed instead of flooding. */
const liveSliceMaxMs = 5_000;

/** Payments of now, for ever: normal life with attacks mixed in. The same options and calls give the same payments. */
export function createLiveFeed({ seed, nowMs, ratePerSecond }: LiveFeedOptions): LiveFeed {
  const population = createLivePopulation({ seed, customers: liveCustomers, terminals: liveTerminals });
  const random = new Random(deriveSeed(seed, streams.arrivals, nowMs % 4_294_967_296));
  const normalPerMs = (ratePerSecond * (1 - liveAttackShare)) / 1000;
  const episodesPerMs = (ratePerSecond * liveAttackShare) / paymentsPerEpisode / 1000;
  const prefix = `demo-${nowMs.toString(36)}`;
  let waiting: Draft[] = [];
  let reachedMs = nowMs;
  let number = 0;

  function normal(atMs: number): Draft | undefined {
    const customer = population.customer(random.below(population.customerCount));
    const nearby = population.nearbyCount(customer);
    if (nearby === 0) return undefined;
    const drawn = random.normal(customer.amountMean, customer.amountMean / 2);
    const amount = drawn < 0 ? random.uniform(0, customer.amountMean * 2) : drawn;
    const terminal = population.nearby(customer, random.below(nearby));
    return { atMs, scenario: 'normal', fraud: false, fields: everydayChannels(customer, terminal, amount, random) };
  }

  /** Starts episodes in (fromMs, fromMs + spanMs]; their payments wait for their time. */
  function attack(fromMs: number, spanMs: number): void {
    for (let n = random.poisson(spanMs * episodesPerMs); n > 0; n -= 1) {
      const startMs = fromMs + 1 + random.below(spanMs);
      waiting.push(...random.pick(attacks)({ population, random, startMs }));
    }
  }

  // Attacks that began before the feed are under way, so that the first minute is like every other.
  for (let n = 0; n < attackWarmUpSlices; n += 1) attack(nowMs - (n + 1) * attackSliceMs, attackSliceMs);
  waiting = waiting.filter((draft) => draft.atMs > nowMs);

  return {
    due(untilMs) {
      const fromMs = Math.max(reachedMs, untilMs - liveSliceMaxMs);
      if (untilMs <= reachedMs) return [];
      const spanMs = untilMs - fromMs;
      for (let n = random.poisson(spanMs * normalPerMs); n > 0; n -= 1) {
        const draft = normal(fromMs + 1 + random.below(spanMs));
        if (draft !== undefined) waiting.push(draft);
      }
      attack(fromMs, spanMs);
      const ready = inTimeOrder(waiting.filter((draft) => draft.atMs > fromMs && draft.atMs <= untilMs));
      waiting = waiting.filter((draft) => draft.atMs > untilMs);
      reachedMs = untilMs;
      return ready.map((draft) => {
        number += 1;
        return finish(draft, `${prefix}-${number}`);
      });
    },
  };
}
