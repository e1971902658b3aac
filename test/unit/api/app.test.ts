/** Edge behaviours of the server against a service in memory; test/integration/api speaks real HTTP. */
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { createApi } from '../../../src/api/app.ts';
import { apiBounds } from '../../../src/api/bounds.ts';
import type { ApiOptions } from '../../../src/api/options.ts';
import { decisionSchema } from '../../../src/domain/schemas.ts';
import { AnalyticsUnavailable, InvalidCursor } from '../../../src/pipeline/analyticsErrors.ts';
import { LogUnavailable } from '../../../src/pipeline/logErrors.ts';
import { DecisionsUnavailable } from '../../../src/pipeline/storeErrors.ts';
import type { Fakes } from './fakes.ts';
import { bearer, createFakes, jsonHeaders, paymentBody, readKey } from './fakes.ts';

let app: FastifyInstance | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function start(changes: Partial<ApiOptions> = {}): Promise<Fakes & { app: FastifyInstance }> {
  const fakes = createFakes(changes);
  app = await createApi(fakes.options);
  return { ...fakes, app };
}

type Sent = Awaited<ReturnType<FastifyInstance['inject']>>;

function post(
  server: FastifyInstance,
  url: string,
  body: unknown,
  headers: Record<string, string> = jsonHeaders,
): Promise<Sent> {
  return server.inject({
    method: 'POST',
    url,
    headers,
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function expectProblem(response: Sent, status: number, code: string): void {
  expect([response.statusCode, response.json<{ code?: string }>().code]).toEqual([status, code]);
  expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(response.json()).toMatchObject({
    type: `/errors/${code}`,
    status,
    title: expect.any(String),
    detail: expect.any(String),
  });
  if (status === 429 || status === 503) expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1);
}

describe('POST /v1/decisions', () => {
  test('sends the decision’s own bytes, and says when it is a replay', async () => {
    const { app } = await start();
    const body = paymentBody();
    const first = await post(app, '/v1/decisions', body);
    expect(first.statusCode).toBe(200);
    expect(first.headers['content-type']).toBe('application/json');
    expect(first.headers['idempotent-replay']).toBeUndefined();
    const again = await post(app, '/v1/decisions', body);
    expect(again.body).toBe(first.body);
    expect(again.headers['idempotent-replay']).toBe('true');
    expectProblem(await post(app, '/v1/decisions', { ...body, amountMinor: 1 }), 409, 'payment_conflict');
  });

  test('hands the body on byte for byte, with the deadline of the header', async () => {
    const { app, service } = await start();
    const text = ` ${JSON.stringify(paymentBody())}\n`;
    await post(app, '/v1/decisions', text);
    await post(app, '/v1/decisions', text, { ...jsonHeaders, 'holdfast-deadline-ms': '5000' });
    expect(service.calls.map(({ body, allowedMs }) => [body, allowedMs])).toEqual([
      [text, 100],
      [text, 5000],
    ]);
  });

  test('refuses a deadline that is no integer from 5 to 5,000', async () => {
    const { app, service } = await start();
    for (const value of ['4', '5001', '-5', '10.5', '1e2', 'soon', '', '99999']) {
      expectProblem(
        await post(app, '/v1/decisions', paymentBody(), { ...jsonHeaders, 'holdfast-deadline-ms': value }),
        400,
        'invalid_header',
      );
    }
    expect(service.calls).toEqual([]);
  });

  test('names every bad field, and never a value', async () => {
    const { app } = await start();
    const response = await post(
      app,
      '/v1/decisions',
      paymentBody({ cardId: '4111111111111111', currency: 'Zq9', foo: 'Zq9' }),
    );
    expectProblem(response, 422, 'invalid_payment');
    expect(response.json<{ errors: { pointer: string }[] }>().errors.map((error) => error.pointer)).toEqual([
      '/currency',
      '/cardId',
      '/foo',
    ]);
    expect(response.body).not.toContain('4111');
    expect(response.body).not.toContain('Zq9');
  });

  test('takes JSON only, of at most 16 KiB, and tells malformed from missing', async () => {
    const { app } = await start();
    expectProblem(await post(app, '/v1/decisions', '{'), 400, 'malformed_json');
    expectProblem(await post(app, '/v1/decisions', ''), 400, 'malformed_json');
    expectProblem(
      await app.inject({ method: 'POST', url: '/v1/decisions', headers: bearer }),
      415,
      'unsupported_media_type',
    );
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'x']) {
      expectProblem(
        await post(app, '/v1/decisions', paymentBody(), { ...bearer, 'content-type': type }),
        415,
        'unsupported_media_type',
      );
    }
    expectProblem(
      await post(app, '/v1/decisions', paymentBody(), { ...jsonHeaders, 'content-encoding': 'gzip' }),
      415,
      'unsupported_media_type',
    );
    expect(
      (
        await post(app, '/v1/decisions', paymentBody(), {
          ...bearer,
          'content-type': 'application/json; charset=utf-8',
        })
      ).statusCode,
    ).toBe(200);
    expect(
      (await post(app, '/v1/decisions', JSON.stringify(paymentBody({ paymentId: 'b' })).padEnd(16_384))).statusCode,
    ).toBe(200);
    expectProblem(
      await post(app, '/v1/decisions', JSON.stringify(paymentBody()).padEnd(16_385)),
      413,
      'payment_too_large',
    );
  });

  test('passes on why nothing could be decided; an unknown reason or a crash is internal', async () => {
    const { app, service } = await start();
    service.answer = { kind: 'unavailable', code: 'overloaded', retryAfterSeconds: 7 };
    const overloaded = await post(app, '/v1/decisions', paymentBody());
    expectProblem(overloaded, 503, 'overloaded');
    expect(overloaded.headers['retry-after']).toBe('7');
    service.answer = { kind: 'unavailable', code: 'no_such_code', retryAfterSeconds: 1 };
    expectProblem(await post(app, '/v1/decisions', paymentBody()), 500, 'internal');
    service.answer = new Error('secret detail');
    const crashed = await post(app, '/v1/decisions', paymentBody());
    expectProblem(crashed, 500, 'internal');
    expect(crashed.body).not.toContain('secret');
  });
});

describe('POST /v1/decisions/batch', () => {
  test('answers each payment by itself, in order', async () => {
    const { app, service } = await start();
    const good = paymentBody({ paymentId: 'b1' });
    const response = await post(app, '/v1/decisions/batch', [
      good,
      { paymentId: 'b2' },
      good,
      { ...good, amountMinor: 9 },
      7,
    ]);
    expect(response.statusCode).toBe(200);
    const { results } = response.json<{ results: Record<string, unknown>[] }>();
    expect(results.map((result) => result['status'])).toEqual([200, 422, 200, 409, 422]);
    expect(results[0]).toMatchObject({ decision: { paymentId: 'b1' } });
    expect(results[0]).not.toHaveProperty('idempotentReplay');
    expect(results[1]).toMatchObject({ problem: { code: 'invalid_payment', errors: expect.any(Array) } });
    expect(results[2]).toMatchObject({ idempotentReplay: true, decision: { paymentId: 'b1' } });
    expect(results[3]).toMatchObject({ problem: { code: 'payment_conflict' } });
    expect(service.calls[0]).toEqual({ tenantId: 'default', body: JSON.stringify(good), allowedMs: 5000 });
  });

  test('decides nothing of a body that is no JSON array of at most 500', async () => {
    const { app, service } = await start();
    const good = JSON.stringify(paymentBody());
    expectProblem(await post(app, '/v1/decisions/batch', `[${good},`), 400, 'malformed_json');
    expectProblem(await post(app, '/v1/decisions/batch', `[${good}]]`), 400, 'malformed_json');
    expectProblem(await post(app, '/v1/decisions/batch', good), 422, 'invalid_batch');
    expectProblem(await post(app, '/v1/decisions/batch', `[${`${good},`.repeat(500)}${good}]`), 422, 'invalid_batch');
    expectProblem(
      await post(app, '/v1/decisions/batch', ' '.repeat(apiBounds.batchBytesMax + 1)),
      413,
      'body_too_large',
    );
    expect(service.calls).toEqual([]);
    expect((await post(app, '/v1/decisions/batch', [])).json()).toEqual({ results: [] });
  });
});

describe('a batch beside other work', () => {
  test('takes a bounded part of each turn of the event loop: single payments are decided in the midst of it', async () => {
    let nowMs = 0;
    // Every look at the clock takes as long as a slice may: each turn has room for one step.
    const clock = { nowMs: () => Date.now(), monotonicMs: () => (nowMs += apiBounds.batchSliceMs) };
    const { app, service } = await start({ clock });
    const payments = Array.from({ length: 500 }, (_, i) => paymentBody({ paymentId: `slow-${i}` }));
    let turns = 0;
    const countTurn = (): void => {
      turns++;
      if (service.calls.length < 500) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    const batch = post(app, '/v1/decisions/batch', payments);
    await expect.poll(() => service.calls.length, { interval: 1 }).toBeGreaterThan(0);
    const single = await post(app, '/v1/decisions', paymentBody({ paymentId: 'single' }));
    expect(single.statusCode).toBe(200);
    expect((await batch).json<{ results: { status: number }[] }>().results.map(({ status }) => status)).toEqual(
      payments.map(() => 200),
    );
    const ids = service.calls.map(({ body }) => (JSON.parse(body) as { paymentId: string }).paymentId);
    expect(ids.indexOf('single')).toBeLessThan(500);
    expect(ids.filter((id) => id !== 'single')).toEqual(payments.map(({ paymentId }) => paymentId));
    expect(turns).toBeGreaterThanOrEqual(400);
  });

  test('is answered with a problem when deciding fails, and its place is free again', async () => {
    const { app, service } = await start();
    service.answer = new Error('x');
    expectProblem(await post(app, '/v1/decisions/batch', [paymentBody(), paymentBody()]), 500, 'internal');
    service.answer = undefined;
    expect((await post(app, '/v1/decisions/batch', [paymentBody()])).statusCode).toBe(200);
  });
});

describe('reading', () => {
  test('gives a decision with its features, payment and labels, for any payment id', async () => {
    const { app, service } = await start();
    for (const paymentId of ['pay-1', 'x/y%é', '\u{1f600}'.repeat(128), 'batch', '?#&']) {
      await post(app, '/v1/decisions', paymentBody({ paymentId }));
      const response = await app.inject({ url: `/v1/decisions/${encodeURIComponent(paymentId)}`, headers: bearer });
      expect(response.statusCode).toBe(200);
      expect(Object.keys(response.json<object>())).toEqual([
        ...Object.keys(decisionSchema.properties),
        ...['payment', 'features', 'explanation', 'labels'],
      ]);
      expect(response.json()).toMatchObject({
        paymentId,
        action: 'allow',
        payment: { paymentId },
        features: { 'customer.count.24h': { value: 1 } },
        labels: [{ paymentId, label: 'fraud', source: 'analyst', labelledAt: '2026-11-22T10:00:00.000Z' }],
      });
    }
    expectProblem(await app.inject({ url: '/v1/decisions/none', headers: bearer }), 404, 'decision_not_found');
    expectProblem(await app.inject({ url: `/v1/decisions/${'x'.repeat(2000)}`, headers: bearer }), 414, 'uri_too_long');
    for (const failure of [new DecisionsUnavailable('away'), new LogUnavailable('away')]) {
      service.get = () => Promise.reject(failure);
      expectProblem(await app.inject({ url: '/v1/decisions/none', headers: bearer }), 503, 'decisions_unavailable');
    }
  });

  test('parses the filter of a list, and refuses what it does not know', async () => {
    const { app, analytics } = await start();
    const query =
      'from=2026-01-01T00:00:00%2B01:00&toMs=1800000000000&action=hold&ruleId=R-1&customerId=c&scoreMin=0.5&limit=10&cursor=abc';
    const page = await app.inject({ url: `/v1/decisions?${query}`, headers: bearer });
    expect(page.json()).toEqual({
      items: [{ decision: { action: 'hold' }, payment: { paymentId: 'p' } }],
      next: 'next-page',
    });
    expect(analytics.filter).toEqual({
      tenantId: 'default',
      fromMs: Date.parse('2025-12-31T23:00:00Z'),
      toMs: 1_800_000_000_000,
      action: 'hold',
      ruleId: 'R-1',
      customerId: 'c',
      scoreMin: 0.5,
      limit: 10,
      cursor: 'abc',
    });
    await app.inject({ url: '/v1/decisions', headers: bearer });
    expect(analytics.filter).toEqual({ tenantId: 'default', limit: 50 });
    const bad: Record<string, string> = {
      'limit=0': 'limit',
      'limit=201': 'limit',
      'limit=x': 'limit',
      'action=maybe': 'action',
      'scoreMin=2': 'scoreMin',
      'foo=1': 'foo',
      'from=yesterday': 'from',
      'from=2026-01-01T00:00:00': 'from',
      'from=2026-01-01T00:00:00Z&fromMs=1': 'from',
      'fromMs=2&toMs=1': 'from',
      'scoreMin=0.5&scoreMax=0.4': 'scoreMin',
      'action=hold&action=allow': 'action',
      'cursor=': 'cursor',
    };
    for (const [text, parameter] of Object.entries(bad)) {
      const response = await app.inject({ url: `/v1/decisions?${text}`, headers: bearer });
      expectProblem(response, 422, 'invalid_query');
      expect([text, response.json<{ errors: { parameter: string }[] }>().errors[0]?.parameter]).toEqual([
        text,
        parameter,
      ]);
    }
  });

  test('bounds a summary, and takes the last hour by default', async () => {
    const nowMs = 1_795_341_600_000;
    const { app, analytics } = await start({ clock: { nowMs: () => nowMs, monotonicMs: () => performance.now() } });
    expect((await app.inject({ url: '/v1/summary', headers: bearer })).json()).toMatchObject({ total: 2, holds: 1 });
    expect(analytics.window).toEqual([nowMs - 3_600_000, nowMs, 60_000]);
    await app.inject({ url: '/v1/summary?fromMs=0&toMs=1000000&bucketMs=1000', headers: bearer });
    expect(analytics.window).toEqual([0, 1_000_000, 1000]);
    expectProblem(
      await app.inject({ url: '/v1/summary?fromMs=0&toMs=1001001&bucketMs=1000', headers: bearer }),
      422,
      'invalid_query',
    );
    expectProblem(await app.inject({ url: '/v1/summary?bucketMs=0', headers: bearer }), 422, 'invalid_query');
  });

  test('says that the analytics store is away, and what a wrong cursor is', async () => {
    const { app, analytics } = await start();
    analytics.failure = new AnalyticsUnavailable('away');
    expectProblem(await app.inject({ url: '/v1/decisions', headers: bearer }), 503, 'analytics_unavailable');
    expectProblem(await app.inject({ url: '/v1/summary', headers: bearer }), 503, 'analytics_unavailable');
    analytics.failure = new InvalidCursor('not a cursor');
    expectProblem(await app.inject({ url: '/v1/decisions?cursor=x', headers: bearer }), 422, 'invalid_query');
  });
});

describe('POST /v1/labels', () => {
  const label = { paymentId: 'pay-1', label: 'fraud', source: 'chargeback', labelledAt: '2026-11-22T10:00:00Z' };

  test('records a label once, and only for a payment that was decided', async () => {
    const { app } = await start();
    expectProblem(await post(app, '/v1/labels', label), 404, 'payment_unknown');
    await post(app, '/v1/decisions', paymentBody());
    expect((await post(app, '/v1/labels', label)).json()).toEqual({
      ...label,
      labelledAt: '2026-11-22T10:00:00.000Z',
      recorded: true,
    });
    const again = await post(app, '/v1/labels', { ...label, source: 'other' });
    expect([again.json<{ recorded: boolean }>().recorded, again.headers['idempotent-replay']]).toEqual([false, 'true']);
    expectProblem(await post(app, '/v1/labels', { ...label, label: 'x' }), 422, 'invalid_label');
    expectProblem(await post(app, '/v1/labels', [label]), 422, 'invalid_label');
    expectProblem(await post(app, '/v1/labels', ' '.repeat(5000)), 413, 'body_too_large');
  });
});

describe('keys and bounds', () => {
  test('everything under /v1 needs a key, and the key its scope', async () => {
    const { app, service } = await start();
    const calls = [
      ['POST', '/v1/decisions'],
      ['POST', '/v1/decisions/batch'],
      ['GET', '/v1/decisions'],
      ['GET', '/v1/decisions/x'],
      ['GET', '/v1/summary'],
      ['POST', '/v1/labels'],
    ] as const;
    for (const [method, url] of calls) {
      for (const authorization of [undefined, 'Bearer wrong', 'Basic hf_test-key', 'hf_test-key', 'Bearer ']) {
        const headers = authorization === undefined ? {} : { authorization };
        const response = await app.inject({
          method,
          url,
          headers: { ...headers, 'content-type': 'application/json' },
          ...(method === 'POST' ? { payload: '{}' } : {}),
        });
        expectProblem(response, 401, 'unauthorized');
        expect(response.headers['www-authenticate']).toContain('Bearer realm="holdfast"');
      }
    }
    const readOnly = { authorization: `bearer ${readKey}`, 'content-type': 'application/json' };
    expectProblem(await post(app, '/v1/decisions', paymentBody(), readOnly), 403, 'forbidden');
    expectProblem(await post(app, '/v1/labels', {}, readOnly), 403, 'forbidden');
    expect((await app.inject({ url: '/v1/decisions', headers: readOnly })).statusCode).toBe(200);
    expect(service.calls).toEqual([]);
  });

  test('a key that asks too often waits; another key does not', async () => {
    const { app } = await start({ rateLimits: { requestsPerKeyMax: 3, rateWindowMs: 60_000 } });
    for (let i = 0; i < 3; i++)
      expect((await app.inject({ url: '/v1/decisions', headers: bearer })).statusCode).toBe(200);
    expectProblem(await app.inject({ url: '/v1/decisions', headers: bearer }), 429, 'rate_limited');
    expect(
      (await app.inject({ url: '/v1/decisions', headers: { authorization: `Bearer ${readKey}` } })).statusCode,
    ).toBe(200);
  });

  test('an address that guesses keys or paths is slowed down; a good key of the same address is not', async () => {
    const { app } = await start({ rateLimits: { refusedKeysMax: 2, requestsPerAddressMax: 2, rateWindowMs: 60_000 } });
    const guess = (): Promise<Sent> => app.inject({ url: '/v1/decisions', headers: { authorization: 'Bearer guess' } });
    expectProblem(await guess(), 401, 'unauthorized');
    expectProblem(await guess(), 401, 'unauthorized');
    expectProblem(await guess(), 429, 'rate_limited');
    expect((await app.inject({ url: '/v1/decisions', headers: bearer })).statusCode).toBe(200);
    for (let i = 0; i < 2; i++) expectProblem(await app.inject({ url: '/guess' }), 404, 'route_not_found');
    expectProblem(await app.inject({ url: '/guess' }), 429, 'rate_limited');
  });

  test('more batches in hand than the bound are refused, and the place is free again afterwards', async () => {
    const { app, service } = await start();
    let release = (): void => {};
    service.answer = new Promise((resolve) => {
      release = () => resolve({ kind: 'unavailable', code: 'overloaded', retryAfterSeconds: 1 });
    });
    const held = Array.from({ length: apiBounds.batchesInFlightMax }, () =>
      post(app, '/v1/decisions/batch', [paymentBody()]),
    );
    await expect.poll(() => service.calls.length).toBe(apiBounds.batchesInFlightMax);
    expectProblem(await post(app, '/v1/decisions/batch', [paymentBody()]), 503, 'overloaded');
    release();
    for (const response of await Promise.all(held)) expect(response.statusCode).toBe(200);
    service.answer = undefined;
    expect((await post(app, '/v1/decisions/batch', [paymentBody()])).statusCode).toBe(200);
  });
});

describe('everything else', () => {
  test('tells a wrong path from a wrong method', async () => {
    const { app } = await start();
    for (const url of ['/nothing', '/v1', '/v1/nothing', '/V1/decisions', '/v1/decisions/a/b']) {
      expectProblem(await app.inject({ url, headers: bearer }), 404, 'route_not_found');
    }
    const wrong = await app.inject({ method: 'DELETE', url: '/v1/decisions?x=1', headers: bearer });
    expectProblem(wrong, 405, 'method_not_allowed');
    expect(wrong.headers['allow']).toBe('GET, HEAD, POST');
    expectProblem(await app.inject({ url: '/v1/decisions/%zz', headers: bearer }), 400, 'bad_request');
  });

  test('health, readiness and metrics need no key', async () => {
    const { app, service } = await start();
    expect((await app.inject({ url: '/healthz' })).json()).toEqual({ status: 'ok' });
    expect((await app.inject({ url: '/readyz' })).json()).toEqual({
      ready: true,
      dependencies: [{ name: 'journal', state: 'up' }],
    });
    service.ready = false;
    const notReady = await app.inject({ url: '/readyz' });
    expectProblem(notReady, 503, 'not_ready');
    expect(notReady.json()).toMatchObject({ ready: false, dependencies: [{ name: 'journal', state: 'down' }] });
    const metrics = await app.inject({ url: '/metrics' });
    expect(metrics.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(metrics.body).toContain('holdfast_http_requests_total{route="/healthz",method="GET",status="2xx"} 1\n');
  });

  test('answers carry the headers that keep browsers from misusing them', async () => {
    const { app } = await start();
    const decision = await post(app, '/v1/decisions', paymentBody());
    expect(decision.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    const page = await app.inject({ url: '/healthz' });
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
  });
});
