/** The API described by itself: OpenAPI 3.1 at /openapi.json, readable at /docs. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { sharedSchemas } from './schemas.ts';

/** Swagger's page needs inline styles; scripts come from here only. */
const docsPolicy =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src 'self' data:; object-src 'none'; style-src 'self' 'unsafe-inline'";

export async function registerDocs(app: FastifyInstance, version: string): Promise<void> {
  for (const [id, schema] of Object.entries(sharedSchemas)) app.addSchema({ ...schema, $id: id });
  await app.register(swagger, {
    hideUntagged: true,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        description: 'Payments in, allow or hold out, each decision durable and explained.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key.' } } },
      tags: [{ name: 'decisions' }, { name: 'labels' }, { name: 'operations' }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `schema-${i}`),
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    uiConfig: { url: '/openapi.json', docExpansion: 'list', tryItOutEnabled: false, validatorUrl: null },
  });
}

/** Serves the document; after every route is known. */
export function registerOpenApi(app: FastifyInstance): void {
  let text: string | undefined;
  app.get('/openapi.json', { schema: { tags: ['operations'], summary: 'This document' } }, (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json').send(text);
  });
}
