/** `.env.example` and docs/environment.md from the schema of the environment. */
import { environmentSchema, variableNames } from '../../src/config/env.ts';

interface Variable {
  readonly name: string;
  readonly description: string;
  readonly value: string | undefined;
  readonly example: string | undefined;
}

function variables(): Variable[] {
  return variableNames.map((name) => {
    const schema: object = environmentSchema.properties[name];
    const keyword = (key: string): unknown => Reflect.get(schema, key);
    const text = (value: unknown): string | undefined =>
      typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    const examples = keyword('examples');
    return {
      name,
      description: text(keyword('description')) ?? '',
      value: text(keyword('default')),
      example: Array.isArray(examples) ? text(examples[0]) : undefined,
    };
  });
}

const generatedNote = 'Generated from src/config/env.ts by `npm run generate`.';

export function environmentExample(): string {
  const blocks = variables().map(({ name, description, value, example }) => {
    const line = value === undefined ? `#${name}=${example ?? ''}` : `${name}=${value}`;
    return `# ${description}\n${line}\n`;
  });
  return `# ${generatedNote}\n# Holdfast reads its environment, not this file: \`set -a; . ./.env; set +a\` loads a copy of it.\n\n${blocks.join('\n')}`;
}

export function environmentDocs(): string {
  const rows = variables().map(({ name, description, value }) => `| \`${name}\` | ${value ?? ''} | ${description} |`);
  return `# Environment

${generatedNote} An unknown \`HOLDFAST_*\` name or a bad value stops the start with a sentence that names it (exit code 2). An empty
value counts as unset.

| variable | default | |
|---|---|---|
${rows.join('\n')}
`;
}
