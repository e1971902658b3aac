/** Errors as RFC 9457 problem documents: one shape for everything that is not a success. */
import type { FastifyReply } from 'fastify';
import type { ErrorCode } from '../domain/errors.ts';
import { errorEntry, isErrorCode } from '../domain/errors.ts';
import { apiBounds } from './bounds.ts';

export const problemType = 'application/problem+json; charset=utf-8';

/** One thing wrong: in the body (`pointer`), the query (`parameter`) or a header (`header`). */
export interface ProblemItem {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly header?: string;
  readonly code: string;
  readonly message: string;
}

export interface ProblemExtras {
  readonly errors?: readonly ProblemItem[];
  /** Seconds, for `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly [member: string]: unknown;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId?: string;
  readonly errors?: readonly ProblemItem[];
}

/**
 * The problem document of a code. `type` is where the error is explained on this server.
 * @param code a code of the table; services outside our types may send another, which is then `internal`.
 */
export function problemOf(code: string, extras: ProblemExtras = {}, requestId?: string): Problem {
  const known: ErrorCode = isErrorCode(code) ? code : 'internal';
  const { status, title, detail } = errorEntry(known);
  const { retryAfterSeconds: _, ...members } = extras;
  const id = requestId === undefined ? {} : { requestId };
  return { type: `/errors/${known}`, title, status, detail, code: known, ...id, ...members };
}

/** Answers with the problem of a code. 429 and 503 always carry `Retry-After`. */
export function sendProblem(reply: FastifyReply, code: string, extras: ProblemExtras = {}): FastifyReply {
  const problem = problemOf(code, extras, reply.request.id);
  if (problem.status === 429 || problem.status === 503) {
    reply.header('retry-after', String(extras.retryAfterSeconds ?? apiBounds.retryAfterSeconds));
  }
  return reply.code(problem.status).type(problemType).send(JSON.stringify(problem));
}

/** An error that a handler throws to answer with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ErrorCode;
  readonly extras: ProblemExtras;

  constructor(code: ErrorCode, extras: ProblemExtras = {}) {
    super(code);
    this.code = code;
    this.extras = extras;
  }
}
