/** Turns everything that can go wrong in the server into a problem document. */
import type { Duplex } from 'node:stream';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../domain/errors.ts';
import type { ProblemItem } from './problem.ts';
import { ProblemError, problemOf, problemType, sendProblem } from './problem.ts';

/** What Fastify's own errors mean here. */
const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  FST_ERR_ASYNC_CONSTRAINT: 'bad_request',
  FST_ERR_HANDLER_TIMEOUT: 'overloaded',
  FST_UNDER_PRESSURE: 'overloaded',
};

/** Errors of ports that a caller should hear of; the rest is `internal`. */
const portCodes: Readonly<Record<string, ErrorCode>> = {
  AnalyticsUnavailable: 'analytics_unavailable',
  InvalidCursor: 'invalid_query',
  DecisionsUnavailable: 'decisions_unavailable',
  ReleaseUnknown: 'release_not_found',
  // What is claimed and not yet durable is not told before it is.
  LogUnavailable: 'decisions_unavailable',
};

export function registerErrorHandling(app: FastifyInstance): void {
  const methodsOf = collectRoutes(app);
  app.setErrorHandler<FastifyError>(handleError);
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request, reply) => {
    const allowed = methodsOf(pathOf(request.url));
    if (allowed.length === 0) return sendProblem(reply, 'route_not_found');
    return sendProblem(reply.header('allow', allowed.join(', ')), 'method_not_allowed');
  });
}

export function handleError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ProblemError) return sendProblem(reply, error.code, error.extras);
  if (error.validation !== undefined)
    return sendProblem(reply, 'invalid_query', { errors: queryItems(error.validation) });
  const code = fastifyCodes[error.code] ?? portCodes[error.name] ?? statusCode(error.statusCode);
  if (code === undefined) {
    // The message may be ours or a library's; no payment is in reach of either, and no body is logged.
    request.log.error({ err: error, route: request.routeOptions.url }, 'a request failed');
    return sendProblem(reply, 'internal');
  }
  const oversizedPayment = code === 'body_too_large' && request.routeOptions.config.problemOfSize;
  return sendProblem(reply, oversizedPayment || code, cursorItem(error));
}

function cursorItem(error: Error): { errors?: ProblemItem[] } {
  if (error.name !== 'InvalidCursor') return {};
  return {
    errors: [{ parameter: 'cursor', code: 'unknown_value', message: 'Must be the `next` of an earlier page.' }],
  };
}

/** Errors that only tell a status: of the client's side they are `bad_request`. */
function statusCode(status: number | undefined): ErrorCode | undefined {
  if (status === 429) return 'rate_limited';
  return status !== undefined && status >= 400 && status < 500 ? 'bad_request' : undefined;
}

/** Characters of an unknown parameter's name that are repeated to the caller. */
const parameterCharactersShown = 64;

type Validation = NonNullable<FastifyError['validation']>;

/** Items by TypeBox's errors; a parameter that the query does not have meets the schema `false`. */
function queryItems(validation: Validation): ProblemItem[] {
  return validation
    .filter((fault) => fault.instancePath !== '')
    .map((fault) => {
      const parameter = fault.instancePath.slice(1, 1 + parameterCharactersShown);
      return fault.keyword === 'boolean'
        ? { parameter, code: 'unknown_field', message: 'There is no such parameter.' }
        : { parameter, code: 'unknown_value', message: `${capital(fault.message ?? 'is not valid')}.` };
    });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** Remembers the routes as they are added; the function answers the methods of those that a path would meet. */
function collectRoutes(app: FastifyInstance): (path: string) => string[] {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const source = url
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/:[^/]+/g, '[^/]+')
      .replaceAll('*', '.*');
    const route = routes.get(url) ?? { pattern: new RegExp(`^${source}$`), methods: new Set<string>() };
    for (const name of [method].flat()) route.methods.add(name);
    routes.set(url, route);
  });
  return (path) => {
    const methods = new Set<string>();
    for (const route of routes.values())
      if (route.pattern.test(path)) for (const name of route.methods) methods.add(name);
    return [...methods].sort();
  };
}

/** Requests that Node would answer by itself, without a problem document, or not at all. */
export function refuseOddRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const hostless = request.raw.headers.host === undefined && request.raw.httpVersionMinor > 0;
    done(hostless ? new ProblemError('bad_request') : undefined);
  });
  // `Expect` asks for nothing that we could refuse: the request is answered as it is (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.server.on('connect', (_request, socket) => handleClientError(new Error('CONNECT'), socket));
}

/** What Node's HTTP parser refuses before there is a request. */
const socketCodes: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};
const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** Answers a connection whose bytes are no HTTP request, and closes it. @returns the answer's code; undefined where nobody is left to tell. */
export function handleClientError(error: Error & { code?: string }, socket: Duplex): ErrorCode | undefined {
  if (error.code === 'ECONNRESET' || socket.destroyed) return undefined;
  const code = socketCodes[error.code ?? ''] ?? 'bad_request';
  const problem = problemOf(code);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${reasons[problem.status] ?? 'Bad Request'}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (socket.writable) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  else socket.destroy();
  return code;
}
