/** The one way to Redis: options against the client's traps, scripts by their hash, errors without the command. */
import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import type { RedisConnectionSettings } from '../../config/redis.ts';
import { type RedisUnavailable, redisUnavailable } from './errors.ts';
import { createExchange } from './exchange.ts';
import type { Script } from './scripts.ts';

export interface RedisConnectionOptions extends RedisConnectionSettings {
  /** Longest wait for one reply, milliseconds. */
  readonly commandTimeoutMs?: number;
  /** Told of every loss of the connection and of what the client reports. */
  readonly onError?: (error: RedisUnavailable) => void;
}

const commandTimeoutMsDefault = 100;
/** A connection that is silent for so long with commands on it is given up. */
const socketTimeoutMs = 2000;
const connectTimeoutMs = 2000;
/** The client destroys a socket that its peer does not close after 2 s. */
const closeMs = 2500;
const reconnectMsMin = 50;
const reconnectMsMax = 1000;

type Argument = string | number | Buffer;

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
}

export interface RedisConnection {
  readonly cluster: boolean;
  /** Able to send now. */
  readonly ready: boolean;
  /** Runs a script; replies are Buffers. @throws RedisUnavailable always, and never an error of the client */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>;
  /** Runs a script several times, sent as one where that can be. Calls back for each reply, in order. @throws RedisUnavailable */
  runAll(script: Script, calls: readonly ScriptCall[], onReply: (reply: unknown, call: number) => void): Promise<void>;
  /** A plain command on one key; replies are Buffers. @throws RedisUnavailable */
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  /** Calls back whenever the connection is there (again) and whenever it is lost. @returns stops that */
  onChange(listener: (ready: boolean) => void): () => void;
  /** Resolves when it is able to send, at most so much later. */
  whenReady(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Every write is a script that is idempotent by payment id, so that a command whose reply was lost may be sent again
 * (once); nothing waits in a queue without a connection, and nothing waits longer than the command timeout.
 */
function clientOf(options: RedisConnectionOptions): Redis | Cluster {
  const reconnect = (times: number): number => Math.min(reconnectMsMax, reconnectMsMin * times);
  const { username, password, tlsCaFile } = options;
  const [first = ''] = options.urls;
  const tls =
    first.startsWith('rediss:') || tlsCaFile !== undefined
      ? { tls: tlsCaFile === undefined ? {} : { ca: readFileSync(tlsCaFile) } }
      : {};
  const common = {
    ...tls,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: true,
    socketTimeout: socketTimeoutMs,
    connectTimeout: connectTimeoutMs,
    showFriendlyErrorStack: false,
    disableClientInfo: true,
  };
  if (!options.cluster) return new Redis(first, { ...common, enableOfflineQueue: false, retryStrategy: reconnect });
  return new Cluster([...options.urls], {
    redisOptions: { ...common, commandTimeout: options.commandTimeoutMs ?? commandTimeoutMsDefault },
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnect,
  });
}

export function connectRedis(options: RedisConnectionOptions): RedisConnection {
  const client = clientOf(options);
  const listeners = new Set<(ready: boolean) => void>();
  const told = (ready: boolean) => (): void => {
    for (const listener of listeners) listener(ready);
  };
  client.on('ready', told(true));
  client.on('close', told(false));
  // A node that comes or goes may have lost what it had acknowledged.
  client.on('-node', told(false));
  client.on('error', (error: unknown) => options.onError?.(redisUnavailable(error)));

  const { commandTimeoutMs = commandTimeoutMsDefault } = options;
  const exchange = client instanceof Cluster ? undefined : createExchange(client, commandTimeoutMs);

  async function one(command: string, args: readonly Argument[]): Promise<unknown> {
    if (exchange === undefined) return client.callBuffer(command, ...args);
    const [result] = await exchange((send) => send(command, args));
    if (result?.error !== undefined) throw result.error;
    return result?.reply;
  }

  async function call(command: string, args: readonly Argument[]): Promise<unknown> {
    try {
      return await one(command, args);
    } catch (error) {
      throw redisUnavailable(error);
    }
  }

  async function run({ lua, sha }: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await one('EVALSHA', [sha, keys.length, ...keys, ...args]);
    } catch (error) {
      // The cache of scripts is lost on restart and failover.
      if (isNoScript(error)) return call('EVAL', [lua, keys.length, ...keys, ...args]);
      throw redisUnavailable(error);
    }
  }

  return {
    cluster: options.cluster,
    get ready() {
      return client.status === 'ready';
    },
    call,
    run,
    async runAll(script, calls, onReply) {
      // The keys of a pipeline must be on one node.
      if (exchange === undefined || calls.length === 1) {
        const replies = await Promise.all(calls.map(({ keys, args }) => run(script, keys, args)));
        replies.forEach(onReply);
        return;
      }
      const results = await exchange((send) => {
        for (const { keys, args } of calls) send('EVALSHA', [script.sha, keys.length, ...keys, ...args]);
      });
      let first: Error | undefined;
      for (const [i, { error, reply }] of results.entries()) {
        if (!isNoScript(error)) {
          if (error === undefined) onReply(reply, i);
          else first ??= error;
          continue;
        }
        const { keys, args } = calls[i] as ScriptCall;
        onReply(await call('EVAL', [script.lua, keys.length, ...keys, ...args]), i);
      }
      if (first !== undefined) throw redisUnavailable(first);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    whenReady(timeoutMs) {
      if (client.status === 'ready') return Promise.resolve(true);
      return new Promise((resolve) => {
        const settle = (ready: boolean): void => {
          client.off('ready', onReady);
          clearTimeout(timer);
          resolve(ready);
        };
        const onReady = (): void => settle(true);
        const timer = setTimeout(() => settle(client.status === 'ready'), timeoutMs);
        client.on('ready', onReady);
      });
    },
    async close() {
      listeners.clear();
      const connected = client.status === 'ready' || client.status === 'connect' || client.status === 'connecting';
      const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
      client.disconnect();
      // While it waits to connect again there is nothing that could end.
      if (connected) await Promise.race([ended, new Promise<void>((resolve) => setTimeout(resolve, closeMs).unref())]);
    },
  };
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
