/** What the API says of models. */
import { Type } from 'typebox';
import { measureNames } from '../models/monitoring/comparison.ts';

const count = Type.Integer({ minimum: 0 });
const sha256 = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description });
const modelIdentity = {
  id: Type.String({ description: 'Of the model’s card.' }),
  version: sha256('Hash of the model, as decisions name it.'),
};
const role = Type.Enum(['champion', 'challenger'], {
  description: 'The champion decides, challengers are scored in shadow.',
});
const orNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description });
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
    otherOrder: Type.Integer({
      minimum: 0,
      description: 'Values that another order of payments decided at the same time gives.',
    }),
    orderUnknown: Type.Integer({
      minimum: 0,
      description: 'Values that differ, with too many payments at the same time to try every order.',
    }),
    notCovered: Type.Integer({ minimum: 0, description: 'Values that look farther back than what was read.' }),
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
    lastAt: orNull('When the last check ended, RFC 3339.'),
    lastError: orNull('Why the last check did not end.'),
  },
  {
    title: 'Parity',
    description:
      'Recorded features against the same computed again from the log, since the start of the process, or of the time.',
  },
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
      description: 'Null where nothing was compared.',
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

export const modelSchemas = {
  ModelList: modelListSchema,
  ModelHealth: modelHealthSchema,
  ModelComparison: modelComparisonSchema,
} as const;
