/** One history from its seed: engines, machines and clients, faults until they end, then everything drains and is checked. */
import { topics } from '../../../src/pipeline/ports.ts';
import type { CompiledRelease } from '../../../src/releases/compile.ts';
import { SimAnalytics } from './analytics.ts';
import { Book } from './book.ts';
import { type CallFaults, noFaults } from './calls.ts';
import { checkHistory } from './checks.ts';
import { ApiClient } from './client.ts';
import type { Checked } from './counters.ts';
import { leftOver } from './drain.ts';
import { SimKafka } from './kafka.ts';
import { Machine, type StartRole } from './machines.ts';
import { labelBytes, type Plan, type PlanLimits, planOf } from './plan.ts';
import { type Engines, type SimProcess, startSimServe, startSimStream } from './processes.ts';
import { SimRedis } from './redis.ts';
import { startSimSink } from './sink.ts';
import { startSimUp } from './up.ts';
import { installVirtualTime, settled } from './virtualTime.ts';
import { Crashed, World } from './world.ts';

/** From the end of the faults until everything must be drained, and from then until every process must have stopped. */
const drainMsMax = 120_000;
const stopMsMax = 19_000;
const checkEveryMs = 100;

export interface HistoryResult {
  readonly plan: Plan;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly events: number;
  readonly virtualMs: number;
}

const shaky: CallFaults = { slow: 0.1, refused: 0.04, lostReply: 0.04, silent: 0.02, twice: 0.03 };
/** Nothing is lost, but everything may take its time. */
const lively: CallFaults = { ...noFaults, slow: 0.1 };

class History {
  readonly plan: Plan;
  readonly world: World;
  readonly #engines: Engines;
  readonly #book: Book;
  readonly #client: ApiClient;
  readonly #analytics: SimAnalytics;
  readonly #machines: Machine[] = [];
  readonly #uncounted = new Set<string>();

  constructor(plan: Plan, release: CompiledRelease, traced: boolean) {
    this.plan = plan;
    this.world = new World(plan.seed, traced);
    const { faults } = plan;
    const kafka = new SimKafka(this.world, plan.partitions, faults.has('kafka') ? shaky : lively);
    const redis = new SimRedis(this.world, faults.has('redis') ? shaky : lively, plan.cluster);
    if (faults.has('redis')) redis.slowMs = 800;
    this.#book = new Book(plan, kafka, redis);
    this.#engines = {
      kafka,
      redis,
      release,
      diskFaults: { refused: faults.has('disk') ? 0.2 : 0, crash: faults.has('crash') ? 0.05 : 0 },
      onPublish: (actor, records) => this.#book.publishing(actor, records),
    };
    this.#analytics = new SimAnalytics(this.world, faults.has('analytics') ? shaky : lively);
    const deciders = plan.composition === 'up' ? this.#up() : this.#serves();
    this.#client = new ApiClient(this.world, this.#book, deciders);
    if (plan.composition === 'roles') this.#streamsAndSinks();
    this.#book.machines = this.#machines;
  }

  async run(): Promise<readonly string[]> {
    const { world, plan } = this;
    this.#schedule();
    await world.run(() => false, plan.calmAtMs);
    if (world.violations.length > 0) return world.violations;
    this.#calm();
    if (
      !(await world.run(
        this.#atTimes(() => this.#left().length === 0),
        world.nowMs + drainMsMax,
      ))
    )
      return [...world.violations, ...this.#left()];
    const problems = await this.#check();
    return [...world.violations, ...problems, ...(problems.length > 0 ? [] : await this.#stopAll())];
  }

  #up(): readonly Machine[] {
    return [this.#machine('up', (actor, disk, onDead) => startSimUp(this.#engines, actor, disk, onDead))];
  }

  #serves(): readonly Machine[] {
    return Array.from({ length: this.plan.serves }, (_, i) =>
      this.#machine(`serve${i}`, (actor, disk) => startSimServe(this.#engines, actor, disk)),
    );
  }

  #streamsAndSinks(): void {
    for (let i = 0; i < this.plan.streams; i++)
      this.#machine(`stream${i}`, (actor, disk, onDead) => startSimStream(this.#engines, actor, disk, onDead));
    for (let i = 0; i < this.plan.sinks; i++)
      this.#machine(`sink${i}`, (actor, _disk, onDead) => startSimSink(this.#engines, this.#analytics, actor, onDead));
  }

  #machine(name: string, start: StartRole): Machine {
    const { random } = this.world;
    const clockOffsetMs = this.plan.faults.has('clock') ? random.integer(-2000, 2000) : 0;
    const onDown = (process: SimProcess): void => this.#down(process);
    const machine = new Machine(name, this.#engines, start, { clockOffsetMs, onDown });
    this.#machines.push(machine);
    return machine;
  }

  #down({ actor, decider }: SimProcess): void {
    this.#client.lost(actor);
    for (const paymentId of decider?.uncounted() ?? []) this.#uncounted.add(paymentId);
  }

  #schedule(): void {
    const { world, plan } = this;
    const { kafka } = this.#engines;
    const { random } = world;
    for (const machine of this.#machines) world.after(random.uniform(0, 50), () => machine.start());
    for (const payment of plan.payments) {
      for (const sending of payment.sendings) {
        const { customerId: key, body: value } = payment;
        const own = plan.composition === 'up' && random.chance(0.4);
        const send = (): void => {
          if (sending.how === 'api') this.#client.send(payment, sending);
          else if (own) this.#machines[0]?.disk.journal.put(topics.payments, [{ key, value }]);
          else kafka.put(topics.payments, [{ key, value }]);
        };
        world.after(sending.atMs, send);
      }
    }
    for (const label of plan.labels)
      world.after(label.atMs, () => {
        if (label.how === 'api') this.#client.label(label);
        else kafka.put(topics.labels, [{ key: label.paymentId, value: labelBytes(label) }]);
      });
    for (const { atMs, value } of plan.poison)
      world.after(atMs, () => kafka.put(topics.payments, [{ key: `c${random.below(3)}`, value }]));
    if (plan.faults.has('crash')) world.eventsToCrash = random.pick([20, 60, 200]);
    for (const kind of ['stop', 'rebalance', 'kafka', 'redis'] as const) {
      if (!plan.faults.has(kind)) continue;
      for (let n = random.integer(1, 4); n > 0; n--)
        world.after(random.uniform(0, plan.calmAtMs), () => !world.calm && this.#trouble(kind));
    }
  }

  #trouble(kind: 'stop' | 'rebalance' | 'kafka' | 'redis'): void {
    const { kafka, redis } = this.#engines;
    const { world } = this;
    const { random } = world;
    if (kind === 'stop') random.pick(this.#machines).stop();
    else if (kind === 'rebalance') for (const group of kafka.groups.values()) kafka.rebalance(group);
    else if (kind === 'kafka') {
      kafka.away = true;
      world.after(random.uniform(1, 3000), () => {
        kafka.away = false;
      });
    } else {
      redis.setAway(true);
      world.after(random.uniform(1, 3000), () => redis.setAway(false));
    }
  }

  #calm(): void {
    const { kafka, redis } = this.#engines;
    this.world.trace('world', () => 'faults end');
    this.world.calm = true;
    kafka.away = false;
    redis.setAway(false);
  }

  /** Asked now and then, not after every event. */
  #atTimes(done: () => boolean): () => boolean {
    let nextMs = 0;
    return () => {
      if (this.world.nowMs < nextMs) return false;
      nextMs = this.world.nowMs + checkEveryMs;
      return done();
    };
  }

  #left(): string[] {
    return leftOver(this.plan, this.#engines.kafka, this.#machines, this.#client.waiting);
  }

  async #check(): Promise<readonly string[]> {
    const { plan, world } = this;
    const checked: Checked = {
      plan,
      engines: this.#engines,
      book: this.#book,
      client: this.#client,
      analytics: this.#analytics,
      machines: this.#machines,
      uncounted: this.#uncounted,
    };
    // What is in nobody's backlog may still be on its way to Redis.
    await world.run(() => false, world.nowMs + 200);
    let problems: readonly string[] | undefined;
    const checking = checkHistory(checked).then((found) => {
      problems = found;
    });
    await world.run(() => problems !== undefined, world.nowMs + 2000);
    if (problems === undefined) return ['the counters cannot be read'];
    await checking;
    return problems;
  }

  /** Every process stops cleanly, in time. */
  async #stopAll(): Promise<readonly string[]> {
    const { world } = this;
    const waiting = new Set<string>();
    for (const { name, process } of this.#machines) {
      if (process === undefined) continue;
      waiting.add(name);
      void process.actor.run(() => process.stop()).then(() => waiting.delete(name));
    }
    await settled();
    await world.run(() => waiting.size === 0, world.nowMs + stopMsMax);
    return [...world.violations, ...[...waiting].map((name) => `${name} does not stop`)];
  }
}

/** Runs the history of a seed. One at a time. */
export async function runHistory(
  seed: number,
  release: CompiledRelease,
  options: PlanLimits & { readonly traced?: boolean } = {},
): Promise<HistoryResult> {
  const plan = planOf(seed, options);
  const restore = installVirtualTime();
  const rejections: string[] = [];
  const onRejection = (reason: unknown): void => {
    if (!(reason instanceof Crashed)) rejections.push(`unhandled rejection: ${String(reason)}`);
  };
  process.on('unhandledRejection', onRejection);
  try {
    const history = new History(plan, release, options.traced === true);
    const violations = await history.run();
    const { world } = history;
    return {
      plan,
      violations: [...violations, ...rejections],
      trace: world.traceLines,
      events: world.events,
      virtualMs: world.nowMs,
    };
  } finally {
    process.off('unhandledRejection', onRejection);
    restore();
  }
}
