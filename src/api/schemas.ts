/** The API's documents beyond those of the domain, and how routes refer to all of them. */
import { Type } from 'typebox';
import type { ErrorCode } from '../domain/errors.ts';
import { errors } from '../domain/errors.ts';
import { measureNames } from '../models/monitoring/comparison.ts';
import { decisionSchema, labelSchema, paymentSchema } from '../domain/schemas.ts';
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

const sha256 = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description });
const modelIdentity = {
  id: Type.String({ description: 'Of the model’s card.' }),
  version: sha256('Hash of the model, as decisions name it.'),
};
const role = Type.Enum(['champion', 'challenger'], {
  description: 'The champion decides, challengers are scored in shadow.',
});
const orNull = <Schema extends ReturnType<typeof Type.Unsafe> | ReturnType<typeof Type.Number>>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const numberOrNull = (description: string) => Type.Union([Type.Number(), Type.Null()], { description });
const interval = Type.Union([Type.Object({ low: Type.Number(), high: Type.Number() }), Type.Null()], {
  description: '95 %; null where it cannot be had.',
});
const moment = Type.String({ description: 'RFC 3339.' });

const modelListSchema = Type.Object(
  {
    releaseId: sha256('The release in use.'),
    models: Type.Array(
      Type.Object({
        ...modelIdentity,
        role,
        inputs: count,
        reference: Type.Boolean({
          description: 'Whether its card says what it was trained on, so that drift can be told.',
        }),
      }),
    ),
  },
  { title: 'ModelList', description: 'The champion first.' },
);

const stability = {
  drift: Type.Enum(['stable', 'moderate', 'shifted', 'unknown']),
  psi: numberOrNull('Population stability index against the training reference.'),
  psiByChance: numberOrNull('What the index would be about, had nothing moved.'),
};
const share = Type.Object({ value: numberOrNull('The share.'), of: count, interval });

const paritySchema = Type.Object(
  {
    checks: count,
    compared: Type.Integer({ minimum: 0, description: 'Payments whose every feature was computed again.' }),
    values: count,
    withinBounds: Type.Integer({
      minimum: 0,
      description: 'Values that are not exact and differ within their bounds.',
    }),
    mismatches: Type.Integer({ minimum: 0, description: 'Values that differ. Expected: 0.' }),
    notComparable: Type.Record(Type.String(), count, { description: 'Payments by the reason.' }),
    shown: Type.Array(
      Type.Object({
        paymentId: Type.String(),
        feature: Type.String(),
        online: numberOrNull('As recorded; null is missing.'),
        recomputed: numberOrNull('From the log.'),
      }),
      { description: 'The newest mismatches.' },
    ),
    lastAt: orNull(Type.Unsafe(moment)),
    lastError: orNull(Type.Unsafe(Type.String())),
  },
  { title: 'Parity', description: 'Recorded features against the same computed again from the log, since the start.' },
);

const modelHealthSchema = Type.Object(
  {
    ...modelIdentity,
    role,
    releaseId: sha256('The release in use.'),
    from: moment,
    to: moment,
    scored: Type.Integer({ minimum: 0, description: 'Payments that it scored.' }),
    sampled: Type.Integer({
      minimum: 0,
      description: 'Of those, the payments that inputs and scores are counted over.',
    }),
    referenceRows: Type.Union([count, Type.Null()], {
      description: 'Rows of the training reference; null where the card has none: then nothing is said of drift.',
    }),
    score: Type.Object(stability),
    inputs: Type.Array(
      Type.Object({
        fact: Type.String(),
        ...stability,
        missing: numberOrNull('Share of payments without a value.'),
        missingInReference: numberOrNull('The same in training.'),
      }),
    ),
    labels: Type.Object({
      labelled: count,
      frauds: count,
      assumed: Type.Integer({ minimum: 0, description: 'Without a label, and taken as legitimate as was asked.' }),
      delaySeconds: Type.Union([Type.Object({ p50: Type.Number(), p90: Type.Number() }), Type.Null()]),
    }),
    calibration: Type.Object({
      rows: count,
      expectedFrauds: Type.Number({ description: 'Sum of the probabilities.' }),
      observedFrauds: count,
      error: numberOrNull('Expected calibration error over ten bins.'),
      z: numberOrNull('Spiegelhalter’s z: beyond ± 2 the probabilities are seldom right.'),
      bins: Type.Array(Type.Object({ rows: count, expected: Type.Number(), observed: Type.Number() })),
    }),
    alerts: Type.Object({ precision: share, recall: share }),
    parity: Type.Union([paritySchema, Type.Null()], {
      description: 'Null where the log does not say in which order the velocity state saw payments.',
    }),
  },
  { title: 'ModelHealth', description: 'Over decidedAt in [from, to).' },
);

const measure = Type.Object({ value: numberOrNull('The measure.'), interval });
const difference = Type.Object({
  value: numberOrNull('The challenger’s measure less the champion’s.'),
  interval,
  above: numberOrNull('Share of the resamples in which the challenger’s was higher.'),
});
const perMeasure = (schema: typeof measure | typeof difference, description: string) =>
  Type.Object(Object.fromEntries(measureNames.map((name) => [name, schema])), { description });

const modelComparisonSchema = Type.Object(
  {
    releaseId: sha256('The release in use.'),
    from: moment,
    to: moment,
    known: Type.Integer({ minimum: 0, description: 'Payments that all of them scored, and whose truth is known.' }),
    rows: Type.Integer({ minimum: 0, description: 'Of those, the payments that were measured.' }),
    frauds: count,
    customers: Type.Integer({ minimum: 0, description: 'What the bootstrap draws.' }),
    models: Type.Array(
      Type.Object({
        ...modelIdentity,
        role,
        measures: perMeasure(measure, 'Precision and recall are of what the release would hold with the model.'),
        differences: Type.Union([perMeasure(difference, 'From the champion.'), Type.Null()]),
      }),
      { description: 'The champion first.' },
    ),
  },
  { title: 'ModelComparison', description: 'Over decidedAt in [from, to), on the same payments.' },
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
  ModelList: modelListSchema,
  ModelHealth: modelHealthSchema,
  ModelComparison: modelComparisonSchema,
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
