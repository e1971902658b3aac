/** docs/documents.md from the schemas of the documents. */
import { decisionSchema, labelSchema, paymentSchema } from '../../src/domain/schemas.ts';
import { releaseSchema } from '../../src/releases/schema.ts';

/** What a field's row is made of; schemas are read as the JSON they are. */
interface Keywords {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Keywords>>;
  readonly required?: readonly string[];
  readonly items?: Keywords;
  readonly anyOf?: readonly Keywords[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
}

const keywordsOf = (schema: object): Keywords => JSON.parse(JSON.stringify(schema)) as Keywords;

/** Values listed in the page; longer lists are named by their description. */
const valuesShownMax = 12;
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

function range(low: number | undefined, high: number | undefined, unit: string): string {
  if (high === undefined) return low === undefined ? '' : ` ≥ ${low}${unit}`;
  return low === undefined ? ` ≤ ${high}${unit}` : ` ${low}–${high}${unit}`;
}

function typeOf(schema: Keywords): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) {
    return schema.enum.length <= valuesShownMax ? schema.enum.map(code).join(' ') : `one of ${schema.enum.length}`;
  }
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array') return `array${schema.items === undefined ? '' : ` of ${typeOf(schema.items)}`}`;
  if (schema.type === 'object') {
    const names = Object.keys(schema.properties ?? {});
    const members = names.length === 0 ? '' : ` of ${names.map(code).join(' ')}`;
    return `object${members}${range(undefined, schema.maxProperties, ' keys')}`;
  }
  if (schema.format !== undefined) return `string, ${schema.format}`;
  if (schema.type === 'string') return `string${range(schema.minLength, schema.maxLength, '')}`;
  return `${schema.type ?? 'any'}${range(schema.minimum, schema.maximum, '')}`;
}

function row(name: string, schema: Keywords, required: boolean): string {
  const fallback = schema.default === undefined ? '' : ` Default ${code(schema.default)}.`;
  return `| \`${name}\` | ${typeOf(schema)} | ${required ? 'yes' : ''} | ${schema.description ?? ''}${fallback} |`;
}

function section(schema: Keywords): string {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) =>
    row(name, field, schema.required?.includes(name) === true),
  );
  return `## ${schema.title ?? ''}
${schema.description ?? ''}

| field | type | required | |
|---|---|---|---|
${rows.join('\n')}
`;
}

const manuals: Readonly<Record<keyof (typeof releaseSchema)['properties'], string>> = {
  bundleVersion: 'The version of this form.',
  features: '[Feature definitions](features.md)',
  rules: '[Writing rules](rules.md)',
  lists: '[Writing rules: lists](rules.md#lists)',
  policy: '[The decision policy](policy.md)',
  model: '[Models](models.md); null where there is none',
  challengers: 'up to 3 models scored [in shadow](model-monitoring.md); absent where there are none',
};

function releaseSection(): string {
  const rows = Object.entries(manuals).map(([name, manual]) => `| \`${name}\` | ${manual} |`);
  const { title, description } = keywordsOf(releaseSchema);
  return `## ${title ?? ''}
${description ?? ''} All parts but challengers are required; their schemas are in \`src/releases/schema.ts\`.

| part | |
|---|---|
${rows.join('\n')}
`;
}

export function documentDocs(): string {
  return `# Documents

Generated from src/domain/schemas.ts and src/releases/schema.ts by \`npm run generate\`: the types in the code, [OpenAPI](openapi.json) and this
page are the same schemas. What a schema cannot say is in [HTTP API](api.md).

${[paymentSchema, decisionSchema, labelSchema].map((schema) => section(keywordsOf(schema))).join('\n')}
${releaseSection()}`;
}
