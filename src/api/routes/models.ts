/** The models of the release in use: which they are, how they are, and how they compare. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { formatTimestamp } from '../../domain/timestamp.ts';
import type { ModelWindow } from '../../pipeline/modelAnalytics.ts';
import type { ModelsService, ReleasedModel } from '../../pipeline/models.ts';
import type { ParityState } from '../../pipeline/parityJob.ts';
import { callerOf } from '../authentication.ts';
import type { ApiContext } from '../options.ts';
import { ProblemError } from '../problem.ts';
import { checkNumbers } from '../query.ts';
import { responses } from '../schemas.ts';

const dayMs = 86_400_000;
const daysMax = 400;
const healthDaysDefault = 7;
const comparisonDaysDefault = 30;

const days = (byDefault: number) =>
  Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: daysMax,
      default: byDefault,
      description: 'Decisions of so many days, up to now.',
    }),
  );
const assumedAfterDays = Type.Optional(
  Type.Integer({
    minimum: 0,
    maximum: daysMax,
    description:
      'Take a payment without a label as legitimate when it is so many days old. Without it only labels count.',
  }),
);
const healthQuery = Type.Object({ days: days(healthDaysDefault), assumedAfterDays }, { additionalProperties: false });
const comparisonQuery = Type.Object(
  {
    days: days(comparisonDaysDefault),
    assumedAfterDays,
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 31,
        default: 1,
        description: 'Of the bootstrap: the same gives the same.',
      }),
    ),
  },
  { additionalProperties: false },
);
const params = Type.Object({
  id: Type.String({ description: 'A model’s id, the beginning of its version (six digits or more), or `champion`.' }),
});

function windowOf(query: Static<typeof healthQuery>, byDefault: number, tenantId: string, toMs: number): ModelWindow {
  const { days: given, assumedAfterDays: assumed } = query;
  return {
    tenantId,
    fromMs: Math.max(0, toMs - (given ?? byDefault) * dayMs),
    toMs,
    ...(assumed === undefined ? {} : { assumedBeforeMs: Math.max(0, toMs - assumed * dayMs) }),
  };
}

const times = ({ fromMs, toMs }: ModelWindow) => ({ from: formatTimestamp(fromMs), to: formatTimestamp(toMs) });
const identity = ({ id, version, role }: ReleasedModel) => ({ id, version, role });

/** Mismatches of other tenants' payments are counted, and shown to nobody but them. */
function parityBody(parity: ParityState | undefined, tenant: string) {
  if (parity === undefined) return null;
  const { lastAtMs, lastError, shown, ...counts } = parity;
  return {
    ...counts,
    shown: shown.filter(({ tenantId }) => tenantId === tenant).map(({ tenantId: _own, ...mismatch }) => mismatch),
    lastAt: lastAtMs === undefined ? null : formatTimestamp(lastAtMs),
    lastError: lastError ?? null,
  };
}

export function registerModels(scope: FastifyInstance, { options, clock }: ApiContext): void {
  const v1 = scope.withTypeProvider<TypeBoxTypeProvider>();
  const config = { scope: 'read' } as const;
  const tags = ['models'];

  function found(id: string): { readonly models: ModelsService; readonly model: ReleasedModel } {
    const { models } = options;
    const model = models?.find(id);
    if (models === undefined || model === undefined) throw new ProblemError('model_not_found');
    return { models, model };
  }

  v1.get(
    '/models',
    {
      config,
      schema: {
        tags,
        summary: 'The champion and the challengers of the release in use',
        response: responses('ModelList', 'The models.', ['model_not_found']),
      },
    },
    () => {
      const { models } = options;
      if (models === undefined) throw new ProblemError('model_not_found');
      const list = models.list().map((model) => ({
        ...identity(model),
        inputs: model.artefact.card.inputs.length,
        reference: model.artefact.card.reference !== undefined,
      }));
      return { releaseId: models.releaseId, models: list };
    },
  );

  v1.get(
    '/models/:id/health',
    {
      config,
      preValidation: async (request) => checkNumbers(healthQuery, request.query),
      schema: {
        tags,
        summary: 'What a model is given against what it was trained on, and what became of its answers',
        params,
        querystring: healthQuery,
        response: responses('ModelHealth', 'The health.', [
          'model_not_found',
          'uri_too_long',
          'invalid_query',
          'analytics_unavailable',
        ]),
      },
    },
    async (request) => {
      const { models, model } = found(request.params.id);
      const { tenantId } = callerOf(request);
      const window = windowOf(request.query, healthDaysDefault, tenantId, clock.nowMs());
      const health = await models.health(model, window);
      const { releaseId } = models;
      return {
        ...identity(model),
        releaseId,
        ...times(window),
        ...health,
        parity: parityBody(models.parity() ?? (await models.recordedParity(window)), tenantId),
      };
    },
  );

  v1.get(
    '/models/:id/comparison',
    {
      config,
      preValidation: async (request) => checkNumbers(comparisonQuery, request.query),
      schema: {
        tags,
        summary: 'Champion and challengers on the same payments, as far as their labels have arrived',
        description: 'Of the champion, with all challengers; of a challenger, with it alone.',
        params,
        querystring: comparisonQuery,
        response: responses('ModelComparison', 'The comparison.', [
          'model_not_found',
          'uri_too_long',
          'invalid_query',
          'analytics_unavailable',
        ]),
      },
    },
    async (request) => {
      const { models, model } = found(request.params.id);
      const { seed, ...query } = request.query;
      const window = windowOf(query, comparisonDaysDefault, callerOf(request).tenantId, clock.nowMs());
      const comparison = await models.comparison(model, window, seed ?? 1);
      return {
        releaseId: models.releaseId,
        ...times(window),
        ...comparison,
        models: comparison.models.map((compared, i) => ({ ...compared, role: i === 0 ? 'champion' : 'challenger' })),
      };
    },
  );
}
