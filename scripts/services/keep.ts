/** The parent's side of keeper.ts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { ServiceName } from './install.ts';
import type { KeeperMessage, ServiceEnvironment } from './keeper.ts';

export interface KeptServices {
  readonly environment: ServiceEnvironment;
  /** Resolves when they have ended; also when they ended by themselves. */
  stop(): Promise<void>;
}

/** Starts the services in a process of their own, which ends them when this one is gone. @throws Error when one does not start */
export async function keepServices(services: readonly ServiceName[]): Promise<KeptServices> {
  const keeper = fork(resolve(import.meta.dirname, 'keeper.ts'), services, {
    // Out of the terminal's reach: a Ctrl-C is for this process, which stops the services in its turn.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const exit = once(keeper, 'exit');
  const [message] = (await Promise.race([once(keeper, 'message'), exit.then(() => [undefined])])) as [
    KeeperMessage | undefined,
  ];
  if (message === undefined || 'failure' in message) {
    throw new Error(message?.failure ?? 'the services ended before they were up');
  }
  return {
    environment: message.environment,
    async stop() {
      if (keeper.connected) keeper.disconnect();
      await exit;
    },
  };
}
