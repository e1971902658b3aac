/** How every role starts, fails and stops. */
import { resolve } from 'node:path';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { pino } from 'pino';
import { DataDirectoryInUse, SchemaTooNew } from '../../adapters/sqlite/open.ts';
import type { Environment } from '../../config/env.ts';
import { exitCodes, failed, unreachable, wrongUsage } from '../../config/exit.ts';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import { releaseFailure } from '../releaseNamed.ts';

export const defaultRelease = resolve(import.meta.dirname, '../../../config/default');
/** A stop that takes longer is cut off; everything answered is durable all the same. */
const stopMsMax = 20_000;

export function roleLogger({ logLevel }: Environment): Logger {
  return pino({ level: logLevel }, pino.destination(2));
}

/** Sentences instead of stack traces for what a user can cause. */
function startFailure(error: unknown): unknown {
  if (error instanceof DataDirectoryInUse || error instanceof SchemaTooNew) return failed(error.message);
  if (error instanceof LogUnavailable) return unreachable(error.message);
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return wrongUsage('The port is in use: stop the other program, or set HOLDFAST_PORT to a free one (0 takes any).');
  }
  return releaseFailure(error);
}

/**
 * Starts a role and stops it on SIGTERM and SIGINT; after an error that nothing handled it exits 1.
 * @param start puts what it opens on the stack: it is closed, the last first, when the role stops, and when its start fails
 */
export async function runRole(logger: Logger, start: (opened: AsyncDisposableStack) => Promise<void>): Promise<void> {
  const opened = new AsyncDisposableStack();
  try {
    await start(opened);
  } catch (error) {
    await opened.disposeAsync();
    throw startFailure(error);
  }
  closeWithGrace({ delay: stopMsMax, logger: false }, async ({ err }) => {
    if (err !== undefined) logger.fatal({ err }, 'stopping after an error that nothing handled');
    await opened.disposeAsync();
  });
}

/** For what only a new process can mend: the supervisor sees exit code 1. */
export function endFor(logger: Logger, what: string): (error: unknown) => void {
  return (error) => {
    logger.fatal({ err: error }, what);
    process.exitCode = exitCodes.failed;
    process.kill(process.pid, 'SIGTERM');
  };
}
