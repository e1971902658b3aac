/** How a model is made, as data: `config/default/model/recipe.json`. */
import { readFileSync } from 'node:fs';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { wrongUsage } from '../../config/exit.ts';
import { categoriesMax, factMagnitudeMax, layerUnitsMax, modelInputsMax, vocabularyMax } from '../../models/bounds.ts';
import type { Settings } from '../../models/training/procedure.ts';
import { splitDaysMax } from '../../models/training/protocol.ts';

const closed = { additionalProperties: false };
const hiddenLayersMax = 8;
/** Settings that are tried: bounded, since each is a training of its own. */
const candidatesMax = 8;
const ensembleMax = 9;
/** Each is a training more for every candidate and every network. */
const validationWindowsMax = 4;
/** Where there is something to choose, one week says too little of it. */
const windowsToChoose = 3;

const settings = {
  hidden: Type.Array(Type.Integer({ minimum: 1, maximum: layerUnitsMax }), { maxItems: hiddenLayersMax }),
  epochs: Type.Integer({ minimum: 1, maximum: 1000 }),
  batchRows: Type.Integer({ minimum: 1, maximum: 65536 }),
  learningRate: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
  weightDecay: Type.Number({ minimum: 0, maximum: 10 }),
  dropout: Type.Number({ minimum: 0, maximum: 0.9 }),
  patienceEpochs: Type.Integer({ minimum: 1, maximum: 1000 }),
};

const numericInput = Type.Object(
  {
    fact: Type.String({ minLength: 1, maxLength: 256 }),
    transform: Type.Union([Type.Literal('none'), Type.Literal('signedLog1p')]),
    missing: Type.Number({ minimum: -factMagnitudeMax, maximum: factMagnitudeMax }),
  },
  closed,
);
const categoryInput = Type.Object(
  {
    fact: Type.String({ minLength: 1, maxLength: 256 }),
    kind: Type.Literal('category'),
    /** Otherwise the texts that the release's rules name and those that the payments learned from have often enough. */
    vocabulary: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: vocabularyMax, uniqueItems: true }),
    ),
    countMin: Type.Optional(Type.Integer({ minimum: 1 })),
    textsMax: Type.Optional(Type.Integer({ minimum: 1, maximum: vocabularyMax })),
    /** Numbers that stand for a text. */
    width: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
  },
  closed,
);

export const recipeSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9-]{1,64}$' }),
    about: Type.Optional(Type.String()),
    /** For the card: what the model must not be taken for. */
    limits: Type.Optional(Type.Array(Type.String(), { maxItems: 16 })),
    inputs: Type.Array(Type.Union([numericInput, categoryInput]), { minItems: 1, maxItems: modelInputsMax }),
    /** Days to learn from, where they are more than the train days. */
    historyDays: Type.Optional(Type.Integer({ minimum: 0, maximum: splitDaysMax })),
    /** Networks whose logits are averaged, if that validates better than one. */
    ensemble: Type.Integer({ minimum: 1, maximum: ensembleMax }),
    ...settings,
    /** Successive windows at the end of the training period that choices are judged by; 3 where there are candidates, else 1. */
    validationWindows: Type.Optional(Type.Integer({ minimum: 1, maximum: validationWindowsMax })),
    /** What differs from the settings above, for each further try. */
    candidates: Type.Optional(Type.Array(Type.Partial(Type.Object(settings), closed), { maxItems: candidatesMax - 1 })),
  },
  closed,
);
export type Recipe = Static<typeof recipeSchema>;
export type CategoryRecipe = Static<typeof categoryInput>;

/** The facts of a recipe's or a card's inputs: numbers, and texts. */
export function factsOf(inputs: readonly { readonly fact: string }[]): { numeric: string[]; categories: string[] } {
  const categories = inputs.filter((input) => 'kind' in input);
  return {
    numeric: inputs.filter((input) => !('kind' in input)).map(({ fact }) => fact),
    categories: categories.map(({ fact }) => fact),
  };
}

/** How many windows judge: see the schema. */
export const validationWindowsOf = ({ validationWindows, candidates = [] }: Recipe): number =>
  validationWindows ?? (candidates.length > 0 ? windowsToChoose : 1);

/** The settings to try, the recipe's own first. */
export function candidatesOf(recipe: Recipe): Settings[] {
  const { hidden, epochs, batchRows, learningRate, weightDecay, dropout, patienceEpochs } = recipe;
  const own: Settings = { hidden, epochs, batchRows, learningRate, weightDecay, dropout, patienceEpochs };
  return [own, ...(recipe.candidates ?? []).map((change) => ({ ...own, ...change }))];
}

/** @throws CommandError (exit code 2) naming what is wrong with the file */
export function readRecipe(path: string): Recipe {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The recipe ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Value.Check(recipeSchema, document)) {
    const problems = [...Value.Errors(recipeSchema, document)].map(
      ({ instancePath, message }) => `${instancePath === '' ? 'the document' : instancePath} ${message}`,
    );
    throw wrongUsage(`The recipe ${path} is not valid: ${[...new Set(problems)].slice(0, 5).join('; ')}.`);
  }
  const { numeric, categories } = factsOf(document.inputs);
  if (numeric.length === 0)
    throw wrongUsage(`The recipe ${path} is not valid: a model needs a numeric input beside its categories.`);
  if (categories.length > categoriesMax)
    throw wrongUsage(
      `The recipe ${path} is not valid: it has ${categories.length} categories; at most ${categoriesMax} are served.`,
    );
  const widest = Math.max(...candidatesOf(document).flatMap(({ hidden }) => hidden), 1) * document.ensemble;
  if (widest > layerUnitsMax)
    throw wrongUsage(
      `The recipe ${path} is not valid: ${document.ensemble} networks side by side have ${widest} units in a layer; at most ${layerUnitsMax} are served. Take fewer networks or units.`,
    );
  return document;
}
