/** Hostile clients over real HTTP, in front of the real pipeline: whatever they send, they get the contract's answers, and change nothing. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errors, isErrorCode } from '../../../src/domain/errors.ts';
import { type ApiServer, startApi } from '../../helpers/apiServer.ts';

const key = 'hf_hostile';
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'holdfast-deadline-ms': '5000' };

let server: ApiServer;
let url: string;

beforeAll(async () => {
  server = await startApi(key);
  ({ url } = server);
  await server.system.analytics.ready(30_000);
});
afterAll(() => server.close());

interface Problem {
  readonly code: string;
  readonly status: number;
  readonly errors?: readonly { readonly pointer?: string; readonly parameter?: string }[];
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Problem & Readonly<Record<string, unknown>>;
}

/** Every answer that is no success is a problem document of the table of errors, at its status; those to wait for say how long. */
async function call(
  path: string,
  init: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
): Promise<Answer> {
  const response = await fetch(url + path, { ...init, headers: { ...headers, ...init.headers } });
  const text = await response.text();
  const answer: Answer = { status: response.status, text, body: JSON.parse(text) as Answer['body'] };
  if (response.status < 400) return answer;
  const { code } = answer.body;
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect([code, isErrorCode(code) && errors[code].status]).toEqual([code, response.status]);
  if (response.status === 429 || response.status === 503) {
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  }
  return answer;
}

const post = (body: unknown, path = '/v1/decisions', more: Record<string, string> = {}): Promise<Answer> =>
  call(path, {
    method: 'POST',
    headers: more,
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });

let serial = 0;
function payment(changes: Record<string, unknown> = {}): Record<string, unknown> {
  // Digests: a few changed bytes of one id never make another.
  const id = hash('sha1', String(serial++), 'hex');
  return {
    paymentId: `h-${id}`,
    occurredAt: '2026-01-05T12:00:00Z',
    amountMinor: 1999,
    currency: 'EUR',
    customerId: `customer-${id}`,
    ...changes,
  };
}

const withText = (members: string): string => `${JSON.stringify(payment()).slice(0, -1)},${members}}`;
const pan = '4111111111111111';

/** What a connection answers to the bytes, until it is closed from there. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('a hostile client', () => {
  test('gets every bad field named by its pointer, and no card number back', async () => {
    const identifiers = ['paymentId', 'customerId', 'accountId', 'counterpartyAccountId', 'merchantId', 'terminalId'];
    const bad: readonly (readonly [string, unknown])[] = [
      ...[...identifiers, 'cardId', 'deviceId'].flatMap((field) =>
        [pan, '4111 1111 1111 1111', '4111-1111-1111-1111', '', 'x'.repeat(129), 7, null, 'a\u0000b', '\ud800'].map(
          (value) => [field, value] as const,
        ),
      ),
      ...[-1, 1.5, '1', null, 9_000_000_000_000_002].map((value) => ['amountMinor', value] as const),
      ...['2026-11-22T10:00:00', '2026-02-30T10:00:00Z', '2026-11-22', 1_795_341_600_000].map(
        (value) => ['occurredAt', value] as const,
      ),
      ['occurredAt', new Date(Date.now() + 3_600_000).toISOString()],
      ...['eur', 'EURO', 'AAA'].map((value) => ['currency', value] as const),
      ...['256.1.1.1', '::g', 'fe80::1%eth0'].map((value) => ['ipAddress', value] as const),
      ['channel', 'pos'],
      ['merchantCategoryCode', '５４１１'],
      ['country', 'XX'],
      ...[[], 'x', null].map((value) => ['attributes', value] as const),
      ...['unknown', 'toString', 'hasOwnProperty'].map((field) => [field, 1] as const),
    ];
    for (const [field, value] of bad) {
      const { status, body, text } = await post(payment({ [field]: value }));
      expect([field, value, status, body.code]).toEqual([field, value, 422, 'invalid_payment']);
      expect(body.errors?.map(({ pointer }) => pointer)).toContain(`/${field}`);
      expect(text).not.toContain('4111');
    }
  });

  test('gets nothing past the JSON: doubled and prototype keys, depth, numbers beyond a double, card numbers in attributes', async () => {
    const members = [
      ...['"paymentId":"again"', '"payment\\u0049d":"again"', '"attributes":{"a":1,"\\u0061":1}'],
      ...['"__proto__":1', '"constructor":1', '"attributes":{"__proto__":1}', '"attributes":{"a":1e999}'],
      ...[`"attributes":{"a":"${pan}"}`, `"attributes":{"a":${pan}}`, `"attributes":{"${pan}":1}`],
      ...[`"x":${'['.repeat(7000)}${']'.repeat(7000)}`, `"attributes":{"a":${'['.repeat(70)}${']'.repeat(70)}}`],
    ];
    for (const text of members) {
      expect((await post(withText(text))).body.code).toBe('invalid_payment');
    }
    const malformed = ['{', 'nul', '{"a":NaN}', "{'a':1}", '{"a":1,}', '\ufeff{}', '{"a":01}', '{}{}'];
    for (const text of malformed) expect((await post(text)).body.code).toBe('malformed_json');
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ]) {
      expect((await post(Uint8Array.from(bytes))).body.code).toBe('invalid_utf8');
    }
  });

  test('gets an item of a batch refused by itself, however large or deep it is', async () => {
    const large = JSON.stringify(payment({ merchantId: 'x'.repeat(16_384) }));
    const deep = `${'['.repeat(500)}${']'.repeat(500)}`;
    const { body } = await post(`[${large},${deep},${JSON.stringify(payment())}]`, '/v1/decisions/batch');
    expect(body['results']).toMatchObject([{ status: 413 }, { status: 422 }, { status: 200 }]);
  });

  test('may break a payment’s bytes anywhere: it is decided or refused, never half, and nothing it is refused counts', async () => {
    const mutation = fc.record({
      at: fc.nat(),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:\\0e.-'))),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const sent = payment({ cardId: 'card', ipAddress: '10.0.0.1', attributes: { a: 'x', b: 1.5 } });
        const bytes = Buffer.from(JSON.stringify(sent));
        for (const { at, byte } of mutations) bytes[at % bytes.length] = byte;
        const { status, body } = await post(new Uint8Array(bytes));
        expect([200, 400, 422]).toContain(status);
        if (status === 422) expect(body.errors?.length).toBeGreaterThan(0);
        const untouched = await post(payment({ customerId: sent['customerId'] }));
        const view = await call(`/v1/decisions/${String(untouched.body['paymentId'])}`);
        const counted = status === 200 && body['paymentId'] !== undefined ? [1, 2] : [1];
        expect(counted).toContain(
          (view.body['features'] as Record<string, { value: number }>)['customer.count.24h']?.value,
        );
      }),
      { numRuns: 150 },
    );
  });

  test('finds no way through the query or a forged cursor', async () => {
    await post(payment());
    const bad = [
      ...['limit=0', 'limit=201', 'limit=1.5', 'limit=0x10', 'limit=', 'limit=1&limit=2', 'limit=1e1', 'fromMs=1.5'],
      ...[
        'action=deny',
        'from=yesterday',
        'fromMs=5&toMs=5',
        'scoreMin=2',
        'scoreMin=NaN',
        'scoreMin=0.9&scoreMax=0.1',
      ],
      ...['tenantId=other', '__proto__=1', 'constructor=1', 'cursor=', 'cursor=abc', `cursor=${'a'.repeat(1025)}`],
    ];
    for (const query of bad) {
      const { body } = await call(`/v1/decisions?${query}`);
      expect([query, body.code, body.errors?.length]).toEqual([query, 'invalid_query', 1]);
    }
    const injections = ["' OR 1=1--", "'; DROP TABLE decisions;--", '\\', '\0', '%', '{x:String}'];
    for (const text of injections) {
      expect((await call(`/v1/decisions?customerId=${encodeURIComponent(text)}`)).body['items']).toEqual([]);
    }
    const forged = [{ a: 1 }, [1, 'x'], [0, "' OR 1=1"], null, ['9'.repeat(400), '']];
    for (const value of forged) {
      const cursor = Buffer.from(JSON.stringify(value)).toString('base64url');
      expect((await call(`/v1/decisions?cursor=${cursor}`)).body.code).toBe('invalid_query');
    }
  });

  test('reads back any id that was decided', async () => {
    for (const start of ['\u{1f600}'.repeat(100), 'a/b?c#d%', '%2e%2e', '__proto__', '\u202eabc', '\u00a0', ' ']) {
      const sent = payment({ paymentId: `${start}${serial}` });
      const decided = await post(sent);
      const view = await call(`/v1/decisions/${encodeURIComponent(String(sent['paymentId']))}`);
      expect([decided.status, view.body['paymentId']]).toEqual([200, sent['paymentId']]);
    }
    const missing = ['%00', 'prototype', 'none'];
    for (const id of missing) expect((await call(`/v1/decisions/${id}`)).body.code).toBe('decision_not_found');
  });

  test('gets a problem document for what is hardly HTTP, and the connection closed', async () => {
    const head = `Authorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
    const body = JSON.stringify(payment());
    const length = `Content-Length: ${body.length}\r\n`;
    const odd: readonly (readonly [string, number])[] = [
      ['\0\u0001\r\n\r\n', 400],
      ['GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
      ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      [`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
      [`POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      [`POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}${length}Content-Length: 5\r\n\r\n${body}`, 400],
      [`POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}Content-Length: -1\r\n\r\n`, 400],
      [
        `POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}Content-Length: 99999999999\r\nConnection: close\r\n\r\n`,
        413,
      ],
      [`POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ];
    for (const [bytes, status] of odd) {
      const answer = await raw(bytes);
      expect([bytes.slice(0, 60), answer.slice(0, 12)]).toEqual([bytes.slice(0, 60), `HTTP/1.1 ${status}`]);
      expect(answer).toContain('application/problem+json');
    }
    const expecting = await raw(
      `POST /v1/decisions HTTP/1.1\r\nHost: x\r\n${head}Expect: something\r\n${length}Connection: close\r\n\r\n${body}`,
    );
    expect(expecting).toMatch(/^HTTP\/1\.1 200 /);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(
      /http_unreadable_requests_total\{code="bad_request"\} \d/,
    );
  });

  test('gets pipelined payments answered in their order', async () => {
    const bodies = Array.from({ length: 20 }, () => JSON.stringify(payment()));
    const requests = bodies.map(
      (body, i) =>
        `POST /v1/decisions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
        `Holdfast-Deadline-Ms: 5000\r\nContent-Length: ${body.length}\r\n${i === 19 ? 'Connection: close\r\n' : ''}\r\n${body}`,
    );
    const answer = await raw(requests.join(''));
    const ids = [...answer.matchAll(/"paymentId":"(h-[0-9a-f]+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(bodies.map((body) => (JSON.parse(body) as { paymentId: string }).paymentId));
  });
});
