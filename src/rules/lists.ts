import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { literalLengthMax, listsMax, listValuesMax } from './limits.ts';

/** The lists of a release: `{NAME: {description, values}}`. Values are compared as they are, letter by letter. */
export const ListsDefinition = Type.Record(
  Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }),
  Type.Object(
    {
      description: Type.String({ minLength: 1, maxLength: 500 }),
      values: Type.Array(Type.String({ minLength: 1, maxLength: literalLengthMax }), {
        maxItems: listValuesMax,
        uniqueItems: true,
      }),
    },
    { additionalProperties: false },
  ),
  { additionalProperties: false, maxProperties: listsMax },
);

const validator = Compile(ListsDefinition);

export interface ListProblem {
  readonly pointer: string;
  readonly message: string;
}

export function lintLists(definition: unknown): readonly ListProblem[] {
  return validator
    .Errors(definition)
    .filter((error) => error.message !== 'schema is false')
    .map((error) => ({ pointer: error.instancePath, message: error.message }));
}

/**
 * Members of each list by name.
 * @throws when the definition does not pass `lintLists`.
 */
export function compileLists(definition: unknown): ReadonlyMap<string, ReadonlySet<string>> {
  if (!validator.Check(definition)) {
    const first = lintLists(definition)[0];
    throw new Error(`lists${first?.pointer ?? ''}: ${first?.message ?? 'malformed'}`);
  }
  return new Map(Object.entries(definition).map(([name, list]) => [name, new Set(list.values)]));
}
