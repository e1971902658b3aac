/** What routes with query parameters share. */
import type { TObject } from 'typebox';
import { ProblemError } from './problem.ts';

/** Query parameters arrive as texts. Converting them is lenient (`1.5` becomes the integer 1), so their spelling is checked first. */
export function checkNumbers(schema: TObject, query: unknown): void {
  for (const [name, text] of Object.entries(query as Readonly<Record<string, unknown>>)) {
    const property: object = Object.hasOwn(schema.properties, name) ? (schema.properties[name] as object) : {};
    const type: unknown = 'type' in property ? property.type : undefined;
    if (type === 'integer' && !/^-?\d{1,16}$/.test(String(text))) throw invalidQuery(name, 'Must be an integer.');
    if (type === 'number' && !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(String(text)))
      throw invalidQuery(name, 'Must be a number.');
  }
}

export function invalidQuery(parameter: string, message: string): ProblemError {
  return new ProblemError('invalid_query', { errors: [{ parameter, code: 'unknown_value', message }] });
}
