/**
 * Requests by route. Labels are bounded sets: the route's pattern as it was registered (never an address that was asked
 * for), a method of this server, the class of the status.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ErrorCode } from '../domain/errors.ts';

/** Requests that meet no route. */
const noRoute = '(none)';
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const otherMethod = 'other';
const bucketsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const labelNames = ['route', 'method', 'status'] as const;

/** The instruments with one set of labels, looked up once: labelling anew would cost a request more than counting it. */
interface Series {
  readonly requests: Counter.Internal;
  readonly seconds: Histogram.Internal<(typeof labelNames)[number]>;
}

export interface HttpMetrics {
  /** Counts every answer of the server from now on. */
  observe(app: FastifyInstance): void;
  /** A connection whose bytes were no request, or never became one. */
  unreadable(code: ErrorCode): void;
}

/** The instruments, in `registry`. One server a registry. */
export function createHttpMetrics(registry: Registry): HttpMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'holdfast_http_requests_total',
    help: 'HTTP requests answered, by route pattern, method and class of status.',
    labelNames,
    registers,
  });
  const seconds = new Histogram({
    name: 'holdfast_http_request_seconds',
    help: 'From the headers of an HTTP request to the end of its answer.',
    labelNames,
    buckets: bucketsSeconds,
    registers,
  });
  const unreadable = new Counter({
    name: 'holdfast_http_unreadable_requests_total',
    help: 'Connections closed because their bytes were no HTTP request or did not arrive in time, by error code.',
    labelNames: ['code'],
    registers,
  });
  const known = new Map<string, Series>();

  function seriesOf(route: string, method: string, status: string): Series {
    const key = `${route} ${method} ${status}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = {
      requests: requests.labels(route, method, status),
      seconds: seconds.labels(route, method, status),
    };
    known.set(key, made);
    return made;
  }

  function count(request: FastifyRequest, reply: FastifyReply): void {
    const route = request.is404 ? noRoute : (request.routeOptions.url ?? noRoute);
    const method = methods.has(request.method) ? request.method : otherMethod;
    const series = seriesOf(route, method, `${Math.floor(reply.statusCode / 100)}xx`);
    series.requests.inc();
    series.seconds.observe(reply.elapsedTime / 1000);
  }

  return {
    observe(app) {
      app.addHook('onResponse', (request, reply, done) => {
        count(request, reply);
        done();
      });
    },
    unreadable: (code) => unreadable.inc({ code }),
  };
}
