/** The table of errors, docs/errors.md and OpenAPI say the same, both ways; so do the schemas and the decoder. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { createApi } from '../../../src/api/app.ts';
import { errors, isErrorCode } from '../../../src/domain/errors.ts';
import { paymentFieldNames, requiredFieldCount } from '../../../src/domain/paymentFields.ts';
import { fieldProblems } from '../../../src/domain/refusal.ts';
import { paymentSchema } from '../../../src/domain/schemas.ts';
import { createFakes } from './fakes.ts';

interface Operation {
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<
      Record<
        string,
        { readonly properties: Record<string, { enum?: unknown }>; readonly additionalProperties?: boolean }
      >
    >;
  };
}

let app: FastifyInstance;
let document: OpenApi;
beforeAll(async () => {
  app = await createApi(createFakes().options);
  document = (await app.inject({ url: '/openapi.json' })).json();
});
afterAll(() => app.close());

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/errors.md'), 'utf8');
const codesOfRows = (text: string): string[] =>
  [...text.matchAll(/^\| (?:<a[^>]*><\/a>)?`(\w+)`/gm)].map((match) => match[1]!);

/** Codes that any connection can meet before or outside a route's own work. */
const anywhere = ['route_not_found', 'method_not_allowed', 'request_timeout', 'headers_too_large', 'not_ready'];

describe('the table of errors', () => {
  test('is on the docs page, row for row, with the problems of fields', () => {
    const [head, tail] = page.split(/^## .*fields/im) as [string, string];
    expect(codesOfRows(head)).toEqual(Object.keys(errors));
    expect(codesOfRows(tail)).toEqual(Object.keys(fieldProblems));
    for (const entry of Object.values(errors)) expect(page).toContain(`| ${entry.status} |`);
  });

  test('is the list of codes in OpenAPI, and every code belongs to some call at its own status', () => {
    expect(document.components.schemas['Problem']?.properties['code']?.enum).toEqual(Object.keys(errors));
    const responses = Object.values(document.paths)
      .flatMap((methods) => Object.values(methods))
      .flatMap((operation) => Object.entries(operation.responses));
    const seen = new Set<string>();
    for (const [status, { description }] of responses) {
      for (const [, code] of description.matchAll(/`(\w+)`/g)) {
        if (code === undefined || !isErrorCode(code)) continue;
        expect([code, Number(status)]).toEqual([code, errors[code].status]);
        seen.add(code);
      }
    }
    expect([...seen, ...anywhere].sort()).toEqual(expect.arrayContaining(Object.keys(errors).sort()));
  });

  test('explains each code where a problem’s type points to', async () => {
    for (const [code, entry] of Object.entries(errors)) {
      expect((await app.inject({ url: `/errors/${code}` })).json()).toEqual({ code, ...entry });
    }
    expect((await app.inject({ url: '/errors/constructor' })).statusCode).toBe(404);
  });
});

describe('OpenAPI', () => {
  test('is 3.1, documents every call of the contract, and every reference resolves', () => {
    expect(document.openapi).toBe('3.1.0');
    const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(calls).toEqual(
      expect.arrayContaining([
        'POST /v1/decisions',
        'POST /v1/decisions/batch',
        'GET /v1/decisions/{paymentId}',
        'GET /v1/decisions',
        'GET /v1/summary',
        'POST /v1/labels',
        'GET /healthz',
        'GET /readyz',
        'GET /metrics',
        'GET /openapi.json',
      ]),
    );
    for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)) {
      const match = /^#\/components\/schemas\/(\w+)$/.exec(name!);
      expect([name, match !== null && match[1]! in document.components.schemas]).toEqual([name, true]);
    }
    expect(JSON.stringify(document)).not.toContain('"$id"');
  });

  test('shows the payment with the decoder’s fields', () => {
    expect(Object.keys(paymentSchema.properties)).toEqual([...paymentFieldNames]);
    expect(paymentSchema.required).toEqual(paymentFieldNames.slice(0, requiredFieldCount));
    expect(document.components.schemas['Payment']?.additionalProperties).toBe(false);
  });
});
