/** Metrics of the HTTP server: every answer is counted, and no label can be made up by a caller. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi } from '../../../src/api/app.ts';
import type { Fakes } from './fakes.ts';
import { bearer, createFakes, jsonHeaders, paymentBody } from './fakes.ts';

let fakes: Fakes;
let app: FastifyInstance;
beforeEach(async () => {
  fakes = createFakes();
  app = await createApi(fakes.options);
});
afterEach(() => app.close());

interface Counted {
  readonly route: string;
  readonly method: string;
  readonly status: string;
  readonly value: number;
}

async function counted(): Promise<Counted[]> {
  const metric = await fakes.options.metrics.getSingleMetric('holdfast_http_requests_total')?.get();
  return (metric?.values ?? []).map(({ labels, value }) => ({
    route: String(labels['route']),
    method: String(labels['method']),
    status: String(labels['status']),
    value,
  }));
}

test('each answer is counted by its route’s pattern, its method and the class of its status, whatever refused it', async () => {
  const payload = JSON.stringify(paymentBody());
  const decide = { method: 'POST', url: '/v1/decisions', payload } as const;
  await app.inject({ ...decide, headers: jsonHeaders });
  await app.inject({ ...decide, headers: jsonHeaders });
  await app.inject({ ...decide, headers: { ...bearer, 'content-type': 'text/plain' } });
  await app.inject({ ...decide, headers: { 'content-type': 'application/json' } });
  await app.inject({ url: '/v1/decisions/pay-1', headers: bearer });
  await app.inject({ url: '/v1/decisions/somebody', headers: bearer });
  fakes.service.answer = new Error('x');
  await app.inject({ ...decide, headers: jsonHeaders });
  expect(await counted()).toEqual([
    { route: '/v1/decisions', method: 'POST', status: '2xx', value: 2 },
    { route: '/v1/decisions', method: 'POST', status: '4xx', value: 2 },
    { route: '/v1/decisions/:paymentId', method: 'GET', status: '2xx', value: 1 },
    { route: '/v1/decisions/:paymentId', method: 'GET', status: '4xx', value: 1 },
    { route: '/v1/decisions', method: 'POST', status: '5xx', value: 1 },
  ]);
  const text = (await app.inject({ url: '/metrics' })).body;
  expect(text).toContain('holdfast_http_request_seconds_count{route="/v1/decisions",method="POST",status="2xx"} 2\n');
});

test('addresses, methods and ids that a caller makes up add no label', async () => {
  for (let i = 0; i < 50; i++) {
    await app.inject({ url: `/made-up-${i}?x=${i}` });
    await app.inject({ url: `/v1/decisions/made-up-${i}`, headers: bearer });
    await app.inject({ url: `/errors/made-up-${i}` });
    await app.inject({ method: 'DELETE', url: `/v1/made-up/${i}` });
    await app.inject({ url: `/v1/decisions/%zz${i}`, headers: bearer });
  }
  const series = await counted();
  expect(series.length).toBeLessThanOrEqual(6);
  expect(JSON.stringify(series)).not.toContain('made-up');
});
