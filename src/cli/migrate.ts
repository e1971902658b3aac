/** `holdfast migrate`: brings the analytics tables to the newest schema, on the server or in the embedded engine. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { Command } from 'commander';
import { describeError } from '../adapters/clickhouse/childProtocol.ts';
import { storeFailure } from '../adapters/clickhouse/failures.ts';
import { migrateDatabase, planMigrations } from '../adapters/clickhouse/migrate.ts';
import { openServer } from '../adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../adapters/clickhouse/store.ts';
import { type Environment, loadEnvironment } from '../config/env.ts';
import { type CommandError, failed, unreachable } from '../config/exit.ts';

interface Target {
  readonly client: ClickHouseClient;
  readonly database: string;
  readonly place: 'embedded' | 'server';
}

async function openTarget({ clickhouse, dataDir }: Environment): Promise<Target> {
  if (clickhouse !== undefined) return { ...openServer(clickhouse), place: 'server' };
  const path = join(dataDir, 'analytics');
  mkdirSync(path, { recursive: true });
  const { openChdb } = await import('../adapters/clickhouse/chdb.ts');
  return { client: openChdb(path), database: 'holdfast', place: 'embedded' };
}

function sentenceOf(error: unknown): CommandError {
  const failure = storeFailure(error);
  const text = describeError(failure);
  if (/CANNOT_OPEN_FILE/.test(text) || (error instanceof Error && /Cannot lock file/.test(error.message))) {
    return failed(
      'a running Holdfast has the analytics tables open; it brought them to its newest schema when it started',
    );
  }
  const refused = failure instanceof Error && failure.name === 'AnalyticsRefused';
  return refused ? failed(text) : unreachable(`the analytics store cannot be reached: ${text}`);
}

interface Report {
  readonly place: Target['place'];
  readonly database: string;
  readonly from: number;
  readonly pending: readonly { readonly version: number; readonly name: string }[];
  readonly applied: readonly number[];
}

async function migrate(environment: Environment, dryRun: boolean): Promise<Report> {
  let target: Target | undefined;
  try {
    target = await openTarget(environment);
    const { client, database, place } = target;
    const plan = await planMigrations(client, database);
    const pending = plan.pending.map(({ version, name }) => ({ version, name }));
    const report = { place, database, from: plan.current, pending, applied: [] };
    if (dryRun) return report;
    const applied = await migrateDatabase(client, database);
    // Settings and expiry follow the configuration, also where no migration was due.
    await createClickHouseStore(client, { database, place, retention: environment.retention }).migrate();
    return { ...report, applied };
  } catch (error) {
    throw sentenceOf(error);
  } finally {
    await target?.client.close();
  }
}

function printReport({ place, database, from, pending, applied }: Report, dryRun: boolean): void {
  const where = place === 'server' ? `database ${database} on the server` : 'the embedded engine';
  if (pending.length === 0) process.stdout.write(`${where}: schema ${from} is the newest, nothing to do\n`);
  for (const { version, name } of pending) {
    const what = dryRun ? 'would apply' : applied.includes(version) ? 'applied' : 'applied by another';
    process.stdout.write(`${where}: ${what} ${version}, ${name}\n`);
  }
}

export function migrateCommand(): Command {
  return new Command('migrate')
    .option('--dry-run', 'say what would be done and do nothing', false)
    .option('--json', 'print the outcome as one JSON document', false)
    .action(async ({ dryRun, json }: { dryRun: boolean; json: boolean }) => {
      const report = await migrate(loadEnvironment(), dryRun);
      if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else printReport(report, dryRun);
    });
}
