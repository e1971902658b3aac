/** Kafka as the pipeline sees it: partitions, consumer groups whose members learn late of what they lost, fencing. */
import { hash32 } from '../../../src/domain/ids.ts';
import { LogUnavailable } from '../../../src/pipeline/logErrors.ts';
import type { Commit, EventLog, Message, Topic } from '../../../src/pipeline/ports.ts';
import { call, type CallFaults, Lane } from './calls.ts';
import type { Coordinator, Group, Held } from './group.ts';
import { SimSubscription } from './subscription.ts';
import type { Actor, World } from './world.ts';

export interface Letter {
  readonly key: string;
  readonly value: Uint8Array;
}

const appendMs = 3;
const appendSlowMs = 400;
/** As the adapter's: an append that is not acknowledged is refused. */
const appendTimeoutMs = 15_000;
const commitMs = 2;
const commitTimeoutMs = 5_000;
const sessionMs = 10_000;

export class SimKafka implements Coordinator {
  readonly world: World;
  readonly partitions: number;
  readonly groups = new Map<string, Group>();
  readonly #topics = new Map<Topic, Message[][]>();
  faults: CallFaults;
  /** Brokers cannot be reached. */
  away = false;
  /** Told of what is in a topic for good, and of positions before they move. */
  onAppended: (topic: Topic, message: Message) => void = () => {};
  onCommit: (group: Group, partition: number, from: number, to: number) => void = () => {};

  constructor(world: World, partitions: number, faults: CallFaults) {
    this.world = world;
    this.partitions = partitions;
    this.faults = faults;
  }

  listsOf(topic: Topic): readonly Message[][] {
    let lists = this.#topics.get(topic);
    if (lists === undefined) {
      lists = Array.from({ length: topic.includes('deadletter') ? 1 : this.partitions }, () => []);
      this.#topics.set(topic, lists);
    }
    return lists;
  }

  messages(topic: Topic): readonly Message[] {
    return this.listsOf(topic).flat();
  }

  /** Puts messages in place at once. @param partitions undefined: all, else only those that are among them */
  put(topic: Topic, letters: readonly Letter[], partitions?: ReadonlySet<number>): void {
    const lists = this.listsOf(topic);
    for (const { key, value } of letters) {
      const partition = hash32(key) % lists.length;
      if (partitions?.has(partition) === false) continue;
      const list = lists[partition]!;
      const message = { partition, offset: list.length, key, value: Uint8Array.from(value) };
      list.push(message);
      this.onAppended(topic, message);
    }
    for (const group of this.groups.values()) {
      if (group.topic === topic) for (const member of group.members) member.nudge();
    }
  }

  groupOf(name: string, topic: Topic): Group {
    let group = this.groups.get(name);
    if (group === undefined) {
      const { length } = this.listsOf(topic);
      group = {
        name,
        topic,
        members: [],
        owners: Array.from<undefined>({ length }).fill(undefined),
        committed: Array.from({ length }, () => 0),
      };
      this.groups.set(name, group);
    }
    return group;
  }

  /** Gives each partition to some member; members hear of it later, each at its own time. */
  rebalance(group: Group): void {
    const { world } = this;
    const { random } = world;
    group.members = group.members.filter((member) => !member.gone);
    const moving = random.chance(0.5);
    group.owners.forEach((owner, partition) => {
      const stays = owner !== undefined && group.members.includes(owner.member) && !moving;
      if (stays || group.members.length === 0) return;
      const member = random.pick(group.members);
      if (owner?.member !== member) group.owners[partition] = member.tenure(partition);
    });
    if (group.members.length === 0) group.owners.fill(undefined);
    world.trace(
      group.name,
      () => `rebalanced: ${group.owners.map((held) => held?.member.actor.name ?? '-').join(' ')}`,
    );
    for (const member of group.members) world.after(random.uniform(0, 300), () => member.joined(), member.actor);
  }

  /** A member that does not answer any more is missed some time later. */
  lose(actor: Actor): void {
    for (const group of this.groups.values()) {
      const own = group.members.filter((member) => member.actor === actor);
      if (own.length === 0) continue;
      this.world.after(this.world.random.uniform(sessionMs / 20, sessionMs), () => {
        for (const member of own) member.gone = true;
        this.rebalance(group);
      });
    }
  }

  client(actor: Actor): EventLog {
    const { world } = this;
    const lane = new Lane();
    const failure = (why: string): Error => new LogUnavailable(`simulated: ${why}`);
    return {
      append: (topic, letters) => {
        // A copy: the caller's buffers are its own again once this returns.
        const own = letters.map(({ key, value }) => ({ key, value: Uint8Array.from(value) }));
        return call({
          actor,
          what: `append ${topic} ${own.map(({ key }) => key).join(',')}`,
          faults: this.away ? { ...this.faults, refused: 1 } : this.faults,
          latencyMs: appendMs,
          slowMs: appendSlowMs,
          timeoutMs: appendTimeoutMs,
          lane,
          effect: (whole) => {
            const some = whole || world.random.chance(0.5) ? undefined : this.#somePartitions(topic);
            this.put(topic, own, some);
          },
          failure,
        });
      },
      subscribe: async (name, topic) => {
        await call({
          actor,
          what: `subscribe ${name}`,
          faults: this.away ? { ...this.faults, refused: 1 } : this.faults,
          latencyMs: 20,
          slowMs: 1000,
          timeoutMs: appendTimeoutMs,
          effect: () => {},
          failure,
        });
        const group = this.groupOf(name, topic);
        const member = new SimSubscription(this, group, actor);
        group.members.push(member);
        this.rebalance(group);
        return member;
      },
      read: (topic) => this.#read(topic),
      close: () => Promise.resolve(),
    };
  }

  commit(actor: Actor, group: Group, commits: readonly { commit: Commit; held: Held }[]): Promise<void> {
    return call({
      actor,
      what: `commit ${group.name} ${commits.map(({ commit }) => `${commit.partition}@${commit.nextOffset}`).join(',')}`,
      faults: this.away ? { ...this.faults, refused: 1 } : this.faults,
      latencyMs: commitMs,
      slowMs: appendSlowMs,
      timeoutMs: commitTimeoutMs,
      effect: () => {
        for (const { commit, held } of commits) this.#moveTo(group, held, commit);
      },
      failure: (why) => new LogUnavailable(`simulated: ${why}`),
    });
  }

  #moveTo(group: Group, held: Held, { partition, nextOffset }: Commit): void {
    const from = group.committed[partition]!;
    if (group.owners[partition] !== held || held.lost || nextOffset <= from || !held.mayCommit(nextOffset)) return;
    this.onCommit(group, partition, from, nextOffset);
    group.committed[partition] = nextOffset;
  }

  #somePartitions(topic: Topic): ReadonlySet<number> {
    const partitions = this.listsOf(topic).map((_, partition) => partition);
    return new Set(partitions.filter(() => this.world.random.chance(0.5)));
  }

  async *#read(topic: Topic): AsyncGenerator<readonly Message[]> {
    for (const list of this.listsOf(topic)) yield await Promise.resolve([...list]);
  }
}
