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
