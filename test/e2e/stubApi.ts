/**
 * The console's files and an API whose answers a test decides, over real HTTP with the strict content security policy that
 * the page must live with. For states that a healthy system does not show; `up.test.ts` opens the page of the real one.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve } from 'node:path';

const consoleDirectory = resolve(import.meta.dirname, '../../dashboards/console');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'";

export const stubKey = 'test-key-1';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}
export type Responder = (url: URL, body: string) => Answer;

export interface StubApi {
  readonly origin: string;
  /** Answers of `/v1/…` and `/readyz`; tests replace them. */
  respond: Responder;
  readonly requests: string[];
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const name = path === '/' ? 'index.html' : path.slice(1);
  if (!/^[a-z]+\.[a-z]+$/.test(name)) {
    response.writeHead(404).end();
    return;
  }
  const bytes = await readFile(join(consoleDirectory, name)).catch(() => undefined);
  const headers = {
    'content-type': types[extname(name)] ?? 'text/plain',
    'content-security-policy': contentSecurityPolicy,
  };
  if (bytes === undefined) response.writeHead(404).end();
  else response.writeHead(200, headers).end(bytes);
}

const problem = (status: number, title: string): Answer => ({ status, body: { title, status, code: 'test' } });

async function handle(api: StubApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', api.origin);
  const dynamic = url.pathname.startsWith('/v1/') || url.pathname === '/readyz';
  if (!dynamic) return sendFile(url.pathname, response);
  const body = await bodyOf(request);
  api.requests.push(`${request.method ?? ''} ${url.pathname}${url.search}`);
  const allowed = url.pathname === '/readyz' || request.headers.authorization === `Bearer ${stubKey}`;
  const answer = allowed ? api.respond(url, body) : problem(401, 'The API key is not known');
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
}

export async function startStubApi(respond: Responder): Promise<StubApi> {
  const server: Server = createServer((request, response) => {
    handle(api, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const api: StubApi = {
    origin: `http://127.0.0.1:${port}`,
    respond,
    requests: [],
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return api;
}
