import { readFileSync } from 'node:fs';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { assertDatabaseName } from './client.ts';

/** Where a ClickHouse server is and how to log in to it. */
export interface ServerOptions {
  /** http:// or https://; user, password and database may be in it, and give way to the fields of that name. */
  readonly url: string;
  readonly user?: string | undefined;
  /** A secret. */
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  /** PEM file of the authority that signed the server's certificate, where the system does not know it. */
  readonly caFile?: string | undefined;
  /** Silence of the server that ends a request, milliseconds; `requestMs` unless told. */
  readonly requestMs?: number;
}

/** Silence that ends a request. Above what the server may take for one of our blocks, below what a sink should stand still for. */
const requestMs = 30_000;
/** Reads run beside one insert; more than that waits here, not in the server. */
const socketsMax = 8;
/** An idle socket is closed by us before the server does it (3 s in old versions): a request on a dying socket is lost. */
const idleSocketMs = 2_500;

const defaultDatabase = 'holdfast';

export interface Server {
  readonly client: ClickHouseClient;
  /** Validated: a plain identifier. */
  readonly database: string;
}

const utf8AsHeader = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/**
 * A client of a ClickHouse server; nothing is sent yet.
 * @throws Error when the URL, the database's name or the CA file cannot be used; its text holds no secret.
 */
export function openServer(options: ServerOptions): Server {
  const url = URL.parse(options.url);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error('CLICKHOUSE_URL is not an http(s) address');
  const username = options.user ?? (decodeURIComponent(url.username) || 'default');
  const password = options.password ?? decodeURIComponent(url.password);
  const database = assertDatabaseName(options.database ?? (url.pathname.slice(1) || defaultDatabase));
  // With an authority of its own the client sends the login as plain headers, whose characters are bytes.
  const loginText = options.caFile === undefined ? (text: string): string => text : utf8AsHeader;
  const client = createClient({
    url: url.origin,
    username: loginText(username),
    password: loginText(password),
    // The client's own database stays `default`: ours may not exist yet, and every name in our SQL is a full one.
    application: 'holdfast',
    request_timeout: options.requestMs ?? requestMs,
    max_open_connections: socketsMax,
    keep_alive: { enabled: true, idle_socket_ttl: idleSocketMs, eagerly_destroy_stale_sockets: true },
    compression: { request: true, response: true },
    // Parameters hold personal data (customer ids), and URLs end in the access logs of servers and proxies.
    use_multipart_params: true,
    // The status of an answer comes after the work: an error half way is an error, not a cut-off success.
    clickhouse_settings: { wait_end_of_query: 1 },
    // The client would log error texts of the server, which quote rows.
    log: { level: ClickHouseLogLevel.OFF },
    ...(options.caFile === undefined ? {} : { tls: { ca_cert: readFileSync(options.caFile) } }),
  });
  return { client, database };
}
