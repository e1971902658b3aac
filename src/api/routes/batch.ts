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
import { ArraySplitter } from '../splitArray.ts';
import { Turns } from '../turns.ts';
import { deadlineParameter } from './decide.ts';

type SplitFault = Exclude<SplitResult['kind'], 'items'>;

const faults: Readonly<Record<SplitFault, () => ProblemError>> = {
  invalid_utf8: () => new ProblemError('invalid_utf8'),
  malformed: () => new ProblemError('malformed_json'),
  not_an_array: () => invalidBatch('wrong_type', 'Must be an array.'),
  too_many: () => invalidBatch('too_many', `Must have at most ${apiBounds.batchPaymentsMax} payments.`),
};

function invalidBatch(code: string, message: string): ProblemError {
  return new ProblemError('invalid_batch', { errors: [{ pointer: '', code, message }] });
}

const head = Buffer.from('{"results":[');
const separator = Buffer.from(',');
const tail = Buffer.from(']}');

/** The items of a batch's body. @throws ProblemError where it is no JSON array of payments. */
async function split(turns: Turns, bytes: Uint8Array): Promise<readonly Uint8Array[]> {
  const splitter = new ArraySplitter(bytes, apiBounds.batchPaymentsMax);
  let result: SplitResult | undefined;
  await turns.run(() => {
    result = splitter.advance(apiBounds.batchStepBytes);
    return result !== undefined;
  });
  if (result?.kind === 'items') return result.items;
  throw faults[result?.kind ?? 'malformed']();
}

/** Hands the items over in their order, some in each turn; resolves when every one has its result. */
async function decideAll(
  turns: Turns,
  items: readonly Uint8Array[],
  decide: (item: Uint8Array) => Promise<DecideResult>,
): Promise<readonly DecideResult[]> {
  const results: Promise<DecideResult>[] = [];
  await turns.run(() => {
    const item = items[results.length];
    if (item !== undefined) {
      const result = decide(item);
      // Awaited with the others below; until then a failure is not an unhandled one.
      result.catch(() => {});
      results.push(result);
    }
    return results.length === items.length;
  });
  return Promise.all(results);
}

async function batchBody(turns: Turns, results: readonly DecideResult[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [head];
  let written = 0;
  await turns.run(() => {
    const result = results[written];
    if (result === undefined) return true;
    if (written++ > 0) pieces.push(separator);
    pieces.push(...batchItem(result));
    return false;
  });
  pieces.push(tail);
  return Buffer.concat(pieces);
}

export function registerBatch(v1: FastifyInstance, { options, clock }: ApiContext): void {
  const { service } = options;
  const turns = new Turns(apiBounds.batchSliceMs, () => clock.monotonicMs());
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
        const { tenantId } = callerOf(request);
        const decide = (item: Uint8Array) => service.decide(tenantId, item, request.receivedAtMs, deadlineMs);
        const results = await decideAll(turns, await split(turns, bodyOf(request)), decide);
        return await reply.type('application/json').send(await batchBody(turns, results));
      } finally {
        inFlight--;
      }
    },
  );
}
