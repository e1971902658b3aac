import type { FastifyRequest } from 'fastify';
import { apiBounds } from './bounds.ts';
import { ProblemError } from './problem.ts';

const deadlineHeader = 'holdfast-deadline-ms';

/**
 * When the answer must be given, on the clock of `request.receivedAtMs`.
 * @throws ProblemError `invalid_header` for a value that is no integer from 5 to 5,000.
 */
export function deadlineOf(request: FastifyRequest, defaultMs: number): number {
  const text = request.headers[deadlineHeader];
  if (text === undefined) return request.receivedAtMs + defaultMs;
  const ms = typeof text === 'string' && /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (ms >= apiBounds.deadlineMsMin && ms <= apiBounds.deadlineMsMax) return request.receivedAtMs + ms;
  const message = `Must be an integer from ${apiBounds.deadlineMsMin} to ${apiBounds.deadlineMsMax}.`;
  throw new ProblemError('invalid_header', {
    errors: [{ header: 'Holdfast-Deadline-Ms', code: 'out_of_range', message }],
  });
}
