/**
 * One Kafka and one Redis for a whole run of the tests, started when the first test file asks. This runs in vitest's main process,
 * which outlives the workers: they ask it over a socket. When it dies, however, the services die with it (scripts/services/keeper.ts).
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceName } from '../../../scripts/services/install.ts';
import { serviceNames } from '../../../scripts/services/install.ts';
import type { KeptServices } from '../../../scripts/services/keep.ts';
import { keepServices } from '../../../scripts/services/keep.ts';

/** The workers inherit it: where to ask for services. */
export const socketVariable = 'TEST_SERVICES_SOCKET';

export default async function setup(): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-services-'));
  const path = join(directory, 'socket');
  const started = new Map<ServiceName, Promise<KeptServices>>();

  async function answer(words: string): Promise<string> {
    const name = serviceNames.find((known) => known === words);
    if (name === undefined) return JSON.stringify({ failure: `there is no service ${words}` });
    let service = started.get(name);
    if (service === undefined) started.set(name, (service = keepServices([name])));
    return service.then(
      ({ environment }) => JSON.stringify({ environment }),
      (error: unknown) => JSON.stringify({ failure: error instanceof Error ? error.message : String(error) }),
    );
  }

  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => void answer(data.toString()).then((text) => socket.end(text)));
  });
  server.listen(path);
  await once(server, 'listening');
  process.env[socketVariable] = path;
  return async () => {
    server.close();
    await Promise.allSettled([...started.values()].map(async (service) => (await service).stop()));
    rmSync(directory, { recursive: true, force: true });
  };
}
