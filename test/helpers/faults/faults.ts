/** What can befall the roles, each in a few lines. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/simulator/random.ts';
import { clockIsSetBack, spoolDiskIsFull } from './machine.ts';
import { duplicatedAndReordered, poisoned } from './messages.ts';
import {
  kafkaAnswersLate,
  kafkaConnectionsCut,
  kafkaRepliesLost,
  redisRepliesCut,
  redisRepliesLost,
} from './network.ts';
import type { History, Letter } from './history.ts';
import { rebalanceStorm } from './rebalance.ts';
import { redisOutOfMemory } from './memory.ts';
import type { Decided } from './tail.ts';
import type { World } from './world.ts';

/** When a fault began and ended, by the wall clock. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Fault {
  readonly name: string;
  /** Makes it happen, for as long as it lasts. @returns what ends it */
  readonly strike: (world: World, history: History, random: Random) => Promise<() => Promise<void>>;
  readonly onTopic?: number;
  readonly overHttp?: number;
  readonly mangle?: (slice: readonly Letter[], random: Random) => readonly Letter[];
  /** Every payment on the topic that was decided with velocity counted exactly those before it. */
  readonly countedThroughout?: boolean;
  /** Redis lost what it had: only what was decided since, or was missed by it, is counted. */
  readonly forgets?: boolean;
  readonly check?: (
    world: World,
    history: History,
    decided: ReadonlyMap<string, Decided>,
    window: Window,
  ) => Promise<void> | void;
}

const nothing = (): Promise<void> => Promise.resolve();

export const faults: readonly Fault[] = [
  {
    name: 'Kafka is stopped for ten seconds',
    countedThroughout: true,
    overHttp: 120,
    async strike({ kafka }) {
      const over = sleep(10_000);
      await kafka.halt('SIGTERM');
      await over;
      return () => kafka.resume();
    },
  },
  {
    name: 'Redis is stopped, and comes back with its data',
    async strike({ redis }) {
      await redis.halt('SIGKILL');
      await sleep(2_000);
      return () => redis.start();
    },
  },
  {
    name: 'Redis comes back empty',
    forgets: true,
    async strike(world) {
      await world.redis.halt('SIGKILL');
      world.forgetRedis();
      await sleep(500);
      return () => world.redis.start();
    },
  },
  {
    name: 'Redis is frozen',
    async strike({ redis }) {
      redis.freeze();
      // Longer than its connections are kept.
      await sleep(2_500);
      return async () => redis.thaw();
    },
  },
  {
    name: 'Redis answers late',
    async strike({ redisProxy }) {
      redisProxy.delayReplies(60);
      await sleep(2_000);
      return async () => redisProxy.delayReplies(0);
    },
  },
  redisOutOfMemory,
  redisRepliesLost,
  redisRepliesCut,
  kafkaRepliesLost,
  kafkaConnectionsCut,
  kafkaAnswersLate,
  {
    name: 'ClickHouse is killed',
    countedThroughout: true,
    async strike({ front }) {
      await front.kill();
      await sleep(2_000);
      return () => front.restart();
    },
  },
  {
    name: 'messages are duplicated and reordered',
    mangle: duplicatedAndReordered(),
    strike: () => Promise.resolve(nothing),
  },
  poisoned,
  rebalanceStorm,
  spoolDiskIsFull,
  clockIsSetBack,
];
