/** The API's documents beyond those of the domain, and how routes refer to all of them. */
import { Type } from 'typebox';
import type { ErrorCode } from '../domain/errors.ts';
import { errors } from '../domain/errors.ts';
import { decisionSchema, labelSchema, paymentSchema } from '../domain/schemas.ts';
import { modelSchemas } from './modelSchemas.ts';
import { problemType } from './problem.ts';

/** A shared schema by its `$id`; Fastify's way to write a reference, which OpenAPI shows as a component. */
export function ref(id: string): ReturnType<typeof Type.Unsafe> {
  return Type.Unsafe({ $ref: `${id}#` });
}

const anyObject = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description });

const problemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'Where this server explains the error.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What to do about it.' }),
    code: Type.Enum(Object.keys(errors), { description: 'For programs.' }),
    requestId: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(Type.String({ description: 'RFC 6901 pointer into the body.' })),
          parameter: Type.Optional(Type.String({ description: 'A query parameter.' })),
          header: Type.Optional(Type.String()),
          code: Type.String(),
          message: Type.String({ description: 'Never holds a value that was sent.' }),
        }),
      ),
    ),
  },
  { title: 'Problem', description: 'RFC 9457.' },
);

const batchResultSchema = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        status: Type.Integer({ description: 'What a single call would have answered.' }),
        decision: Type.Optional(ref('Decision')),
        idempotentReplay: Type.Optional(Type.Literal(true)),
        problem: Type.Optional(ref('Problem')),
      }),
      { description: 'One for each payment, in their order.' },
    ),
  },
  { title: 'BatchResult' },
);

const featureSchema = Type.Object({
  value: Type.Union([Type.Number(), Type.Null()]),
  exact: Type.Optional(Type.Literal(false)),
  bound: Type.Optional(Type.Number({ description: 'The largest possible distance from the true value.' })),
});

const recordedDecisionSchema = Type.Object(
  {
    ...decisionSchema.properties,
    payment: ref('Payment'),
    features: Type.Record(Type.String(), featureSchema, { description: 'Every feature with its value as used.' }),
    explanation: Type.Array(
      Type.Object({
        ruleId: Type.String(),
        text: Type.String(),
        tree: anyObject('Evaluation tree with the values seen.'),
      }),
    ),
    labels: Type.Array(ref('Label')),
  },
  {
    title: 'RecordedDecision',
    description: 'A decision, all its members as they were answered, with what it was made from and its labels.',
  },
);

const changeSchema = Type.Union([
  Type.Object({
    kind: Type.Literal('amountBelow'),
    amountMinor: Type.Integer({ description: 'Every amount tried below it was allowed.' }),
    currency: Type.String(),
  }),
  Type.Object({ kind: Type.Literal('known'), entity: Type.String({ description: 'As `customer+device`.' }) }),
  Type.Object({ kind: Type.Literal('countAtMost'), fact: Type.String(), value: Type.Integer() }),
]);

const counterfactualSchema = Type.Object({
  change: changeSchema,
  text: Type.String({ description: 'As in "would be allowed below 180.00 EUR".' }),
  score: Type.Number(),
  probability: Type.Union([Type.Number(), Type.Null()]),
  exact: Type.Boolean({
    description:
      'False where facts that decide, and that the change may move, kept their recorded value: `held` names them.',
  }),
  held: Type.Array(Type.String()),
});

const contributionSchema = Type.Object({
  fact: Type.String(),
  value: Type.Union([Type.Number(), Type.String(), Type.Null()]),
  contribution: Type.Number({ description: 'In logits; positive pushes towards fraud.' }),
  standardError: Type.Number({ description: '0 where exact.' }),
});

const modelExplanationSchema = Type.Object(
  {
    id: Type.String(),
    version: Type.String(),
    backend: Type.String(),
    method: Type.Enum(['exact', 'sampled']),
    base: Type.Number({ description: 'Mean logit of the background; base + all contributions = logit.' }),
    logit: Type.Number(),
    probability: Type.Number(),
    contributions: Type.Array(contributionSchema, { description: 'Shapley values, largest magnitude first.' }),
    backgroundRows: Type.Integer(),
    pairs: Type.Integer({ description: 'Pairs of permutations sampled; 0 where exact.' }),
    evaluations: Type.Integer(),
  },
  { description: 'Null where the model did not score.' },
);

const explanationSchema = Type.Object(
  {
    decisionId: Type.String(),
    paymentId: Type.String(),
    releaseId: Type.String(),
    action: Type.Enum(['allow', 'hold']),
    reproduced: Type.Boolean({
      description: 'Scoring what was recorded again gave the recorded action and probability.',
    }),
    model: Type.Union([modelExplanationSchema, Type.Null()]),
    counterfactuals: Type.Object({
      found: Type.Array(counterfactualSchema, { description: 'Each was scored again, rules, model and policy.' }),
      text: Type.String({ description: 'All that was found in one sentence; empty where nothing was.' }),
      checked: Type.Object({ amounts: Type.Integer(), known: Type.Integer(), counts: Type.Integer() }),
    }),
  },
  {
    title: 'DecisionExplanation',
    description: 'Of what was recorded, against the release that decided: never of the state or release of today.',
  },
);

const decisionPageSchema = Type.Object(
  {
    items: Type.Array(Type.Object({ decision: ref('Decision'), payment: ref('Payment') }), {
      description: 'Newest decidedAt first.',
    }),
    next: Type.Optional(Type.String({ description: '`cursor` of the next page; absent on the last one.' })),
  },
  { title: 'DecisionPage' },
);

const count = Type.Integer({ minimum: 0 });
const summarySchema = Type.Object(
  {
    total: count,
    holds: count,
    latencyMicros: Type.Object({ p50: Type.Number(), p99: Type.Number() }),
    series: Type.Array(Type.Object({ atMs: Type.Integer(), decisions: count, holds: count })),
    topRules: Type.Array(Type.Object({ id: Type.String(), hits: count, holds: count })),
    labels: Type.Object({ fraud: count, fraudHeld: count, legitimate: count, legitimateHeld: count }),
  },
  { title: 'Summary', description: 'Over decidedAt in [fromMs, toMs).' },
);

const readinessSchema = Type.Object(
  {
    ready: Type.Boolean(),
    dependencies: Type.Array(
      Type.Object({
        name: Type.String(),
        state: Type.Enum(['up', 'degraded', 'down']),
        detail: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: 'Readiness' },
);

const recordedLabelSchema = Type.Object(
  {
    ...labelSchema.properties,
    recorded: Type.Boolean({ description: 'False when the same label was recorded before.' }),
  },
  { title: 'RecordedLabel' },
);

/** Every shared schema by its `$id`. */
export const sharedSchemas = {
  Payment: paymentSchema,
  Decision: decisionSchema,
  Label: labelSchema,
  Problem: problemSchema,
  BatchResult: batchResultSchema,
  RecordedDecision: recordedDecisionSchema,
  DecisionExplanation: explanationSchema,
  DecisionPage: decisionPageSchema,
  Summary: summarySchema,
  Readiness: readinessSchema,
  RecordedLabel: recordedLabelSchema,
  ...modelSchemas,
} as const;
export type SharedSchemaName = keyof typeof sharedSchemas;

/** Errors that any call under /v1 can have. */
const commonCodes: readonly ErrorCode[] = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'overloaded',
  'shutting_down',
  'internal',
];

interface ResponseDoc {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: unknown }>>;
}

const problemMediaType = problemType.split(';', 1)[0] as string;

/** The responses of a route: its success, and for each status the errors by code. */
export function responses(
  success: SharedSchemaName,
  description: string,
  codes: readonly ErrorCode[],
): Record<string, ResponseDoc> {
  const documented: Record<string, ResponseDoc> = {
    200: { description, content: { 'application/json': { schema: ref(success) } } },
  };
  const byStatus = Map.groupBy([...codes, ...commonCodes], (code) => errors[code].status);
  for (const [status, group] of byStatus) {
    documented[status] = {
      description: [...new Set(group)].map((code) => `\`${code}\`: ${errors[code].title}.`).join(' '),
      content: { [problemMediaType]: { schema: ref('Problem') } },
    };
  }
  return documented;
}
