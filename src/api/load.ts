/** Refuses work beyond what the server can hold: bounded requests in hand, a bounded delay of the event loop, closing. */
import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { apiBounds } from './bounds.ts';
import { ProblemError } from './problem.ts';

/** How often connections that became idle are looked for while the server closes. */
const sweepMs = 50;

/**
 * Closes what became idle since the close began: without it, a kept-alive connection whose last request was in hand
 * then would hold the server until its keep-alive ran out.
 */
function closeConnectionsAsTheyIdle({ server }: FastifyInstance): void {
  if (!server.listening) return;
  const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
  server.once('close', () => clearInterval(sweep));
}

/** While the server closes, requests on open connections are refused: their client should go elsewhere. */
export function refuseWhileClosing(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    closeConnectionsAsTheyIdle(app);
    done();
  });
  app.addHook('onRequest', (_request, reply, done) => {
    if (!closing) done();
    else {
      reply.header('connection', 'close');
      done(new ProblemError('shutting_down'));
    }
  });
}

/** Counts what is in hand until its response is gone, also where the client went away. */
export function boundInFlight(scope: FastifyInstance, max: number): void {
  let inFlight = 0;
  scope.addHook('onRequest', (_request, reply, done) => {
    if (inFlight >= max) {
      done(new ProblemError('overloaded'));
      return;
    }
    inFlight++;
    reply.raw.once('close', () => {
      inFlight--;
    });
    done();
  });
}

export async function boundEventLoopDelay(scope: FastifyInstance): Promise<void> {
  await scope.register(underPressure, {
    maxEventLoopDelay: apiBounds.eventLoopDelayMsMax,
    sampleInterval: 1000,
    pressureHandler: () => {
      throw new ProblemError('overloaded');
    },
  });
}
