/** What the documentation shows is valid: its JSON is taken by the code that it is meant for. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Compile } from 'typebox/compile';
import { describe, expect, test } from 'vitest';
import { readMapping } from '../../../src/cli/replay/mapping.ts';
import { createPaymentDecoder } from '../../../src/domain/decode.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { readMapping as readModelMapping } from '../../../src/models/import.ts';
import { modelInputSchema } from '../../../src/models/schema.ts';
import { runRuleCases } from '../../../src/rules/cases.ts';
import { lintRules } from '../../../src/rules/lint.ts';
import { compileLists } from '../../../src/rules/lists.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const parsed = (path: string): unknown => JSON.parse(read(path));

/** The page's blocks of one language, in their order. */
function blocks(page: string, language: string): string[] {
  return [...read(`docs/${page}`).matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );
}

const features = compileFeatures(parsed('config/default/features.json')).names;
const lists = compileLists({
  ...(parsed('config/default/lists.json') as object),
  'home-countries': { description: 'Of the example.', values: ['DE'] },
});
/** An entry that is to be put in front of a list's others: with the comma that this takes. */
const entries = (text = ''): unknown[] => JSON.parse(`[${text.trim().replace(/,$/, '')}]`) as unknown[];

describe('the documentation’s snippets', () => {
  test.each(['rules.md', 'quick-start.md'])('%s: the rule passes the lint, and its cases hold', (page) => {
    const [rule, cases] = blocks(page, 'json').map(entries);
    expect(lintRules(rule, { features, lists: [...lists.keys()] })).toEqual([]);
    expect(runRuleCases(rule ?? [], cases, { features, lists })).toMatchObject({ failed: 0, withoutFiringCase: [] });
  });

  test('quick-start.md: the new rule and its cases are the first of their files, which begin as the page says', () => {
    for (const file of ['rules.json', 'rules-cases.json']) expect(read(`config/default/${file}`)).toMatch(/^\[\n/);
    const names = (parsed('config/default/rules.json') as { name: string }[]).map(({ name }) => name);
    expect(names).not.toContain('MY-001');
    expect(read('docs/quick-start.md')).toContain(`# ${names.length + 1} rules, nothing wrong`);
    const cases = parsed('config/default/rules-cases.json') as unknown[];
    expect(read('docs/quick-start.md')).toContain(`# ${cases.length + 2} cases passed, 0 failed`);
  });

  test('features.md: the definitions compile, and have the names of its table', () => {
    const [definitions = ''] = blocks('features.md', 'json');
    const { names } = compileFeatures(JSON.parse(definitions));
    const shown = [...read('docs/features.md').matchAll(/^\| `([^`]+)`(?: \(seconds\))? \| [^|]+\|[^|]+\|[^|]+\|$/gm)];
    expect(shown.length).toBeGreaterThan(5);
    expect(names).toEqual(expect.arrayContaining(shown.map(([, name]) => name)));
  });

  test('models.md: the input is one', () => {
    const [input = ''] = blocks('models.md', 'json');
    expect(Compile(modelInputSchema).Check(JSON.parse(input))).toBe(true);
  });

  test('serving-models.md: the category is an input, and the mapping one', () => {
    const [category = '', mapping = ''] = blocks('serving-models.md', 'json');
    expect(Compile(modelInputSchema).Check(JSON.parse(category))).toBe(true);
    expect(readModelMapping(JSON.parse(mapping))).toMatchObject({ id: 'team-xgboost' });
  });

  test('replay.md: the mapping is one', () => {
    const [mapping = ''] = blocks('replay.md', 'json');
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-docs-'));
    try {
      writeFileSync(join(directory, 'mapping.json'), mapping);
      expect(readMapping(join(directory, 'mapping.json'))).toMatchObject({ name: 'my-bank' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.each(['quick-start.md', 'api.md'])('%s: every payment sent by curl is one', (page) => {
    const bodies = [
      ...blocks(page, 'sh')
        .join('\n')
        .matchAll(/-d '([^']+)'/g),
    ].map(([, body = '']) => body);
    expect(bodies.length).toBeGreaterThan(0);
    for (const body of bodies) {
      const payment = createPaymentDecoder().decode(Buffer.from(body), Date.UTC(2026, 10, 23));
      expect(payment).toBeInstanceOf(Payment);
    }
  });
});
