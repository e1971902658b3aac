import Type from 'typebox';
import type { Static } from 'typebox';
import { stringFacts } from '../rules/facts.ts';
import { degradedStages } from '../domain/decision.ts';

/** The decision policy of a release: data only. docs/policy.md explains each part. */
const amountBandsMax = 20;
const policyListsMax = 50;
const policyTextLengthMax = 500;
const contributionsMax = 10;
const amountMinorMax = 9e15;

const closed = { additionalProperties: false } as const;
const Share = Type.Number({ minimum: 0, maximum: 1 });
/** Thresholds are above 0, so that every hold has a reason. */
const Threshold = Type.Number({ exclusiveMinimum: 0, maximum: 1 });
const AmountMinor = Type.Integer({ minimum: 0, maximum: amountMinorMax });
const ReasonCode = Type.String({ pattern: '^[A-Z][A-Za-z0-9-]{0,31}$' });
const ReasonText = Type.String({ minLength: 1, maxLength: policyTextLengthMax });
const currencyPattern = '^[A-Z]{3}$';

/** A payment belongs to the first band whose `belowAmountMinor` is above its amount; the last band has none. */
const Band = Type.Object(
  {
    belowAmountMinor: Type.Optional(AmountMinor),
    holdFromScore: Threshold,
    holdFromProbability: Type.Optional(Threshold),
  },
  closed,
);
const Bands = Type.Array(Band, { minItems: 1, maxItems: amountBandsMax });

/** Amounts differ in worth from currency to currency: those that are named have their own. */
const AmountLimit = Type.Object(
  {
    default: AmountMinor,
    currencies: Type.Optional(Type.Record(Type.String({ pattern: currencyPattern }), AmountMinor, closed)),
  },
  closed,
);

const PolicyList = Type.Object(
  {
    list: Type.String({ minLength: 1 }),
    field: Type.Enum([...stringFacts]),
    outcome: Type.Enum(['hold', 'allow']),
    code: ReasonCode,
    text: ReasonText,
    /** As a rule's weight; 0 for `allow`. */
    weight: Share,
  },
  closed,
);

/** What forces a decision, whatever the score. */
export const forces = ['holdList', 'holdRule', 'allowList', 'allowRule'] as const;
export type Force = (typeof forces)[number];

/** `asUsual`: the stage's loss changes nothing. Otherwise payments from the amount on are held. */
const DegradedRule = Type.Union([Type.Literal('asUsual'), Type.Object({ holdFromAmountMinor: AmountLimit }, closed)]);

export const PolicyDefinition = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    score: Type.Object({ combine: Type.Literal('noisyOr'), modelWeight: Share }, closed),
    thresholds: Type.Object(
      {
        default: Bands,
        currencies: Type.Optional(Type.Record(Type.String({ pattern: currencyPattern }), Bands, closed)),
      },
      closed,
    ),
    lists: Type.Array(PolicyList, { maxItems: policyListsMax }),
    precedence: Type.Array(Type.Enum([...forces]), {
      minItems: forces.length,
      maxItems: forces.length,
      uniqueItems: true,
    }),
    degraded: Type.Object(
      {
        code: ReasonCode,
        text: ReasonText,
        default: DegradedRule,
        stages: Type.Record(Type.String({ pattern: `^(${degradedStages.join('|')})$` }), DegradedRule, closed),
      },
      closed,
    ),
    modelReason: Type.Object(
      {
        code: ReasonCode,
        fromProbability: Share,
        text: ReasonText,
        /** Added when the model says which inputs pushed towards fraud; `{inputs}` are their names. */
        inputsText: ReasonText,
        inputs: Type.Integer({ minimum: 0, maximum: contributionsMax }),
      },
      closed,
    ),
  },
  closed,
);
export type PolicyDefinition = Static<typeof PolicyDefinition>;
export type AmountBand = Static<typeof Band>;
export type AmountLimit = Static<typeof AmountLimit>;
export type DegradedRule = Static<typeof DegradedRule>;
