/** Redis as its adapters see it: a connection whose commands arrive in order, late, twice or not, and may be lost with it. */
import type { RedisConnection } from '../../../src/adapters/redis/connection.ts';
import { redisUnavailable, RedisUnavailable } from '../../../src/adapters/redis/errors.ts';
import type { Script } from '../../../src/adapters/redis/scripts.ts';
import { call, type CallFaults, Lane } from './calls.ts';
import { type RedisData, runCommand, runScript } from './redisScripts.ts';
import type { Actor, World } from './world.ts';

type Argument = string | number | Buffer;

const nodes = 3;

export class SimRedis {
  readonly world: World;
  readonly data: RedisData = new Map();
  readonly #clients = new Set<Client>();
  readonly #cluster: boolean;
  faults: CallFaults;
  latencyMs = 2;
  slowMs = 10;
  #away = false;

  constructor(world: World, faults: CallFaults, cluster: boolean) {
    this.world = world;
    this.faults = faults;
    this.#cluster = cluster;
  }

  get away(): boolean {
    return this.#away;
  }

  /** Connections break and cannot be made; or are made again, each a little later. */
  setAway(away: boolean): void {
    if (this.#away === away) return;
    this.#away = away;
    this.world.trace('redis', () => (away ? 'goes away' : 'is back'));
    for (const client of this.#clients) client.changed();
  }

  connect(actor: Actor, timeoutMs: number): RedisConnection {
    const client = new Client(this, actor, timeoutMs, this.#cluster);
    this.#clients.add(client);
    return client;
  }
}

class Client implements RedisConnection {
  readonly #redis: SimRedis;
  readonly #actor: Actor;
  readonly #timeoutMs: number;
  readonly #listeners = new Set<(ready: boolean) => void>();
  #lanes = lanes();
  readonly cluster: boolean;
  ready: boolean;

  constructor(redis: SimRedis, actor: Actor, timeoutMs: number, cluster: boolean) {
    this.#redis = redis;
    this.#actor = actor;
    this.#timeoutMs = timeoutMs;
    this.cluster = cluster;
    this.ready = !redis.away;
  }

  changed(): void {
    const { world } = this.#redis;
    const ready = !this.#redis.away;
    world.after(
      world.random.uniform(0, ready ? 500 : 5),
      () => {
        if (this.ready === ready || this.#redis.away === ready) return false;
        this.ready = ready;
        this.#lanes = lanes();
        this.#actor.run(() => {
          for (const listener of this.#listeners) listener(ready);
        });
        return true;
      },
      this.#actor,
    );
  }

  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const own = args.map((arg) => (Buffer.isBuffer(arg) ? Buffer.from(arg) : arg));
    const { world, data } = this.#redis;
    return this.#call(`redis script ${keys.join(',')}`, keys[0] ?? '', () =>
      runScript(script, data, keys, own, Math.floor(world.nowMs)),
    );
  }

  async runAll(
    script: Script,
    calls: readonly { readonly keys: readonly string[]; readonly args: readonly Argument[] }[],
    onReply: (reply: unknown, call: number) => void,
  ): Promise<void> {
    const replies = await Promise.all(calls.map(({ keys, args }) => this.run(script, keys, args)));
    replies.forEach(onReply);
  }

  call(command: string, args: readonly Argument[]): Promise<unknown> {
    const own = args.map((arg) => (Buffer.isBuffer(arg) ? Buffer.from(arg) : arg));
    const key = String(args[0] ?? '');
    return this.#call(`redis ${command} ${key}`, key, () => runCommand(this.#redis.data, command, own));
  }

  onChange(listener: (ready: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  whenReady(): Promise<boolean> {
    return Promise.resolve(this.ready);
  }

  close(): Promise<void> {
    this.#listeners.clear();
    return Promise.resolve();
  }

  async #call(what: string, key: string, effect: () => unknown): Promise<unknown> {
    const { faults, latencyMs, slowMs } = this.#redis;
    if (!this.ready) throw new RedisUnavailable('disconnected', 'simulated');
    const node = this.cluster ? (key.codePointAt(key.indexOf('{') + 1) ?? 0) % nodes : 0;
    try {
      return await call({
        actor: this.#actor,
        what,
        faults,
        latencyMs,
        slowMs,
        timeoutMs: this.#timeoutMs,
        lane: this.#lanes[node] ?? new Lane(),
        effect: () => {
          if (this.#redis.away) throw new RedisUnavailable('disconnected', 'simulated');
          return effect();
        },
        failure: (why) => new RedisUnavailable(why === 'timeout' ? 'timeout' : 'refused', 'simulated'),
      });
    } catch (error) {
      throw redisUnavailable(error);
    }
  }
}

const lanes = (): readonly Lane[] => Array.from({ length: nodes }, () => new Lane());

/** A connection on which every call happens at once and whole: for the suites that tell whether the scripts are as the real ones. */
export function plainConnection(data: RedisData): RedisConnection {
  const run = async (script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> =>
    runScript(script, data, keys, args, Date.now());
  return {
    cluster: false,
    ready: true,
    run,
    async runAll(script, calls, onReply) {
      for (const [i, { keys, args }] of calls.entries()) onReply(await run(script, keys, args), i);
    },
    call: async (command, args) => runCommand(data, command, args),
    onChange: () => () => {},
    whenReady: () => Promise.resolve(true),
    close: () => Promise.resolve(),
  };
}
