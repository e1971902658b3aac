/** How every role starts, fails and stops. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { pino } from 'pino';
import { DataDirectoryInUse } from '../../adapters/sqlite/open.ts';
import type { Environment } from '../../config/env.ts';
import { exitCodes, failed, unreachable, wrongUsage } from '../../config/exit.ts';
import { LogUnavailable } from '../../pipeline/logErrors.ts';
import type { ReleaseBundle } from '../../releases/bundle.ts';
import { readReleaseDirectory, ReleaseStore } from '../../releases/store.ts';

export const defaultRelease = resolve(import.meta.dirname, '../../../config/default');
/** A stop that takes longer is cut off; everything answered is durable all the same. */
const stopMsMax = 20_000;

export function roleLogger({ logLevel }: Environment): Logger {
  return pino({ level: logLevel }, pino.destination(2));
}

/** @param name a directory, or the id of a release that is in the data directory */
export async function bundleOf(name: string, dataDirectory: string): Promise<ReleaseBundle> {
  if (existsSync(resolve(name))) return readReleaseDirectory(resolve(name));
  return new ReleaseStore(dataDirectory).read(name).bundle;
}

/** Sentences instead of stack traces for what a user can cause. */
export function startFailure(error: unknown): unknown {
  if (error instanceof DataDirectoryInUse) return failed(error.message);
  if (error instanceof LogUnavailable) return unreachable(error.message);
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return wrongUsage('The port is in use: stop the other program, or set HOLDFAST_PORT to a free one (0 takes any).');
  }
  return error;
}

/** Stops on SIGTERM and SIGINT, and exits 1 after an error that nothing handled. */
export function stopGracefully(logger: Logger, stop: () => Promise<void>): void {
  closeWithGrace({ delay: stopMsMax, logger: false }, async ({ err }) => {
    if (err !== undefined) logger.fatal({ err }, 'stopping after an error that nothing handled');
    await stop();
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

/** Starts on top of something opened before; when that fails, what was opened is closed again, and the process can end. */
export async function startOn<T extends { close(): Promise<void> }>(
  opened: T,
  start: (opened: T) => Promise<void>,
): Promise<void> {
  try {
    await start(opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}
