/** POST /v1/decisions/batch: up to 500 payments, each decided as if it came alone, in their order. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { DecideResult } from '../../pipeline/service.ts';
import { callerOf } from '../authentication.ts';
import { bodyOf } from '../body.ts';
import { apiBounds } from '../bounds.ts';
import { deadlineOf } from '../deadline.ts';
import { batchItem } from '../decideAnswer.ts';
import type { ApiContext } from '../options.ts';
import { ProblemError } from '../problem.ts';
import { ref, responses } from '../schemas.ts';
import type { SplitResult } from '../splitArray.ts';
import { splitArray } from '../splitArray.ts';
import { deadlineParameter } from './decide.ts';

type SplitFault = Exclude<SplitResult['kind'], 'items'>;

const faults: Readonly<Record<SplitFault, () => ProblemError>> = {
  invalid_utf8: () => new ProblemError('invalid_utf8'),
  malformed: () => new ProblemError('malformed_json'),
  not_an_array: () => invalidBatch('wrong_type', 'Must be an array.'),
  too_many: () => invalidBatch('too_many', `Must have at most ${apiBounds.batchPaymentsMax} payments.`),
  too_deep: () => invalidBatch('too_deep', 'Is nested deeper than payments can be.'),
};

function invalidBatch(code: string, message: string): ProblemError {
  return new ProblemError('invalid_batch', { errors: [{ pointer: '', code, message }] });
}

const head = Buffer.from('{"results":[');
const separator = Buffer.from(',');
const tail = Buffer.from(']}');

function batchBody(results: readonly DecideResult[]): Buffer {
  const pieces: Uint8Array[] = [head];
  for (const [i, result] of results.entries()) {
    if (i > 0) pieces.push(separator);
    pieces.push(...batchItem(result));
  }
  pieces.push(tail);
  return Buffer.concat(pieces);
}

export function registerBatch(v1: FastifyInstance, { options }: ApiContext): void {
  const { service } = options;
  let inFlight = 0;
  v1.post(
    '/decisions/batch',
    {
      bodyLimit: apiBounds.batchBytesMax,
      config: { scope: 'decide' },
      schema: {
        tags: ['decisions'],
        summary: 'Decide on up to 500 payments',
        description:
          'Each payment is decided on its own, in order; one that is refused does not touch the others. Nothing is decided when the body as a whole is not a JSON array.',
        headers: deadlineParameter(apiBounds.deadlineMsMax),
        body: Type.Array(ref('Payment'), { maxItems: apiBounds.batchPaymentsMax }),
        response: responses('BatchResult', 'One result for each payment, in order.', [
          'malformed_json',
          'invalid_utf8',
          'invalid_header',
          'body_too_large',
          'unsupported_media_type',
          'invalid_batch',
        ]),
      },
    },
    async (request, reply) => {
      const deadlineMs = deadlineOf(request, apiBounds.deadlineMsMax);
      if (inFlight >= apiBounds.batchesInFlightMax) throw new ProblemError('overloaded');
      inFlight++;
      try {
        const split = splitArray(bodyOf(request), apiBounds.batchPaymentsMax);
        if (split.kind !== 'items') throw faults[split.kind]();
        const { tenantId } = callerOf(request);
        // Handed over in order and at once: the pipeline makes micro-batches of them.
        const decide = (item: Uint8Array) => service.decide(tenantId, item, request.receivedAtMs, deadlineMs);
        return await reply.type('application/json').send(batchBody(await Promise.all(split.items.map(decide))));
      } finally {
        inFlight--;
      }
    },
  );
}
