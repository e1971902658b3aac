/** POST /v1/labels: what became of a payment. */
import type { FastifyInstance } from 'fastify';
import { decodeLabel } from '../../domain/decodeLabel.ts';
import type { Label, LabelJson } from '../../domain/label.ts';
import { isRefusal } from '../../domain/refusal.ts';
import { formatTimestamp } from '../../domain/timestamp.ts';
import { callerOf } from '../authentication.ts';
import { bodyOf } from '../body.ts';
import { apiBounds } from '../bounds.ts';
import type { ApiContext } from '../options.ts';
import { ProblemError } from '../problem.ts';
import { ref, responses } from '../schemas.ts';

/** The label in the contract's form. */
export function labelBody({ paymentId, label, source, labelledAtMs }: Label): LabelJson {
  return { paymentId, label, source, labelledAt: formatTimestamp(labelledAtMs) };
}

export function registerLabels(v1: FastifyInstance, { options, clock }: ApiContext): void {
  v1.post(
    '/labels',
    {
      bodyLimit: apiBounds.labelBytesMax,
      config: { scope: 'label' },
      schema: {
        tags: ['labels'],
        summary: 'Say what became of a payment',
        description: 'The same label again changes nothing and is answered with `Idempotent-Replay: true`.',
        body: ref('Label'),
        response: responses('RecordedLabel', 'The label, durable.', [
          'malformed_json',
          'invalid_utf8',
          'payment_unknown',
          'body_too_large',
          'unsupported_media_type',
          'invalid_label',
          'not_recorded',
        ]),
      },
    },
    async (request, reply) => {
      const label = decodeLabel(bodyOf(request), clock.nowMs());
      if (isRefusal(label)) throw new ProblemError(label.code, { errors: label.fields });
      const [outcome] = await options.service.label(callerOf(request).tenantId, [label]);
      if (outcome === 'unknown') throw new ProblemError('payment_unknown');
      if (outcome === 'unavailable') throw new ProblemError('not_recorded');
      if (outcome === 'already') reply.header('idempotent-replay', 'true');
      return { ...labelBody(label), recorded: outcome === 'recorded' };
    },
  );
}
