/** The embedded engine in a test file's own process, with a database of its own whenever one is asked for. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll } from 'vitest';
import { openChdb } from '../../src/adapters/clickhouse/chdb.ts';
import { type ClickHouseStore, createClickHouseStore } from '../../src/adapters/clickhouse/store.ts';

export interface ChdbStore {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly store: ClickHouseStore;
  /** For files that belong to it. */
  readonly directory: string;
}

/** Opens the engine for the tests of this file. @returns a function that makes an empty database, migrated, and hands it to `use` */
export function useChdb(use: (fresh: ChdbStore) => void): () => Promise<void> {
  let directory: string;
  let client: ClickHouseClient;
  let databases = 0;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-chdb-'));
    client = openChdb(join(directory, 'engine'));
  });
  afterAll(async () => {
    await client.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return async () => {
    const database = `holdfast_test_${++databases}`;
    const store = createClickHouseStore(client, { database });
    await store.migrate();
    const files = join(directory, `files-${databases}`);
    mkdirSync(files);
    use({ client, database, store, directory: files });
  };
}
