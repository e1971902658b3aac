/** Attacks that the handbook does not have: each makes the payments of one episode, starting at `startMs` and over within 6 hours. */
import { atTerminal, online, toMinor, transfer } from './fields.ts';
import { foreignCountries, testAddress } from './people.ts';
import type { Random } from './random.ts';
import type { Customer, Draft, Population, Scenario, Terminal } from './types.ts';

const secondMs = 1000;
const minuteMs = 60_000;
const hourMs = 3_600_000;

export const attackDurationMaxMs = 6 * hourMs;

interface Episode {
  readonly population: Population;
  readonly random: Random;
  readonly startMs: number;
}
type Attack = (episode: Episode) => Draft[];

const anyCustomer = ({ population, random }: Episode): Customer =>
  population.customer(random.below(population.customerCount));
const anyTerminal = ({ population, random }: Episode): Terminal =>
  population.terminal(random.below(population.terminalCount));

const fraudOf =
  (scenario: Scenario) =>
  (atMs: number, fields: Draft['fields']): Draft => ({ atMs: Math.floor(atMs), scenario, fraud: true, fields });

/** One device tries many stolen cards with tiny amounts at one shop. */
const cardTesting: Attack = (episode) => {
  const { random, startMs } = episode;
  const fraud = fraudOf('card-testing');
  const shop = anyTerminal(episode);
  const deviceId = `dev-x${random.below(1e9)}`;
  const ipAddress = testAddress(random);
  const country = random.pick(foreignCountries);
  let atMs = startMs;
  return Array.from({ length: random.integer(15, 40) }, () => {
    atMs += random.uniform(3, 20) * secondMs;
    const victim = anyCustomer(episode);
    return fraud(atMs, { ...online(victim, shop, random.uniform(0.5, 2)), deviceId, ipAddress, country });
  });
};

/** One stolen card is emptied in a few minutes, over several shops. */
const velocityBurst: Attack = (episode) => {
  const { random, startMs } = episode;
  const fraud = fraudOf('velocity-burst');
  const victim = anyCustomer(episode);
  const deviceId = `dev-x${random.below(1e9)}`;
  let atMs = startMs;
  return Array.from({ length: random.integer(8, 15) }, () => {
    atMs += random.uniform(10, 70) * secondMs;
    return fraud(atMs, { ...online(victim, anyTerminal(episode), victim.amountMean * random.uniform(1, 3)), deviceId });
  });
};

/** New device, new address, another country, and far more than the customer ever pays. */
const accountTakeover: Attack = (episode) => {
  const { random, startMs } = episode;
  const fraud = fraudOf('account-takeover');
  const victim = anyCustomer(episode);
  const taken = {
    deviceId: `dev-x${random.below(1e9)}`,
    ipAddress: testAddress(random),
    country: random.pick(foreignCountries),
  };
  let atMs = startMs;
  return Array.from({ length: random.integer(1, 4) }, () => {
    atMs += random.uniform(1, 10) * minuteMs;
    const amount = Math.max(400, victim.amountMean * random.uniform(8, 20));
    return fraud(atMs, { ...online(victim, anyTerminal(episode), amount), ...taken });
  });
};

/** The owner pays at home; minutes later a copy of the card pays on another continent. */
const impossibleTravel: Attack = (episode) => {
  const { population, random, startMs } = episode;
  const victim = anyCustomer(episode);
  if (population.nearbyCount(victim) === 0) return [];
  const home = population.nearby(victim, random.below(population.nearbyCount(victim)));
  const abroad = { ...anyTerminal(episode), country: random.pick(foreignCountries) };
  const fraud = fraudOf('impossible-travel');
  const drafts: Draft[] = [
    { atMs: startMs, scenario: 'normal', fraud: false, fields: atTerminal(victim, home, victim.amountMean) },
  ];
  let atMs = startMs + random.uniform(10, 40) * minuteMs;
  for (let n = random.integer(1, 3); n > 0; n -= 1) {
    drafts.push(fraud(atMs, atTerminal(victim, abroad, victim.amountMean * random.uniform(2, 5))));
    atMs += random.uniform(2, 8) * minuteMs;
  }
  return drafts;
};

/** Victims pay into one account (fan-in), and its owner passes the money on at once (fan-out). */
const mule: Attack = (episode) => {
  const { random, startMs } = episode;
  const fraud = fraudOf('mule');
  const owner = anyCustomer(episode);
  const drafts: Draft[] = [];
  let received = 0;
  let atMs = startMs;
  for (let n = random.integer(10, 20); n > 0; n -= 1) {
    atMs += random.uniform(2, 12) * minuteMs;
    const amountMinor = toMinor(random.uniform(150, 900));
    received += amountMinor;
    drafts.push(fraud(atMs, transfer(anyCustomer(episode), owner.accountId, amountMinor)));
  }
  const parts = random.integer(5, 9);
  for (let n = 0; n < parts; n += 1) {
    atMs += random.uniform(1, 6) * minuteMs;
    const exit = `acct-x${random.below(1e9)}`;
    drafts.push(fraud(atMs, transfer(owner, exit, Math.floor((received * 0.95) / parts))));
  }
  return drafts;
};

/** A skimmed terminal: the copies of many customers' cards are used there, one after another, for high amounts. */
const clonedCards: Attack = (episode) => {
  const { random, startMs } = episode;
  const fraud = fraudOf('cloned-cards');
  const terminal = anyTerminal(episode);
  let atMs = startMs;
  return Array.from({ length: random.integer(12, 25) }, () => {
    atMs += random.uniform(30, 240) * secondMs;
    const victim = anyCustomer(episode);
    return fraud(atMs, atTerminal(victim, terminal, Math.max(150, victim.amountMean * random.uniform(3, 6))));
  });
};

export const attacks: readonly Attack[] = [
  cardTesting,
  velocityBurst,
  accountTakeover,
  accountTakeover,
  accountTakeover,
  impossibleTravel,
  impossibleTravel,
  mule,
  clonedCards,
];
