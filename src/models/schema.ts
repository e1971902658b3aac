/** A model as a release holds it, as JSON Schema. Loading it asks for more (inputs.ts, network.ts) and says so in words. */
import { Type } from 'typebox';
import { referenceSchema } from './monitoring/reference.ts';
import { backgroundRowsMax, factMagnitudeMax, modelInputsMax, vocabularyMax } from './bounds.ts';

export const numericInputSchema = Type.Object({
  fact: Type.String({ minLength: 1, description: 'A numeric fact of the release.' }),
  transform: Type.Enum(['none', 'signedLog1p'], { description: '`signedLog1p` is sign(x) · log(1 + |x|).' }),
  missing: Type.Number({
    minimum: -factMagnitudeMax,
    maximum: factMagnitudeMax,
    description: 'The value used where the fact is missing.',
  }),
});

export const categoryInputSchema = Type.Object({
  fact: Type.String({ minLength: 1, description: 'A text fact of the release.' }),
  kind: Type.Literal('category', {
    description: 'Embedded by the graph: 0 is missing, 1 another text, 2 … the vocabulary.',
  }),
  vocabulary: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: vocabularyMax }),
});

export const modelInputSchema = Type.Union([numericInputSchema, categoryInputSchema]);

export const modelCardSchema = Type.Object(
  {
    id: Type.String(),
    inputs: Type.Array(modelInputSchema, { minItems: 1, maxItems: modelInputsMax }),
    reference: Type.Optional(referenceSchema),
  },
  { description: 'Also where the model comes from and how good it is: data, split, metrics.' },
);

export const weightSpecSchema = Type.Object({
  name: Type.String(),
  shape: Type.Array(Type.Integer({ minimum: 0 })),
  dtype: Type.String(),
});

export const modelSchema = Type.Object(
  {
    modelTopology: Type.Unknown({ description: 'As TF.js writes a LayersModel.' }),
    weightSpecs: Type.Array(weightSpecSchema),
    weightData: Type.String({ description: 'Base64 of the concatenated weights, little endian.' }),
    card: modelCardSchema,
    background: Type.Optional(
      Type.Array(Type.Array(Type.Union([Type.Number(), Type.String(), Type.Null()])), {
        maxItems: backgroundRowsMax,
        description:
          'Payments that explanations compare with: for each the facts in the order of the inputs, a text for a category, null where missing.',
      }),
    ),
  },
  { additionalProperties: false, title: 'Model' },
);
