/** A result of deciding as an HTTP answer, and as one item of a batch's answer. */
import type { FastifyReply } from 'fastify';
import type { DecideResult } from '../pipeline/service.ts';
import type { ProblemExtras } from './problem.ts';
import { problemOf, sendProblem } from './problem.ts';

type Refused = Exclude<DecideResult, { kind: 'decided' }>;

function problemParts(result: Refused): { readonly code: string; readonly extras: ProblemExtras } {
  switch (result.kind) {
    case 'refused':
      return { code: result.refusal.code, extras: { errors: result.refusal.fields } };
    case 'conflict': {
      const message = 'Is the id of another payment that was decided already.';
      return {
        code: 'payment_conflict',
        extras: { errors: [{ pointer: '/paymentId', code: 'payment_conflict', message }] },
      };
    }
    case 'unavailable':
      return { code: result.code, extras: { retryAfterSeconds: result.retryAfterSeconds } };
  }
}

/** The decision's own bytes, sent as they were recorded. */
export function sendDecision(reply: FastifyReply, result: DecideResult): FastifyReply {
  if (result.kind !== 'decided') {
    const { code, extras } = problemParts(result);
    return sendProblem(reply, code, extras);
  }
  if (result.replay) reply.header('idempotent-replay', 'true');
  return reply.type('application/json').send(result.decision);
}

const decidedHead = Buffer.from('{"status":200,"decision":');
const replayedHead = Buffer.from('{"status":200,"idempotentReplay":true,"decision":');
const itemTail = Buffer.from('}');

/** One item of a batch's answer, as pieces of JSON. */
export function batchItem(result: DecideResult): readonly Uint8Array[] {
  if (result.kind === 'decided') return [result.replay ? replayedHead : decidedHead, result.decision, itemTail];
  const { code, extras } = problemParts(result);
  const problem = problemOf(code, extras);
  return [Buffer.from(JSON.stringify({ status: problem.status, problem }))];
}
