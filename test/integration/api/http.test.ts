/** The API over real HTTP, in front of the real pipeline and journal. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApi } from '../../../src/api/app.ts';
import { createApiKeyVerifier, hashApiKey } from '../../../src/api/keys.ts';
import { type ApiServer, startApi } from '../../helpers/apiServer.ts';

const key = 'hf_integration';
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };

let server: ApiServer;
let url: string;

beforeAll(async () => {
  server = await startApi(key);
  ({ url } = server);
});
afterAll(() => server.close());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') === true;
  const body = json ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, body };
}

const get = async (path: string): Promise<Answer> => answerOf(await fetch(url + path, { headers }));
const post = async (path: string, body: unknown, more: Record<string, string> = {}): Promise<Answer> =>
  answerOf(
    await fetch(url + path, {
      method: 'POST',
      headers: { ...headers, 'holdfast-deadline-ms': '5000', ...more },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  );

function payment(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    paymentId: 'http-1',
    occurredAt: '2026-01-05T12:00:00.000Z',
    amountMinor: 1999,
    currency: 'EUR',
    customerId: 'customer-1',
    ...changes,
  };
}

/** What a raw connection answers to the bytes, until it is closed from there. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('the API over HTTP', () => {
  test('decides once: the same payment again, also spelled otherwise, gives the same bytes; another content conflicts', async () => {
    const first = await post('/v1/decisions', payment());
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ paymentId: 'http-1', tenantId: 'default', mode: 'live', degraded: [] });
    const spelled = `{ "customerId": "customer-\\u0031", "currency": "EUR", "amountMinor": 1999,
      "occurredAt": "2026-01-05T13:00:00+01:00", "paymentId": "http-1" }`;
    for (const body of [payment(), spelled]) {
      const again = await post('/v1/decisions', body);
      expect([again.status, again.text, again.headers.get('idempotent-replay')]).toEqual([200, first.text, 'true']);
    }
    const other = await post('/v1/decisions', payment({ amountMinor: 2000 }));
    expect([other.status, other.body['code']]).toEqual([409, 'payment_conflict']);
    expect(other.headers.get('content-type')).toContain('application/problem+json');
  });

  test('a refused payment changes no state: the next one of the customer counts itself alone', async () => {
    const customerId = 'refused-first';
    for (const changes of [{ amountMinor: -1 }, { foo: 1 }, { cardId: '4111111111111111' }]) {
      expect((await post('/v1/decisions', payment({ paymentId: 'refused', customerId, ...changes }))).status).toBe(422);
    }
    expect((await get('/v1/decisions/refused')).status).toBe(404);
    await post('/v1/decisions', payment({ paymentId: 'refused', customerId }));
    const recorded = await get('/v1/decisions/refused');
    expect(recorded.body['features']).toMatchObject({ 'customer.count.24h': { value: 1 } });
    expect(recorded.body['payment']).toMatchObject({ customerId });
  });

  test('payments of one customer at the same moment, in one batch, see the counts 1 to 24 in order', async () => {
    const items = Array.from({ length: 24 }, (_, i) => payment({ paymentId: `burst-${i}`, customerId: 'burst' }));
    const answer = await post('/v1/decisions/batch', [...items, items[0], { paymentId: 'bad' }]);
    const results = answer.body['results'] as Record<string, unknown>[];
    expect(results.map((result) => result['status'])).toEqual([...items.map(() => 200), 200, 422]);
    expect(results[24]).toMatchObject({ idempotentReplay: true, decision: results[0]?.['decision'] });
    for (const [i] of items.entries()) {
      const recorded = await get(`/v1/decisions/burst-${i}`);
      expect(recorded.body['features']).toMatchObject({ 'customer.count.24h': { value: i + 1 } });
    }
  });

  test('many connections at once sending the same payment get one decision', async () => {
    const body = payment({ paymentId: 'race', customerId: 'race' });
    const answers = await Promise.all(Array.from({ length: 40 }, () => post('/v1/decisions', body)));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.text}`)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotent-replay') === null)).toHaveLength(1);
    expect((await get('/v1/decisions/race')).body['features']).toMatchObject({ 'customer.count.24h': { value: 1 } });
  });

  test('a label is recorded once and read back with the decision', async () => {
    await post('/v1/decisions', payment({ paymentId: 'labelled' }));
    const label = { paymentId: 'labelled', label: 'fraud', source: 'chargeback', labelledAt: '2026-02-01T00:00:00Z' };
    expect((await post('/v1/labels', label)).body['recorded']).toBe(true);
    expect((await post('/v1/labels', label)).headers.get('idempotent-replay')).toBe('true');
    expect((await get('/v1/decisions/labelled')).body['labels']).toEqual([
      { ...label, labelledAt: '2026-02-01T00:00:00.000Z' },
    ]);
    expect((await post('/v1/labels', { ...label, paymentId: 'never' })).body['code']).toBe('payment_unknown');
  });

  test('lists say that the analytics store is away when it is; decisions go on', async () => {
    await server.system.analytics.close();
    const list = await get('/v1/decisions');
    expect([list.status, list.body['code']]).toEqual([503, 'analytics_unavailable']);
    expect(list.headers.get('retry-after')).not.toBeNull();
    expect((await post('/v1/decisions', payment({ paymentId: 'meanwhile' }))).status).toBe(200);
    expect((await get('/readyz')).body['ready']).toBe(true);
    expect((await get('/metrics')).text).toMatch(/^holdfast_decisions_total\{action="\w+"\} [1-9]/m);
  });

  test('bytes that are no HTTP request, and headers without end, get a problem and a closed connection', async () => {
    const garbage = await raw('\u0000garbage\r\n\r\n');
    expect(garbage).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(garbage).toContain('"code":"bad_request"');
    const endless = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(endless).toMatch(/^HTTP\/1\.1 431 /);
    expect(endless).toContain('"code":"headers_too_large"');
  });

  test('serves the console and the docs as pages that load nothing from elsewhere', async () => {
    for (const path of ['/', '/docs']) {
      const page = await get(path);
      expect(page.headers.get('content-type')).toContain('text/html');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(page.text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    }
    expect((await get('/app.js')).headers.get('content-type')).toContain('javascript');
    expect((await get('/../package.json')).status).toBe(404);
    expect((await get('/%2e%2e/%2e%2e/package.json')).status).toBe(404);
  });
});

function connectionsOf(server: FastifyInstance): Promise<number> {
  return new Promise((done, fail) => {
    server.server.getConnections((error, count) => (error === null ? done(count) : fail(error)));
  });
}

describe('closing', () => {
  test('waits for the payments in hand, and refuses new ones on open connections', async () => {
    const held = { release: (): void => {} };
    const inHand = new Promise<void>((done) => (held.release = done));
    const bytes = new TextEncoder().encode('{"action":"allow"}');
    let entered = false;
    const closing = await createApi({
      service: {
        ...server.system.service,
        decide: async () => {
          entered = true;
          await inHand;
          return { kind: 'decided', decision: bytes, replay: false };
        },
      },
      analytics: server.system.analytics,
      keys: createApiKeyVerifier([{ sha256: hashApiKey(key), tenantId: 'default' }]),
      metrics: new Registry(),
      version: '0.0.0-test',
    });
    const address = await closing.listen({ host: '127.0.0.1', port: 0 });
    const text = JSON.stringify(payment());
    const head = `POST /v1/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
    const open = (): { socket: Socket; said: () => string } => {
      const socket = connect(Number(new URL(address).port), '127.0.0.1');
      let said = '';
      socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
      return { socket, said: () => said };
    };
    const first = open();
    first.socket.write(head + text);
    await expect.poll(() => entered).toBe(true);
    // A connection in the middle of its request is not idle, and so still open while the server closes.
    const second = open();
    second.socket.write(head.slice(0, 40));
    await expect.poll(() => connectionsOf(closing)).toBe(2);
    const closed = closing.close();
    await expect.poll(() => closing.server.listening).toBe(false);
    second.socket.write(head.slice(40) + text);
    await once(second.socket, 'close');
    expect(second.said()).toMatch(/^HTTP\/1\.1 503 /);
    expect(second.said()).toContain('"code":"shutting_down"');
    held.release();
    await once(first.socket, 'close');
    await closed;
    expect(first.said()).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(first.said()).toContain('{"action":"allow"}');
  });
});
