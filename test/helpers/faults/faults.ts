/** What can befall the roles, each in a few lines. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/simulator/random.ts';
import type { History, Letter } from './history.ts';
import type { Decided } from './tail.ts';
import type { World } from './world.ts';

export interface Fault {
  readonly name: string;
  /** Makes it happen, for as long as it lasts. @returns what ends it */
  readonly strike: (world: World, history: History, random: Random) => Promise<() => Promise<void>>;
  readonly onTopic?: number;
  readonly overHttp?: number;
  readonly mangle?: (slice: readonly Letter[], random: Random) => readonly Letter[];
  /** Every payment on the topic that was decided with velocity counted exactly those before it. */
  readonly countedThroughout?: boolean;
  /** Payments that processes may decide differently, since claims were lost or out of reach. */
  readonly decidedTwiceMax?: number;
  /** Redis lost what it had: the counters are judged by `check`. */
  readonly forgets?: boolean;
  readonly check?: (world: World, history: History, decided: ReadonlyMap<string, Decided>) => Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

export const faults: readonly Fault[] = [
  {
    name: 'nothing at all',
    countedThroughout: true,
    strike: () => Promise.resolve(nothing),
  },
  {
    name: 'Kafka is stopped for ten seconds',
    countedThroughout: true,
    overHttp: 150,
    async strike({ kafka }) {
      await kafka.halt('SIGTERM');
      await sleep(10_000);
      return () => kafka.resume();
    },
  },
  {
    name: 'Redis is stopped, and comes back with its data',
    async strike({ redis }) {
      await redis.halt('SIGTERM');
      await sleep(2_000);
      return () => redis.start();
    },
  },
];
