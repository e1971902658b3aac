/** POST /v1/decisions: one payment in, its decision out. The path that everything else makes way for. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { paymentBytesMax } from '../../domain/bounds.ts';
import { callerOf } from '../authentication.ts';
import { bodyOf } from '../body.ts';
import { apiBounds } from '../bounds.ts';
import { deadlineOf } from '../deadline.ts';
import { sendDecision } from '../decideAnswer.ts';
import type { ApiContext } from '../options.ts';
import { ref, responses } from '../schemas.ts';

const deadlineParameter = (defaultMs: number) =>
  Type.Object({
    'Holdfast-Deadline-Ms': Type.Optional(
      Type.Integer({
        minimum: apiBounds.deadlineMsMin,
        maximum: apiBounds.deadlineMsMax,
        default: defaultMs,
        description: 'An answer within this time: degraded and saying so, or 503 with nothing recorded as decided.',
      }),
    ),
  });

export function registerDecide(v1: FastifyInstance, { options }: ApiContext): void {
  const { service } = options;
  v1.post(
    '/decisions',
    {
      bodyLimit: paymentBytesMax,
      config: { scope: 'decide', problemOfSize: 'payment_too_large' },
      schema: {
        tags: ['decisions'],
        summary: 'Decide on a payment',
        description:
          'The same paymentId with the same content gives the same decision again, with `Idempotent-Replay: true`.',
        headers: deadlineParameter(apiBounds.deadlineMsDefault),
        body: ref('Payment'),
        response: responses('Decision', 'The decision, durable.', [
          'malformed_json',
          'invalid_utf8',
          'invalid_header',
          'payment_conflict',
          'payment_too_large',
          'unsupported_media_type',
          'invalid_payment',
          'deadline_exceeded',
          'not_recorded',
        ]),
      },
    },
    async (request, reply) => {
      const deadlineMs = deadlineOf(request, apiBounds.deadlineMsDefault);
      const { tenantId } = callerOf(request);
      return sendDecision(reply, await service.decide(tenantId, bodyOf(request), request.receivedAtMs, deadlineMs));
    },
  );
}

export { deadlineParameter };
