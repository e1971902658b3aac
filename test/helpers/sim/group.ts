/** What a simulated consumer group, its members and its coordinator know of each other. */
import { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import type { Commit, Message, Topic } from '../../../src/pipeline/ports.ts';
import type { Actor, World } from './world.ts';

/** A member as the coordinator knows it. */
interface Member {
  readonly actor: Actor;
  /** It has left, or the coordinator has given it up. */
  gone: boolean;
  /** The coordinator gives it the partition. */
  tenure(partition: number): Held;
  /** It hears of the last rebalance. */
  joined(): void;
  /** There may be something to fetch. */
  nudge(): void;
}

/** A member's tenure of one partition. */
export interface Held {
  readonly member: Member;
  readonly partition: number;
  /** The next offset to hand out; undefined: it has not heard of this tenure. */
  next: number | undefined;
  /** The first offset handed out since the last rewind, and the one after the last. */
  from: number;
  to: number;
  /** The member has heard that it is over. */
  lost: boolean;
  /** Nothing is known of its end yet. */
  unknown: boolean;
  mayCommit(nextOffset: number): boolean;
}

/** A consumer group as its coordinator knows it. */
export interface Group {
  readonly name: string;
  readonly topic: Topic;
  members: Member[];
  /** By partition; what each owner has of it is that member's tenure. */
  readonly owners: (Held | undefined)[];
  readonly committed: number[];
}

/** The coordinator and its broker as a member knows them. */
export interface Coordinator {
  readonly world: World;
  /** Brokers cannot be reached. */
  readonly away: boolean;
  listsOf(topic: Topic): readonly Message[][];
  commit(actor: Actor, group: Group, commits: readonly { commit: Commit; held: Held }[]): Promise<void>;
  rebalance(group: Group): void;
}

export const closedSubscription = (): SubscriptionDead => new SubscriptionDead('the subscription is closed');
