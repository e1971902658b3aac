/** How a model is made, as data: `config/default/model/recipe.json`. */
import { readFileSync } from 'node:fs';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { wrongUsage } from '../../config/exit.ts';
import { factMagnitudeMax, layerUnitsMax, modelInputsMax } from '../../models/bounds.ts';

const closed = { additionalProperties: false };
const hiddenLayersMax = 8;

export const recipeSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9-]{1,64}$' }),
    about: Type.Optional(Type.String()),
    inputs: Type.Array(
      Type.Object(
        {
          fact: Type.String({ minLength: 1, maxLength: 256 }),
          transform: Type.Union([Type.Literal('none'), Type.Literal('signedLog1p')]),
          missing: Type.Number({ minimum: -factMagnitudeMax, maximum: factMagnitudeMax }),
        },
        closed,
      ),
      { minItems: 1, maxItems: modelInputsMax },
    ),
    hidden: Type.Array(Type.Integer({ minimum: 1, maximum: layerUnitsMax }), { maxItems: hiddenLayersMax }),
    epochs: Type.Integer({ minimum: 1, maximum: 1000 }),
    batchRows: Type.Integer({ minimum: 1, maximum: 65536 }),
    learningRate: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
    weightDecay: Type.Number({ minimum: 0, maximum: 10 }),
    averagedPart: Type.Number({ minimum: 0, maximum: 1 }),
  },
  closed,
);
export type Recipe = Static<typeof recipeSchema>;

/** @throws CommandError (exit code 2) naming what is wrong with the file */
export function readRecipe(path: string): Recipe {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The recipe ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (Value.Check(recipeSchema, document)) return document;
  const problems = [...Value.Errors(recipeSchema, document)].map(
    ({ instancePath, message }) => `${instancePath === '' ? 'the document' : instancePath} ${message}`,
  );
  throw wrongUsage(`The recipe ${path} is not valid: ${[...new Set(problems)].slice(0, 5).join('; ')}.`);
}
