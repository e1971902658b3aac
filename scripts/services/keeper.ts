/**
 * A process that keeps services running for its parent: starts those named on its command line, tells the parent their
 * environment, and stops them when the parent says so, is gone (however it died), or a signal comes.
 */
import type { ServiceName } from './install.ts';
import { startKafka } from './kafka.ts';
import { startRedis } from './redis.ts';

export type ServiceEnvironment = Readonly<Record<string, string>>;
export type KeeperMessage = { readonly environment: ServiceEnvironment } | { readonly failure: string };

interface Kept {
  readonly environment: ServiceEnvironment;
  stop(): Promise<void>;
}

const starters: Readonly<Record<ServiceName, () => Promise<Kept>>> = {
  async kafka() {
    const server = await startKafka();
    return { environment: { KAFKA_BROKERS: server.brokers }, stop: () => server.stop() };
  },
  async redis() {
    const server = await startRedis();
    return { environment: { REDIS_URL: server.url }, stop: () => server.stop() };
  },
};

const kept: Promise<Kept>[] = (process.argv.slice(2) as ServiceName[]).map((name) => starters[name]());
let stopping = false;

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await Promise.allSettled(kept.map(async (service) => (await service).stop()));
  process.exit(0);
}

process.on('disconnect', () => void stop());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

const tell = (message: KeeperMessage): void => void process.send?.(message);
try {
  const services = await Promise.all(kept);
  tell({ environment: Object.assign({}, ...services.map(({ environment }) => environment)) as ServiceEnvironment });
} catch (error) {
  tell({ failure: error instanceof Error ? error.message : String(error) });
  await stop();
}
