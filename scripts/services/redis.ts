/** A real Redis in a temporary directory, on a free port, without persistence. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts, serviceDirectory, start, untilAnswers } from './processes.ts';

const startMsMax = 20_000;
const attemptMsMax = 1_000;
const startsMax = 3;

export interface RedisServer {
  readonly url: string;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

/** @param settings more of redis-server's settings, as `{ maxmemory: '10mb' }` */
export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(settings);
    } catch (error) {
      if (attempt === startsMax) throw error;
    }
  }
}

async function startOnce(settings: Readonly<Record<string, string>>): Promise<RedisServer> {
  const directory = serviceDirectory('redis');
  const [port = 0] = await freePorts(1);
  const all = { port: String(port), bind: '127.0.0.1', dir: directory, save: '', appendonly: 'no', ...settings };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const logFile = join(directory, 'redis.log');
  const running = start('redis-server', args, logFile);
  const remove = async (): Promise<void> => {
    await running.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilAnswers('Redis', running, logFile, startMsMax, () => ping(port));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: running.pid,
    signal: (name) => running.signal(name),
    stop: remove,
  };
}

async function ping(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', timeout: attemptMsMax });
  try {
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(attemptMsMax) })) as [Buffer];
    if (!answer.toString().startsWith('+PONG')) throw new Error('Redis is not ready');
  } finally {
    socket.destroy();
  }
}
