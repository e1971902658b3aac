import type { FrameLayout, Literal } from '../features/frame.ts';
import { modelProbabilityFact } from './facts.ts';
import { conditionsOf, parseRules } from './parse.ts';
import type { ColumnTest } from './predicate.ts';
import { toPredicate } from './predicate.ts';
import { parseText } from './text.ts';
import type { ColumnNeeds } from './types.ts';

function columnsOf(test: ColumnTest): readonly string[] {
  if (test.kind === 'never') return [];
  return test.kind === 'compare' ? [test.left, test.right] : [test.column];
}

/** Numeric facts that a text names and no payment tells: they must have a column even if no condition reads them. */
function textColumns(text: string, features: ReadonlySet<string>): readonly string[] {
  const template = parseText(text);
  if ('problem' in template) return [];
  return template
    .map((part) => (typeof part === 'string' ? '' : part.fact))
    .filter((fact) => fact === modelProbabilityFact || features.has(fact));
}

/**
 * The columns that linted rules read, sorted by name so that the same rules always give the same layout. What each
 * column must hold is said in facts.ts.
 * @throws when a rule has not passed `lintRules` with these features.
 */
export function collectColumnNeeds(definitions: readonly unknown[], knownFeatures: readonly string[]): ColumnNeeds {
  const features = new Set(knownFeatures);
  const numeric = new Set<string>();
  const categorical = new Map<string, Map<string, Literal>>();
  for (const rule of parseRules(definitions)) {
    for (const column of textColumns(rule.text, features)) numeric.add(column);
    for (const condition of conditionsOf(rule.conditions)) {
      const { test } = toPredicate(condition, (name) => features.has(name));
      if (test.kind !== 'codeIn') {
        for (const column of columnsOf(test)) numeric.add(column);
        continue;
      }
      const literals = categorical.get(test.column) ?? new Map<string, Literal>();
      categorical.set(test.column, literals);
      for (const literal of test.literals) literals.set(JSON.stringify(literal), literal);
    }
  }
  const names = [...categorical.keys()].sort();
  return {
    numeric: [...numeric].sort(),
    categorical: new Map(
      names.map((name) => {
        const literals = categorical.get(name) ?? new Map<string, Literal>();
        return [name, [...literals.keys()].sort().map((key) => literals.get(key) as Literal)] as const;
      }),
    ),
  };
}

/** The layout that serves these needs: the release's features first, in program order, then whatever else is read. */
export function layoutFor(needs: ColumnNeeds, features: readonly string[]): FrameLayout {
  const known = new Set(features);
  return {
    numeric: [...features, ...needs.numeric.filter((name) => !known.has(name))],
    categorical: [...needs.categorical].map(([name, vocabulary]) => ({ name, vocabulary })),
    featureCount: features.length,
  };
}
