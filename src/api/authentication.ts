/** Who calls, and whether the key may do that: one hook in front of everything under /v1. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../domain/errors.ts';
import { apiBounds } from './bounds.ts';
import { KeyRate } from './keyRate.ts';
import type { Caller, Scope } from './keys.ts';
import type { ApiContext } from './options.ts';
import { ProblemError } from './problem.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler under /v1 runs. */
    caller: Caller | null;
    /** When the request's headers were read; the clock of deadlines. */
    receivedAtMs: number;
  }
  interface FastifyContextConfig {
    /** What the key must be allowed to do. */
    scope?: Scope;
    /** The code for a body beyond the route's limit, where it is not `body_too_large`. */
    problemOfSize?: ErrorCode;
  }
}

const bearer = /^Bearer +([\x21-\x7e]+) *$/i;

/** The caller of a request under /v1. @throws when the hook did not run, which is a programmer's error. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new Error('a route under /v1 was reached without authentication');
  return request.caller;
}

/** Adds authentication to the scope `v1`, and the rate of each key. Refused keys are counted by address. */
export function registerAuthentication(v1: FastifyInstance, context: ApiContext): void {
  const { options, rateLimits, clock } = context;
  const rate = new KeyRate(rateLimits.requestsPerKeyMax, rateLimits.rateWindowMs);
  const refusedKeys = v1.createRateLimit({
    max: rateLimits.refusedKeysMax,
    timeWindow: apiBounds.refusedKeyWindowMs,
    keyGenerator: (request) => `refused ${request.ip}`,
  });

  async function refuse(request: FastifyRequest, reply: FastifyReply, challenge: string): Promise<never> {
    const refused = await refusedKeys(request);
    if (!refused.isAllowed && refused.isExceeded) {
      throw new ProblemError('rate_limited', { retryAfterSeconds: refused.ttlInSeconds });
    }
    reply.header('www-authenticate', challenge);
    throw new ProblemError('unauthorized');
  }

  v1.addHook('onRequest', (request, reply, done) => {
    request.receivedAtMs = clock.monotonicMs();
    const header = request.headers.authorization;
    const key = header === undefined ? undefined : bearer.exec(header)?.[1];
    const caller = key === undefined ? undefined : options.keys.verify(key);
    if (caller === undefined) {
      const challenge =
        header === undefined ? 'Bearer realm="holdfast"' : 'Bearer realm="holdfast", error="invalid_token"';
      refuse(request, reply, challenge).catch(done);
      return;
    }
    request.caller = caller;
    const waitSeconds = rate.take(caller.keyId, request.receivedAtMs);
    if (waitSeconds > 0) {
      done(new ProblemError('rate_limited', { retryAfterSeconds: waitSeconds }));
      return;
    }
    const { scope } = request.routeOptions.config;
    if (scope !== undefined && !caller.scopes.has(scope)) done(new ProblemError('forbidden'));
    else done();
  });
}
