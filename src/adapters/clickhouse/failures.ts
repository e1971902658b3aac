/** What an error of the client means: the store is away (the same again may work), or it refuses (it will not). */
import { AnalyticsRefused, AnalyticsUnavailable, InvalidCursor } from '../../pipeline/analyticsErrors.ts';

/**
 * ClickHouse's codes for what no retry mends: columns, types, syntax, tables and databases that are not there, settings,
 * rights, logins. Every other code (time, memory, parts, disk, network, keeper) may pass.
 */
const permanentCodes: ReadonlySet<string> = new Set(
  [10, 16, 20, 36, 43, 44, 46, 47, 48, 50, 53, 57, 60, 62, 81, 115, 164, 192, 193, 194, 497, 516].map(String),
);
/** The connection was lost with the request on its way; nothing is known of the outcome. */
const lostConnectionCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** A connection that broke under a request: an idle socket the server was just closing, or a restart. */
export function isLostConnection(error: unknown): boolean {
  return lostConnectionCodes.has(codeOf(error) ?? '');
}

/** The port's error for whatever the client threw; the caller's own mistakes and the port's errors stay what they are. */
export function storeFailure(error: unknown): unknown {
  if (error instanceof InvalidCursor || error instanceof RangeError) return error;
  if (error instanceof AnalyticsRefused || error instanceof AnalyticsUnavailable) return error;
  // Texts of the engine quote rows, so they stay in the cause; `describeError` tells type and code.
  if (permanentCodes.has(codeOf(error) ?? '')) {
    return new AnalyticsRefused('the analytics store refuses', { cause: error });
  }
  return new AnalyticsUnavailable('the analytics store could not answer', { cause: error });
}
