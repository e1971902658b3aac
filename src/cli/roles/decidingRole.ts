/** The command of a role that decides payments: a release, the pipeline over Redis and Kafka, and what the role adds to it. */
import { join } from 'node:path';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { releaseNamed } from '../releaseNamed.ts';
import type { DeciderWaits } from './composeDecider.ts';
import { type Decider, openDecider } from './decider.ts';
import { loadRoleEnvironment, type RoleEnvironment } from './environment.ts';
import { defaultRelease, roleLogger, runRole } from './run.ts';

interface DecidingRole {
  readonly role: 'serve' | 'stream';
  readonly waits: DeciderWaits;
  readonly start: (starting: Starting) => Promise<void>;
}

export interface Starting {
  readonly environment: RoleEnvironment<'kafka' | 'redis'>;
  readonly decider: Decider;
  readonly logger: Logger;
  /** For what the role opens itself; the decider is on it. */
  readonly opened: AsyncDisposableStack;
}

export function decidingCommand({ role, waits, start }: DecidingRole): Command {
  return new Command(role)
    .option('--release <id or directory>', 'the release to decide with', defaultRelease)
    .action(async ({ release }: { readonly release: string }) => {
      const environment = loadRoleEnvironment(role, ['kafka', 'redis']);
      const logger = roleLogger(environment);
      await runRole(logger, async (opened) => {
        // A command that made the release put it into the directory that the roles' own are in.
        const bundle = await releaseNamed(release, environment.dataDir, join(environment.dataDir, '..'));
        const decider = await openDecider({ environment, bundle, logger, ...waits });
        opened.defer(() => decider.close());
        await start({ environment, decider, logger, opened });
      });
    });
}
