/** Mapping files: how the columns of a foreign CSV become payments. Format and examples: docs/replay.md, config/mappings/. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { wrongUsage } from '../../config/exit.ts';

const column = Type.String({ minLength: 1, description: "The column's name in the header line." });
const closed = { additionalProperties: false };

const textField = Type.Union([
  Type.Object({ column, prefix: Type.Optional(Type.String()) }, closed),
  Type.Object({ value: Type.String() }, closed),
]);
const idField = Type.Union([
  textField,
  Type.Object({ rowNumber: Type.Literal(true), prefix: Type.Optional(Type.String()) }, closed),
]);
const timeField = Type.Union([
  Type.Object({ column, zone: Type.Optional(Type.String({ pattern: '^(Z|[+-]\\d\\d:\\d\\d)$' })) }, closed),
  Type.Object({ column, unitMs: Type.Integer({ minimum: 1 }), since: Type.String() }, closed),
]);
const amountField = Type.Object(
  { column, decimals: Type.Integer({ minimum: 0, maximum: 4 }), round: Type.Optional(Type.Boolean()) },
  closed,
);
const labelFile = Type.Object(
  {
    file: Type.String({ minLength: 1, description: 'A CSV file, found from where the file of payments lies.' }),
    on: Type.Record(Type.String(), column, {
      minProperties: 1,
      maxProperties: 4,
      description: 'Columns of the payments and the columns of this file whose values must be the same.',
    }),
    absent: Type.Optional(Type.Union([Type.Literal('fraud'), Type.Literal('legitimate')])),
  },
  closed,
);
const optionalText = Type.Optional(textField);

export const mappingSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9-]{1,64}$' }),
    about: Type.Optional(Type.String()),
    columns: Type.Array(column, { description: 'A file that has all these columns is taken to be of this kind.' }),
    order: Type.Optional(Type.Union([Type.Literal('file'), Type.Literal('occurredAt')])),
    fields: Type.Object(
      {
        paymentId: idField,
        occurredAt: timeField,
        amountMinor: amountField,
        currency: textField,
        customerId: textField,
        accountId: optionalText,
        counterpartyAccountId: optionalText,
        merchantId: optionalText,
        terminalId: optionalText,
        cardId: optionalText,
        deviceId: optionalText,
        ipAddress: optionalText,
        channel: optionalText,
        merchantCategoryCode: optionalText,
        country: optionalText,
      },
      closed,
    ),
    label: Type.Optional(
      Type.Object(
        {
          column,
          fraud: Type.Array(Type.String()),
          legitimate: Type.Array(Type.String()),
          from: Type.Optional(labelFile),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type Mapping = Static<typeof mappingSchema>;
export type TextField = Static<typeof textField>;
export type IdField = Static<typeof idField>;
export type TimeField = Static<typeof timeField>;

const builtInDirectory = resolve(import.meta.dirname, '../../../config/mappings');

/** @throws CommandError (exit code 2) naming what is wrong with the file */
export function readMapping(path: string): Mapping {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw wrongUsage(`The mapping ${path} cannot be read: ${(error as Error).message}`);
  }
  if (Value.Check(mappingSchema, document)) return document;
  const problems = [...Value.Errors(mappingSchema, document)].map(
    (problem) => `${problem.instancePath === '' ? 'the document' : problem.instancePath} ${problem.message}`,
  );
  throw wrongUsage(`The mapping ${path} is not valid: ${[...new Set(problems)].slice(0, 5).join('; ')}.`);
}

export function builtInMappings(): Mapping[] {
  return readdirSync(builtInDirectory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => readMapping(resolve(builtInDirectory, name)));
}

/** The one built-in mapping whose columns the header has. @throws CommandError (exit code 2) where there is none or more than one */
export function chooseMapping(header: readonly string[], mappings: readonly Mapping[] = builtInMappings()): Mapping {
  const fitting = mappings.filter((mapping) => mapping.columns.every((name) => header.includes(name)));
  if (fitting.length === 1) return fitting[0]!;
  const known = mappings.map((mapping) => mapping.name).join(', ');
  throw wrongUsage(
    `The columns (${header.slice(0, 12).join(', ')}) fit ${fitting.length === 0 ? 'none' : 'several'} of the known kinds of file (${known}); describe them with --mapping FILE (docs/replay.md).`,
  );
}

/** @throws CommandError (exit code 2) naming the columns that the mapping reads and the file lacks */
export function requireColumns(mapping: Mapping, header: readonly string[]): void {
  const required = ['paymentId', 'occurredAt', 'amountMinor', 'currency', 'customerId'] as const;
  const read = required
    .map((field) => mapping.fields[field])
    .flatMap((field) => ('column' in field ? [field.column] : []));
  const joined = Object.keys(mapping.label?.from?.on ?? {});
  const missing = [...read, ...joined].filter((name) => !header.includes(name));
  if (missing.length > 0)
    throw wrongUsage(`The mapping ${mapping.name} reads columns that the file does not have: ${missing.join(', ')}.`);
}
