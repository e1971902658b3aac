/** One member of a simulated consumer group. It goes on with what it held until it hears that it lost it. */
import type { SubscriptionDead } from '../../../src/pipeline/logErrors.ts';
import type { Commit, Message, Subscription } from '../../../src/pipeline/ports.ts';
import { closedSubscription, type Coordinator, type Group, type Held } from './group.ts';
import type { Actor } from './world.ts';

const nothing: ReadonlySet<number> = new Set();

export class SimSubscription implements Subscription {
  readonly actor: Actor;
  readonly #kafka: Coordinator;
  readonly #group: Group;
  readonly #held = new Map<number, Held>();
  #polling = false;
  #dead: SubscriptionDead | undefined;
  #wake: () => void = () => {};
  /** It has left, or the coordinator has given it up. */
  gone = false;

  constructor(kafka: Coordinator, group: Group, actor: Actor) {
    this.#kafka = kafka;
    this.#group = group;
    this.actor = actor;
  }

  /** The coordinator gives it the partition. */
  tenure(partition: number): Held {
    const held: Held = {
      member: this,
      partition,
      next: undefined,
      from: Number.POSITIVE_INFINITY,
      to: 0,
      lost: false,
      unknown: true,
      mayCommit: (nextOffset) => nextOffset > held.from && nextOffset <= held.to,
    };
    return held;
  }

  /** It hears of the last rebalance. */
  joined(): void {
    const { owners, committed } = this.#group;
    for (const [partition, held] of this.#held) {
      if (owners[partition] === held) continue;
      held.lost = true;
      this.#held.delete(partition);
    }
    owners.forEach((owner, partition) => {
      if (owner?.member !== this || this.#held.has(partition)) return;
      owner.next = committed[partition]!;
      this.#held.set(partition, owner);
      this.#kafka.world.after(this.#kafka.world.random.uniform(0, 50), () => {
        owner.unknown = false;
      });
    });
    this.nudge();
  }

  /** There may be something to fetch: it notices a little later. */
  nudge(): void {
    this.#kafka.world.after(this.#kafka.world.random.uniform(0.2, 3), () => this.#wake(), this.actor);
  }

  die(error: SubscriptionDead): void {
    this.#dead ??= error;
    this.gone = true;
    this.nudge();
  }

  async poll(max: number, waitMs: number, skip = nothing): Promise<readonly Message[]> {
    const { world } = this.#kafka;
    if (this.#polling) world.violate(`${this.actor.name} polls ${this.#group.name} twice at one time`);
    this.#polling = true;
    try {
      const untilMs = world.nowMs + waitMs;
      for (;;) {
        await this.#wait(world.random.uniform(0.05, 1));
        if (this.#dead !== undefined) throw this.#dead;
        const messages = this.#kafka.away ? [] : this.#hand(max, skip);
        const leftMs = untilMs - world.nowMs;
        if (messages.length > 0 || leftMs <= 0) return messages;
        await this.#wait(leftMs);
      }
    } finally {
      this.#polling = false;
    }
  }

  behind(): ReadonlySet<number> {
    const lists = this.#kafka.listsOf(this.#group.topic);
    const behind = [...this.#held.values()].filter(
      ({ partition, next = 0, unknown }) => unknown || next < lists[partition]!.length,
    );
    return new Set(lists.length > 1 ? behind.map(({ partition }) => partition) : []);
  }

  async commit(commits: readonly Commit[]): Promise<void> {
    const valid = commits.flatMap((commit) => {
      const held = this.#held.get(commit.partition);
      if (commit.group !== this.#group.name || commit.topic !== this.#group.topic) return [];
      return held?.mayCommit(commit.nextOffset) === true ? [{ commit, held }] : [];
    });
    if (valid.length > 0) await this.#kafka.commit(this.actor, this.#group, valid);
  }

  rewind(): void {
    for (const held of this.#held.values()) {
      held.next = this.#group.committed[held.partition]!;
      held.from = Number.POSITIVE_INFINITY;
      held.to = 0;
    }
  }

  lag(): Promise<number> {
    const { committed, topic } = this.#group;
    const lists = this.#kafka.listsOf(topic);
    return Promise.resolve(lists.reduce((sum, { length }, partition) => sum + length - committed[partition]!, 0));
  }

  close(): Promise<void> {
    if (this.gone) return Promise.resolve();
    this.#dead ??= closedSubscription();
    this.gone = true;
    this.#wake();
    this.#kafka.rebalance(this.#group);
    return Promise.resolve();
  }

  /** Messages of one partition, in order; which, and how many at once, is the fetcher's luck. */
  #hand(max: number, skip: ReadonlySet<number>): readonly Message[] {
    const { random } = this.#kafka.world;
    const lists = this.#kafka.listsOf(this.#group.topic);
    const ready = [...this.#held.values()].filter(
      ({ partition, next = 0 }) => !skip.has(partition) && next < lists[partition]!.length,
    );
    if (ready.length === 0) return [];
    const held = random.pick(ready);
    const from = held.next ?? 0;
    const many = random.chance(0.5) ? max : random.integer(1, 3);
    const messages = lists[held.partition]!.slice(from, from + Math.min(many, max));
    held.from = Math.min(held.from, from);
    held.next = from + messages.length;
    held.to = held.next;
    held.unknown = false;
    return messages;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let over = false;
      this.#wake = () => {
        over = true;
        resolve();
      };
      this.#kafka.world.after(
        ms,
        () => {
          if (over) return false;
          resolve();
          return true;
        },
        this.actor,
      );
    });
  }
}
