/** The HTTP server: API under /v1, operations, docs, and the console's files. */
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import type { Server } from 'node:http';
import type { FastifyHttpOptions, FastifyInstance } from 'fastify';
import Fastify, { LogController } from 'fastify';
import { registerAuthentication } from './authentication.ts';
import { takeRawJson } from './body.ts';
import { apiBounds } from './bounds.ts';
import { registerDocs, registerOpenApi } from './docs.ts';
import { handleClientError, handleError, refuseOddRequests, registerErrorHandling } from './errorHandling.ts';
import { boundEventLoopDelay, boundInFlight, refuseWhileClosing } from './load.ts';
import type { HttpMetrics } from './metrics.ts';
import { createHttpMetrics } from './metrics.ts';
import type { ApiContext, ApiOptions } from './options.ts';
import { ProblemError } from './problem.ts';
import { registerBatch } from './routes/batch.ts';
import { registerDecide } from './routes/decide.ts';
import { registerDecisions } from './routes/decisions.ts';
import { registerLabels } from './routes/labels.ts';
import { registerModels } from './routes/models.ts';
import { registerOperations } from './routes/operations.ts';

function serverOptions(options: ApiOptions, metrics: HttpMetrics): FastifyHttpOptions<Server> {
  return {
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    // A line a request would cost more than the decision; errors are logged, and metrics count the rest.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.trustProxy ?? false,
    bodyLimit: apiBounds.labelBytesMax,
    requestTimeout: apiBounds.requestTimeoutMs,
    keepAliveTimeout: apiBounds.keepAliveTimeoutMs,
    connectionTimeout: 0,
    http: {
      maxHeaderSize: apiBounds.headerBytesMax,
      headersTimeout: apiBounds.headersTimeoutMs,
      connectionsCheckingInterval: apiBounds.connectionsCheckMs,
      // Asked for below: Node's own refusal is no problem document.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: apiBounds.pathParameterCharactersMax },
    // Ours says the same as a problem document.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => {
      const code = handleClientError(error, socket);
      if (code !== undefined) metrics.unreadable(code);
    },
    frameworkErrors: (error, request, reply) => {
      handleError(error, request, reply);
    },
  };
}

const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    imgSrc: ["'self'", 'data:'],
    objectSrc: ["'none'"],
  },
};

/**
 * Builds the server; `listen` starts it. Closing it refuses new requests and waits for those in hand.
 * @throws where the options do not fit together.
 */
export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const metrics = createHttpMetrics(options.metrics);
  const app = Fastify(serverOptions(options, metrics));
  metrics.observe(app);
  app.server.maxConnections = apiBounds.connectionsMax;
  const context = contextOf(options);
  app.decorateRequest('caller', null);
  app.decorateRequest('receivedAtMs', 0);
  takeRawJson(app);
  // Bodies are checked by the decoder, and answers are written by hand: their schemas are documentation.
  app.setValidatorCompiler((route) =>
    route.httpPart === 'querystring' ? TypeBoxValidatorCompiler(route) : (value: unknown) => ({ value }),
  );
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));

  refuseOddRequests(app);
  refuseWhileClosing(app);
  limitHandlerTime(app);
  await registerHelmet(app);
  await registerRateLimit(app, context);
  registerErrorHandling(app);
  await registerDocs(app, options.version);
  await app.register((v1) => registerV1(v1, context), { prefix: '/v1' });
  registerOperations(app, context);
  registerOpenApi(app);
  if (options.consoleRoot !== undefined) {
    await app.register(fastifyStatic, { root: options.consoleRoot, wildcard: false, dotfiles: 'deny' });
  }
  return app;
}

function contextOf(options: ApiOptions): ApiContext {
  return {
    options,
    rateLimits: { ...apiBounds, ...options.rateLimits },
    clock: options.clock ?? { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  };
}

/** Where no key is needed, addresses are counted; keys have a count of their own (authentication.ts). */
async function registerRateLimit(app: FastifyInstance, { rateLimits }: ApiContext): Promise<void> {
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/v1/')) route.config = { ...route.config, rateLimit: false };
  });
  const silent = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false };
  await app.register(rateLimit, {
    timeWindow: rateLimits.rateWindowMs,
    cache: apiBounds.rateEntriesMax,
    max: rateLimits.requestsPerAddressMax,
    addHeaders: silent,
    addHeadersOnExceeding: silent,
    errorResponseBuilder: (_request, { ttl }) =>
      new ProblemError('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)) }),
  });
}

/**
 * Every handler has a time limit but those that decide: their answer is bounded by the payment's own deadline, and
 * Fastify's timer costs a request an AbortController and an exception.
 */
function limitHandlerTime(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (route.config?.scope !== 'decide') route.handlerTimeout ??= apiBounds.handlerTimeoutMs;
  });
}

/** Helmet is for pages; it makes its headers anew for each answer, and the API sets its few by hand. */
async function registerHelmet(app: FastifyInstance): Promise<void> {
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/v1/')) route.helmet = false;
  });
  await app.register(helmet, { contentSecurityPolicy, strictTransportSecurity: false });
}

/** What a browser may do with an answer of the API: nothing. */
const v1Headers = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
};

async function registerV1(v1: FastifyInstance, context: ApiContext): Promise<void> {
  v1.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, security: [{ key: [] }] };
  });
  v1.addHook('onRequest', (_request, reply, done) => {
    reply.headers(v1Headers);
    done();
  });
  registerAuthentication(v1, context);
  await boundEventLoopDelay(v1);
  boundInFlight(v1, apiBounds.requestsInFlightMax);
  registerDecide(v1, context);
  registerBatch(v1, context);
  registerDecisions(v1, context);
  registerLabels(v1, context);
  registerModels(v1, context);
}
