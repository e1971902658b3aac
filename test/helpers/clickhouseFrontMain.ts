/** The process behind clickhouseFront.ts: an HTTP server over the embedded engine that answers as a ClickHouse server does. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Session } from 'chdb';
import type { Fault, FromFront, FrontSettings, SeenRequest, ToFront } from './clickhouseFront.ts';

/** The server's own limits on what comes in form fields and in the address (`http_max_field_value_size`, `http_max_uri_size`). */
const fieldBytesMax = 128 * 1024;
const addressBytesMax = 1024 * 1024;
/** The server's default, seconds. */
const keepAliveSeconds = 10;
/** Settings of the HTTP layer, which the engine does not know. */
const httpSettings = new Set(['wait_end_of_query', 'enable_http_compression', 'send_progress_in_http_headers']);
const ownParameters = new Set(['query', 'query_id', 'database', 'default_format', 'session_id', 'role']);
const statusOf: Readonly<Record<number, number>> = { 516: 403, 497: 403, 60: 404, 81: 404, 62: 400, 27: 400, 130: 400 };

interface Answer {
  readonly status: number;
  readonly code?: number;
  readonly body: Buffer;
}

interface Statement {
  readonly sql: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly data: Buffer;
}

const options = JSON.parse(process.argv[2] ?? '{}') as FrontSettings;
const session = new Session(options.directory);
let faults: Fault[] = [];
let seen: SeenRequest[] = [];
/** The engine keeps parameters as session state, so statements run one at a time. */
let queue: Promise<unknown> = Promise.resolve();

const failed = (code: number, text: string): Answer => ({
  status: statusOf[code] ?? 500,
  code,
  body: Buffer.from(`Code: ${code}. DB::Exception: ${text}\n`),
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

/** The fields of a form; nothing but names and values, as the client sends them. */
function fieldsOf(form: string, boundary: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of form.split(`--${boundary}\r\n`).slice(1)) {
    const end = part.indexOf('\r\n\r\n');
    const name = /name="([^"]+)"/.exec(part.slice(0, end))?.[1] ?? '';
    const value = part.slice(end + 4).replace(`--${boundary}--\r\n`, '');
    fields.set(name, value.replace(/\r\n$/, ''));
  }
  return fields;
}

/** The statement with its parameters, from the address, from form fields, or with the statement as the whole body. */
function statementOf(request: IncomingMessage, address: URL, body: Buffer): Statement {
  const parameters = new Map<string, string>();
  const take = (name: string, value: string): void => {
    if (Buffer.byteLength(value) > fieldBytesMax) throw new RangeError('Field value too long');
    if (name.startsWith('param_')) parameters.set(name, value);
  };
  for (const [name, value] of address.searchParams) take(name, value);
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary !== undefined) {
    const fields = fieldsOf(body.toString(), boundary);
    for (const [name, value] of fields) take(name, value);
    return { sql: fields.get('query') ?? '', parameters, data: Buffer.alloc(0) };
  }
  const inAddress = address.searchParams.get('query');
  if (inAddress !== null) return { sql: inAddress, parameters, data: body };
  return { sql: body.toString(), parameters, data: Buffer.alloc(0) };
}

const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

async function execute(statement: Statement): Promise<Answer> {
  const settings = [...statement.parameters].map(([name, value]) => `SET ${name} = ${literal(value)}; `).join('');
  const data = statement.data.length === 0 ? '' : `\n${statement.data.toString()}`;
  try {
    const result = await session.queryAsync(`${settings}${statement.sql}${data}`, { format: 'TabSeparated' });
    return { status: 200, body: Buffer.from(result.bytes()) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const code = Number(/Code: (\d+)/.exec(text)?.[1] ?? 1001);
    return { status: statusOf[code] ?? 500, code, body: Buffer.from(`${text}\n`) };
  }
}

function refusalOf(request: IncomingMessage, address: URL): Answer | undefined {
  const expected = `Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`;
  const plain = ['x-clickhouse-user', 'x-clickhouse-key'].map((name) =>
    Buffer.from(String(request.headers[name] ?? ''), 'latin1').toString(),
  );
  const known = plain[0] === options.user && plain[1] === options.password;
  if (!known && request.headers.authorization !== expected) {
    return failed(516, 'Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)');
  }
  if ((request.url?.length ?? 0) > addressBytesMax) return failed(1000, 'URI too long. (POCO_EXCEPTION)');
  for (const name of address.searchParams.keys()) {
    if (ownParameters.has(name) || httpSettings.has(name) || name.startsWith('param_')) continue;
    return failed(115, `Setting ${name} is neither a builtin setting nor started with the prefix. (UNKNOWN_SETTING)`);
  }
  return undefined;
}

function takeFault(sql: string): Fault | undefined {
  const index = faults.findIndex((fault) => fault.times > 0 && sql.includes(fault.match ?? ''));
  const fault = faults[index];
  if (fault !== undefined) faults = faults.with(index, { ...fault, times: fault.times - 1 });
  return fault;
}

function note(statement: Statement, request: IncomingMessage, fault: Fault | undefined): void {
  seen.push({
    statement: statement.sql.trim().slice(0, 200),
    url: request.url ?? '',
    token: /insert_deduplication_token = '([^']*)'/.exec(statement.sql)?.[1],
    bodySha256: createHash('sha256').update(statement.sql).update(statement.data).digest('hex'),
    fault: fault?.kind,
  });
}

function write(response: ServerResponse, answer: Answer, gzip: boolean): void {
  const headers: Record<string, string> = { 'Content-Type': 'text/plain; charset=UTF-8' };
  if (answer.code !== undefined) headers['X-ClickHouse-Exception-Code'] = String(answer.code);
  else headers['X-ClickHouse-Summary'] = '{"read_rows":"0","written_rows":"0"}';
  if (gzip) headers['Content-Encoding'] = 'gzip';
  response.writeHead(answer.status, headers).end(gzip ? gzipSync(answer.body) : answer.body);
}

const reset = (response: ServerResponse): void => {
  response.socket?.resetAndDestroy();
};

/** What happens on the way, before and after the work. `run` does the work. */
async function answerUnder(
  fault: Fault | undefined,
  response: ServerResponse,
  run: () => Promise<Answer>,
  send: (answer: Answer) => void,
): Promise<void> {
  const away: Answer = { status: fault?.status ?? 503, body: Buffer.from('<html>upstream is away</html>') };
  const kind = fault?.kind;
  if (kind === 'hang') return;
  if (kind === 'resetBefore') reset(response);
  else if (kind === 'status') send(away);
  else {
    if (kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault?.ms ?? 0));
    const answer = await run();
    if (kind === 'resetAfter') reset(response);
    else if (kind === 'statusAfter') send(away);
    else if (kind === 'brokenBody') breakOff(response, answer.body);
    else if (kind !== 'hangAfter') send(answer);
  }
}

/** Half of the body in a chunk, or a chunk that says it has more, and then nothing. */
function breakOff(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' });
  const half = body.length === 0 ? Buffer.from(' ') : body.subarray(0, Math.ceil(body.length / 2));
  response.write(half, () => reset(response));
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const address = new URL(request.url ?? '/', 'http://front');
  response.setHeader('Keep-Alive', `timeout=${keepAliveSeconds}`);
  if (address.pathname === '/ping') {
    response.end('Ok.\n');
    return;
  }
  const body = await bodyOf(request);
  const gzip =
    address.searchParams.get('enable_http_compression') === '1' &&
    /\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '');
  const send = (answer: Answer): void => write(response, answer, gzip);
  const refusal = refusalOf(request, address);
  if (refusal !== undefined) {
    send(refusal);
    return;
  }
  const statement = statementOf(request, address, body);
  const fault = takeFault(statement.sql);
  note(statement, request, fault);
  await answerUnder(
    fault,
    response,
    () => {
      const running = queue.then(() => execute(statement));
      queue = running;
      return running;
    },
    send,
  );
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  handle(request, response).catch((error: unknown) => {
    // The client went away in the middle of its request, or sent what no server takes.
    if (response.socket?.destroyed !== false || response.headersSent) return;
    write(response, failed(1000, error instanceof Error ? error.message : 'unknown'), false);
  });
}

const keeping = { keepAliveTimeout: keepAliveSeconds * 1_000 };
const server =
  options.tls === undefined
    ? createServer(keeping, onRequest)
    : createTlsServer({ ...keeping, ...options.tls }, onRequest);

function stop(): void {
  server.close();
  server.closeAllConnections();
  void queue.finally(() => {
    session.close();
    process.exit(0);
  });
}

function tell(message: FromFront): void {
  process.send?.(message);
}
process.on('message', (message: ToFront) => {
  if (message.type === 'close') {
    stop();
    return;
  }
  if (message.type === 'faults') faults = [...message.faults];
  tell({ type: 'reply', id: message.id, seen });
  if (message.type === 'seen') seen = [];
});
process.on('disconnect', stop);
server.listen(options.port, '127.0.0.1', () => {
  tell({ type: 'listening', port: (server.address() as AddressInfo).port });
});
