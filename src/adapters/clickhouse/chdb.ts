import { type ClickHouseClient, type ClickHouseClientConfigOptions, createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';

/**
 * Opens the embedded ClickHouse on a directory. Only in the main thread of a process of its own: the engine ends the
 * process when it is loaded in a worker thread, and takes one directory a process. Importing this file loads the engine
 * (300 MB), so whoever may not need it imports it late.
 */
export function openChdb(path: string): ClickHouseClient {
  const options: ClickHouseClientConfigOptions = {};
  // Assigned, not written in the literal: chdb has the client's types from the package's other copy of them.
  return createClient(Object.assign(options, { connection: createChdbConnection({ path }) }));
}
