import { Type, type Static } from 'typebox';
import { entityAliases } from './fields.ts';

/** How a release writes its features: `config/default/features.json`. docs/features.md is the manual. */
export const aggregates = [
  'count',
  'sum',
  'mean',
  'min',
  'max',
  'stddev',
  'distinct',
  'fraudRate',
  'sinceLast',
  'sinceFirst',
  'isFirst',
  'frauds',
  'unusual',
  'fraudRun',
  'sinceFraudRun',
  'sinceFraud',
  'sinceGenuine',
] as const;
export type Aggregate = (typeof aggregates)[number];

export const featuresMax = 512;
const windowsPerDefinitionMax = 16;
export const filtersMax = 7;
export const ringEventsDefault = 2048;
const ringEventsMax = 2048;
const ringEventsMin = 8;

const text = Type.String({ minLength: 1, maxLength: 128 });
const factorsPerDefinitionMax = 8;
const factorMax = 1000;
const factors = Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: factorMax }), {
  minItems: 1,
  maxItems: factorsPerDefinitionMax,
});

const TextCondition = Type.Object(
  {
    in: Type.Optional(Type.Array(text, { minItems: 1, maxItems: 256 })),
    notIn: Type.Optional(Type.Array(text, { minItems: 1, maxItems: 256 })),
    present: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false, minProperties: 1 },
);
const AmountCondition = Type.Object(
  { min: Type.Optional(Type.Number()), max: Type.Optional(Type.Number()) },
  { additionalProperties: false, minProperties: 1 },
);
export type TextCondition = Static<typeof TextCondition>;
export type AmountCondition = Static<typeof AmountCondition>;

/** All conditions must hold. They are evaluated once, when the payment is appended. */
export const FilterDefinition = Type.Object(
  {
    amountMinor: Type.Optional(AmountCondition),
    channel: Type.Optional(TextCondition),
    country: Type.Optional(TextCondition),
    currency: Type.Optional(TextCondition),
    merchantCategoryCode: Type.Optional(TextCondition),
    account: Type.Optional(TextCondition),
    counterpartyAccount: Type.Optional(TextCondition),
    merchant: Type.Optional(TextCondition),
    terminal: Type.Optional(TextCondition),
    card: Type.Optional(TextCondition),
    device: Type.Optional(TextCondition),
    ip: Type.Optional(TextCondition),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type FilterDefinition = Static<typeof FilterDefinition>;

const alias = `(${entityAliases.join('|')})`;
const entityPattern = `^${alias}(\\+${alias})?$`;
export const FeatureDefinition = Type.Object(
  {
    entity: Type.String({ pattern: entityPattern }),
    /** The entity in another role: by which fields the payments looked at name it. */
    as: Type.Optional(Type.String({ pattern: entityPattern })),
    aggregate: Type.Enum([...aggregates]),
    field: Type.Optional(text),
    windows: Type.Optional(Type.Array(text, { minItems: 1, maxItems: windowsPerDefinitionMax })),
    delay: Type.Optional(text),
    filter: Type.Optional(text),
    /** Of `unusual`: the window, and how long before the counted one it ends, whose mean and deviation are the usual. */
    reference: Type.Optional(text),
    referenceDelay: Type.Optional(text),
    /** Of `unusual`: how many times the mean, or how many deviations above it, an amount must exceed; a feature each. */
    timesMean: Type.Optional(factors),
    deviations: Type.Optional(factors),
  },
  { additionalProperties: false },
);
export type FeatureDefinition = Static<typeof FeatureDefinition>;

const derivedOps = ['ratio', 'zScore', 'rate', 'difference', 'logRatio', 'smoothedRate', 'common'] as const;
/**
 * `ratio` a ÷ b; `zScore` (a − b) ÷ c; `rate` short count ÷ what the long count makes expect in the short window;
 * `difference` a − b; `logRatio` ln(a ÷ b); `smoothedRate` (a + weight · prior) ÷ (b + weight); `common` how many values two
 * `distinct` features share.
 */
export const DerivedDefinition = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][A-Za-z0-9+]*(\\.[A-Za-z0-9]+)+$', maxLength: 128 }),
    op: Type.Enum([...derivedOps]),
    of: Type.Array(text, { minItems: 2, maxItems: 3 }),
    whenZero: Type.Optional(Type.Number()),
    /** Of `smoothedRate`: the rate where nothing is known, and how many payments it weighs. */
    prior: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    weight: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1e9 })),
  },
  { additionalProperties: false },
);
export type DerivedDefinition = Static<typeof DerivedDefinition>;

export const FeatureDefinitions = Type.Object(
  {
    version: Type.Literal(1),
    ringEventsMax: Type.Optional(Type.Integer({ minimum: ringEventsMin, maximum: ringEventsMax })),
    filters: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z][A-Za-z]{1,31}$' }), FilterDefinition, { maxProperties: 32 }),
    ),
    features: Type.Array(FeatureDefinition, { minItems: 1, maxItems: featuresMax }),
    derived: Type.Optional(Type.Array(DerivedDefinition, { maxItems: featuresMax })),
  },
  { additionalProperties: false },
);
export type FeatureDefinitions = Static<typeof FeatureDefinitions>;
