/** The texts that a release's rules name: its frames tell them apart anyway, and somebody thought them worth a rule. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { wrongUsage } from '../../config/exit.ts';
import { compileFeatures } from '../../features/program.ts';
import { collectColumnNeeds } from '../../rules/needs.ts';
import type { ReleaseTexts } from './inputs.ts';
import type { Recipe } from './recipe.ts';

/**
 * Of the rules that lie beside the feature definitions, as in a release's directory; none where there are no rules, or where the
 * recipe has no category without a vocabulary of its own.
 * @throws CommandError (exit code 2) where they cannot be read
 */
export function readReleaseTexts({ inputs }: Recipe, featuresPath: string, features: unknown): ReleaseTexts {
  const path = join(dirname(featuresPath), 'rules.json');
  const wanted = inputs.some((input) => 'kind' in input && input.vocabulary === undefined);
  if (!wanted || !existsSync(path)) return new Map();
  try {
    const rules = JSON.parse(readFileSync(path, 'utf8')) as unknown[];
    const { categorical } = collectColumnNeeds(rules, compileFeatures(features).names);
    return new Map(
      [...categorical].map(([fact, literals]) => [fact, literals.filter((literal) => typeof literal === 'string')]),
    );
  } catch (error) {
    throw wrongUsage(
      `The rules ${path}, whose texts the categories of the recipe take, cannot be read: ${error instanceof Error ? error.message : String(error)}. Mend them, or name each category's vocabulary in the recipe.`,
    );
  }
}
