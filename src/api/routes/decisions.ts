/** Reading decisions back: one by its payment, many by a filter, and the summary of a time. */
import type { FastifyInstance } from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { idCharactersMax } from '../../domain/bounds.ts';
import { parseTimestamp } from '../../domain/timestamp.ts';
import type { DecisionFilter } from '../../pipeline/ports.ts';
import type { RecordedDecisionView } from '../../pipeline/service.ts';
import { callerOf } from '../authentication.ts';
import { apiBounds } from '../bounds.ts';
import type { ApiContext } from '../options.ts';
import { ProblemError } from '../problem.ts';
import { checkNumbers, invalidQuery } from '../query.ts';
import { responses } from '../schemas.ts';
import { labelBody } from './labels.ts';

const ms = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000, description }));
const time = (description: string) => Type.Optional(Type.String({ maxLength: 40, description }));
const fraction = (description: string) => Type.Optional(Type.Number({ minimum: 0, maximum: 1, description }));

const times = {
  from: time('Earliest decidedAt, RFC 3339.'),
  to: time('End of the time (not included), RFC 3339.'),
  fromMs: ms('The same as `from`, in milliseconds since the Unix epoch.'),
  toMs: ms('The same as `to`, in milliseconds since the Unix epoch.'),
};

const listQuery = Type.Object(
  {
    ...times,
    action: Type.Optional(Type.Enum(['allow', 'hold'])),
    ruleId: Type.Optional(Type.String({ minLength: 1, maxLength: idCharactersMax, description: 'A rule that fired.' })),
    customerId: Type.Optional(Type.String({ minLength: 1, maxLength: idCharactersMax })),
    scoreMin: fraction('Lowest score.'),
    scoreMax: fraction('Highest score.'),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: apiBounds.pageItemsMax, default: apiBounds.pageItemsDefault }),
    ),
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: apiBounds.cursorCharactersMax,
        description: '`next` of the page before.',
      }),
    ),
  },
  { additionalProperties: false },
);

const summaryQuery = Type.Object(
  {
    ...times,
    bucketMs: Type.Optional(
      Type.Integer({ minimum: 1000, maximum: 31_536_000_000, description: 'Width of a point of the series.' }),
    ),
  },
  { additionalProperties: false },
);

interface Times {
  readonly from?: string;
  readonly to?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** The bound of a time from its two spellings. */
function boundOf(name: 'from' | 'to', query: Times): number | undefined {
  const text = query[name];
  const given = query[`${name}Ms`];
  if (text === undefined) return given;
  if (given !== undefined) throw invalidQuery(name, `Must not be given together with ${name}Ms.`);
  const parsed = parseTimestamp(text);
  if (typeof parsed === 'string') throw invalidQuery(name, 'Must be an RFC 3339 timestamp with a zone.');
  return parsed;
}

function filterOf(query: Static<typeof listQuery>, tenantId: string): DecisionFilter {
  const fromMs = boundOf('from', query);
  const toMs = boundOf('to', query);
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw invalidQuery('from', 'Must be before the end.');
  const { scoreMin, scoreMax } = query;
  if (scoreMin !== undefined && scoreMax !== undefined && scoreMin > scoreMax) {
    throw invalidQuery('scoreMin', 'Must not be above scoreMax.');
  }
  const { from: _from, to: _to, fromMs: _fromMs, toMs: _toMs, limit, ...rest } = query;
  return {
    ...rest,
    tenantId,
    limit: limit ?? apiBounds.pageItemsDefault,
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
  };
}

const hourMs = 3_600_000;
const pointsDefault = 60;

/** The window of a summary; the last hour in 60 points where nothing is said. */
function windowOf(
  query: Static<typeof summaryQuery>,
  nowMs: number,
): { fromMs: number; toMs: number; bucketMs: number } {
  const toMs = boundOf('to', query) ?? nowMs;
  const fromMs = boundOf('from', query) ?? Math.max(0, toMs - hourMs);
  if (fromMs >= toMs) throw invalidQuery('from', 'Must be before the end.');
  const bucketMs = query.bucketMs ?? Math.max(1000, Math.ceil((toMs - fromMs) / pointsDefault));
  if ((toMs - fromMs) / bucketMs > apiBounds.summaryPointsMax) {
    throw invalidQuery('bucketMs', `Must give at most ${apiBounds.summaryPointsMax} points.`);
  }
  return { fromMs, toMs, bucketMs };
}

/** The decision's own members as they were answered, then what it was made from. */
function viewBody(view: RecordedDecisionView) {
  const { decision, payment, features, explanation, labels } = view;
  return { ...decision, payment, features, explanation, labels: labels.map(labelBody) };
}

export function registerDecisions(scope: FastifyInstance, { options, clock }: ApiContext): void {
  const v1 = scope.withTypeProvider<TypeBoxTypeProvider>();
  const config = { scope: 'read' } as const;

  v1.get(
    '/decisions/:paymentId',
    {
      config,
      schema: {
        tags: ['decisions'],
        summary: 'A recorded decision with its features and explanation',
        params: Type.Object({ paymentId: Type.String() }),
        response: responses('RecordedDecision', 'The decision.', [
          'decision_not_found',
          'uri_too_long',
          'decisions_unavailable',
        ]),
      },
    },
    async (request) => {
      const view = await options.service.get(callerOf(request).tenantId, request.params.paymentId);
      if (view === undefined) throw new ProblemError('decision_not_found');
      return viewBody(view);
    },
  );

  v1.get(
    '/decisions/:paymentId/explanation',
    {
      config,
      schema: {
        tags: ['decisions'],
        summary: "Shapley values of a decision's model inputs, and what would have let it through",
        params: Type.Object({ paymentId: Type.String() }),
        response: responses('DecisionExplanation', 'The explanation.', [
          'decision_not_found',
          'release_not_found',
          'uri_too_long',
          'decisions_unavailable',
        ]),
      },
    },
    async (request) => {
      const explanation = await options.service.explain(callerOf(request).tenantId, request.params.paymentId);
      if (explanation === undefined) throw new ProblemError('decision_not_found');
      if (explanation === 'busy') throw new ProblemError('overloaded');
      return explanation;
    },
  );

  v1.get(
    '/decisions',
    {
      config,
      preValidation: async (request) => checkNumbers(listQuery, request.query),
      schema: {
        tags: ['decisions'],
        summary: 'Decisions by time, action, rule, customer and score',
        description: 'Read from the analytics store, which follows the decisions by about a second.',
        querystring: listQuery,
        response: responses('DecisionPage', 'A page.', ['invalid_query', 'analytics_unavailable']),
      },
    },
    (request) => options.analytics.findDecisions(filterOf(request.query, callerOf(request).tenantId)),
  );

  v1.get(
    '/summary',
    {
      config,
      preValidation: async (request) => checkNumbers(summaryQuery, request.query),
      schema: {
        tags: ['decisions'],
        summary: 'Numbers over a time: decisions, holds, latency, top rules, labels',
        querystring: summaryQuery,
        response: responses('Summary', 'The numbers.', ['invalid_query', 'analytics_unavailable']),
      },
    },
    (request) => {
      const { fromMs, toMs, bucketMs } = windowOf(request.query, clock.nowMs());
      return options.analytics.summary(callerOf(request).tenantId, fromMs, toMs, bucketMs);
    },
  );
}
