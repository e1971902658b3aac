import { Compile } from 'typebox/compile';
import { parseText } from '../rules/text.ts';
import type { AmountBand } from './schema.ts';
import { PolicyDefinition } from './schema.ts';

export interface PolicyProblem {
  /** RFC 6901, inside the policy's JSON. */
  readonly pointer: string;
  readonly message: string;
}
/** Members of each list of the release, by name. */
export type ListMembers = ReadonlyMap<string, ReadonlySet<string>>;

const validator = Compile(PolicyDefinition);

export function isPolicyDefinition(definition: unknown): definition is PolicyDefinition {
  return validator.Check(definition);
}

function shapeProblems(definition: unknown): PolicyProblem[] {
  return validator
    .Errors(definition)
    .filter((error) => error.message !== 'schema is false')
    .map((error) => {
      const extra = 'additionalProperties' in error.params ? ` (${String(error.params.additionalProperties)})` : '';
      return { pointer: error.instancePath, message: `${error.message}${extra}` };
    });
}

function bandProblems(bands: readonly AmountBand[], pointer: string): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  let below = 0;
  bands.forEach((band, i) => {
    const last = i === bands.length - 1;
    const limit = band.belowAmountMinor;
    const at = `${pointer}/${i}/belowAmountMinor`;
    if (last && limit !== undefined) problems.push({ pointer: at, message: 'the last band has no upper amount' });
    if (!last && limit === undefined) problems.push({ pointer: at, message: 'only the last band has no upper amount' });
    if (limit !== undefined && limit <= below) problems.push({ pointer: at, message: 'bands must rise' });
    below = limit ?? below;
  });
  return problems;
}

function placeholderProblems(text: string, known: readonly string[], pointer: string): PolicyProblem[] {
  const template = parseText(text);
  if ('problem' in template) return [{ pointer, message: `the text has ${template.problem}` }];
  return template.flatMap((part) =>
    typeof part === 'string' || known.includes(part.fact)
      ? []
      : [{ pointer, message: `unknown placeholder {${part.fact}}; known: ${known.join(', ')}` }],
  );
}

function listProblems(definition: PolicyDefinition, lists: ListMembers): PolicyProblem[] {
  return definition.lists.flatMap((entry, i) => {
    const problems = placeholderProblems(entry.text, [], `/lists/${i}/text`);
    if (!lists.has(entry.list)) problems.push({ pointer: `/lists/${i}/list`, message: `unknown list ${entry.list}` });
    if (entry.outcome === 'allow' && entry.weight !== 0) {
      problems.push({ pointer: `/lists/${i}/weight`, message: 'an allow list has weight 0' });
    }
    return problems;
  });
}

/** Placeholders of the policy's own texts. */
const modelTextFacts = ['probability'] as const;
const inputsTextFacts = ['inputs'] as const;
const degradedTextFacts = ['stages', 'amountMinor', 'limitMinor'] as const;

/** Everything wrong with a policy, each with its place; an empty array means that it compiles. */
export function lintPolicy(definition: unknown, lists: ListMembers): readonly PolicyProblem[] {
  if (!isPolicyDefinition(definition)) return shapeProblems(definition);
  const { thresholds, modelReason, degraded } = definition;
  const bands = Object.entries(thresholds.currencies ?? {});
  return [
    ...bandProblems(thresholds.default, '/thresholds/default'),
    ...bands.flatMap(([currency, list]) => bandProblems(list, `/thresholds/currencies/${currency}`)),
    ...listProblems(definition, lists),
    ...placeholderProblems(modelReason.text, modelTextFacts, '/modelReason/text'),
    ...placeholderProblems(modelReason.inputsText, inputsTextFacts, '/modelReason/inputsText'),
    ...placeholderProblems(degraded.text, degradedTextFacts, '/degraded/text'),
  ];
}
