/** The HTTP face of a role without an API: alive, ready, metrics, and what an error means. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import Fastify from 'fastify';
import { apiBounds } from './bounds.ts';
import { registerErrorHandling } from './errorHandling.ts';
import { type Operated, registerOperations } from './routes/operations.ts';

/** Builds the server; `listen` starts it. */
export async function createProbe(options: Operated): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: apiBounds.labelBytesMax,
    requestTimeout: apiBounds.requestTimeoutMs,
    keepAliveTimeout: apiBounds.keepAliveTimeoutMs,
    handlerTimeout: apiBounds.handlerTimeoutMs,
    forceCloseConnections: 'idle',
  });
  app.server.maxConnections = apiBounds.connectionsMax;
  // The routes' schemas are documentation of the API.
  app.setValidatorCompiler(() => (value: unknown) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  await app.register(rateLimit, {
    max: apiBounds.requestsPerAddressMax,
    timeWindow: apiBounds.rateWindowMs,
    cache: apiBounds.rateEntriesMax,
  });
  registerErrorHandling(app);
  registerOperations(app, { options });
  return app;
}
