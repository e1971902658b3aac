import type { ClickHouseClient } from '@clickhouse/client';

/** Longest a read may run inside the engine, and the most memory it may take; both end it with an error, not the process. */
const querySecondsMax = 5;
const queryBytesMax = 512 * 1024 * 1024;
/** One thread a query: the embedded engine shares the machine with the deciding process. */
const queryThreadsMax = 1;

/** Appended to every SELECT. In the statement and not in the client's settings, which the embedded engine would keep as session state. */
const readSettings =
  ` SETTINGS max_execution_time = ${querySecondsMax}, max_memory_usage = ${queryBytesMax}, max_threads = ${queryThreadsMax},` +
  ' output_format_json_quote_64bit_integers = 0';

export type QueryParameters = Readonly<Record<string, string | number | readonly string[]>>;

/** Runs a SELECT; parameters are bound as `{name:Type}`, never written into the text. */
export async function select<Row>(
  client: ClickHouseClient,
  query: string,
  parameters: QueryParameters,
): Promise<Row[]> {
  const result = await client.query({
    query: query + readSettings,
    query_params: { ...parameters },
    format: 'JSONEachRow',
  });
  return await result.json<Row>();
}

/** Runs a statement that answers nothing. */
export async function run(client: ClickHouseClient, statement: string): Promise<void> {
  await client.command({ query: statement });
}

/** Quotes a column or table name; what is inside the backticks is data to ClickHouse, whatever it holds. */
export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}

/** A database name is written into statements, so it is a plain identifier or nothing. */
export function assertDatabaseName(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) throw new Error('a database name is a plain identifier');
  return name;
}
