/** A release as JSON Schema: its parts are the schemas of the rooms that check and compile them. */
import { Type } from 'typebox';
import { FeatureDefinitions } from '../features/definitions.ts';
import { modelSchema } from '../models/schema.ts';
import { PolicyDefinition } from '../policy/schema.ts';
import { ListsDefinition } from '../rules/lists.ts';
import { RuleDefinitions } from '../rules/schema.ts';

/** Models scored in shadow beside the champion. */
export const challengersMax = 3;

/** Raised when bundles of before can no longer be read as they are. */
export const bundleVersion = 1;

export const releaseSchema = Type.Object(
  {
    bundleVersion: Type.Literal(bundleVersion, { description: 'The version of this form.' }),
    features: FeatureDefinitions,
    rules: RuleDefinitions,
    lists: ListsDefinition,
    policy: PolicyDefinition,
    model: Type.Union([modelSchema, Type.Null()]),
    challengers: Type.Optional(
      Type.Array(modelSchema, {
        minItems: 1,
        maxItems: challengersMax,
        description: 'Scored in shadow, from the recorded features, after the decision; absent where there are none.',
      }),
    ),
  },
  {
    additionalProperties: false,
    title: 'Release',
    description: 'Everything a decision depends on besides the payment and its recorded features.',
  },
);

/** A release's file in the data directory: the outside of it. The bundle has its hash and is checked when it is compiled. */
export const storedReleaseSchema = Type.Object({
  id: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  featureNames: Type.Array(Type.String()),
  bundle: Type.Object({
    bundleVersion: Type.Literal(bundleVersion),
    features: Type.Unknown(),
    rules: Type.Array(Type.Unknown()),
    lists: Type.Unknown(),
    policy: Type.Unknown(),
    model: Type.Union([Type.Object({}), Type.Null()]),
    challengers: Type.Optional(Type.Array(Type.Object({}), { minItems: 1, maxItems: challengersMax })),
  }),
});
