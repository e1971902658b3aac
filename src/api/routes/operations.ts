/** For those who run the service: alive, ready, metrics, and what an error means. No key is needed. */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { errors, isErrorCode } from '../../domain/errors.ts';
import type { Registry } from 'prom-client';
import type { DecisionService } from '../../pipeline/service.ts';
import { ProblemError, sendProblem } from '../problem.ts';
import { ref } from '../schemas.ts';

const json = (schema: unknown, description: string) => ({ description, content: { 'application/json': { schema } } });
const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref('Problem') } },
});

/** What these routes tell about. */
export interface Operated {
  readonly service: Pick<DecisionService, 'readiness'>;
  readonly metrics: Registry;
}

export function registerOperations(app: FastifyInstance, { options }: { readonly options: Operated }): void {
  const tags = ['operations'];

  app.get(
    '/healthz',
    {
      schema: {
        tags,
        summary: 'Alive',
        response: { 200: json(Type.Object({ status: Type.Literal('ok') }), 'Alive.') },
      },
    },
    () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Able to decide, with the state of each dependency',
        response: {
          200: json(ref('Readiness'), 'Ready.'),
          503: problem('`not_ready`; also has the members of Readiness.'),
        },
      },
    },
    (_request, reply) => {
      const readiness = options.service.readiness();
      return readiness.ready ? reply.send(readiness) : sendProblem(reply, 'not_ready', { ...readiness });
    },
  );

  app.get(
    '/metrics',
    { schema: { tags, summary: 'Metrics in Prometheus’ text format', produces: ['text/plain'] } },
    async (_request, reply) => reply.type(options.metrics.contentType).send(await options.metrics.metrics()),
  );

  app.get<{ Params: { code: string } }>(
    '/errors/:code',
    {
      schema: {
        tags,
        summary: 'What an error means: the `type` of a problem',
        params: Type.Object({ code: Type.String() }),
        response: {
          200: json(
            Type.Object({
              code: Type.String(),
              status: Type.Integer(),
              title: Type.String(),
              detail: Type.String(),
              retryable: Type.Boolean(),
            }),
            'The error.',
          ),
          404: problem('`route_not_found`'),
        },
      },
    },
    (request) => {
      const { code } = request.params;
      if (!isErrorCode(code)) throw new ProblemError('route_not_found');
      return { code, ...errors[code] };
    },
  );
}
