/** A bundle, checked and compiled into what the pipeline runs. */
import type { CategoricalColumn, FrameLayout, Literal } from '../features/frame.ts';
import { compileFeatures, FeatureDefinitionError } from '../features/program.ts';
import type { FeatureProgram } from '../features/types.ts';
import { bindModel } from '../models/bind.ts';
import { ModelError } from '../models/errors.ts';
import { categoryInputs, checkInputs, isCategory, numericInputs } from '../models/inputs.ts';
import type { BindOptions, BoundModel, CardInput } from '../models/types.ts';
import { compilePolicy } from '../policy/compile.ts';
import { lintPolicy } from '../policy/lint.ts';
import type { CompiledPolicy } from '../policy/types.ts';
import { compileRules } from '../rules/compile.ts';
import { compileLists, lintLists } from '../rules/lists.ts';
import { modelProbabilityFact } from '../rules/facts.ts';
import { lintRules } from '../rules/lint.ts';
import { collectColumnNeeds } from '../rules/needs.ts';
import type { CompiledRules } from '../rules/types.ts';
import { modelVersion } from '../models/version.ts';
import type { ReleaseBundle } from './bundle.ts';
import { releaseId, withModels } from './bundle.ts';
import type { FillFrame, ListMembers } from './fill.ts';
import { isModel } from './models.ts';
import { challengersMax } from './schema.ts';
import { compileFill, isCategoricalColumn, isNumericColumn } from './fill.ts';

export interface CompiledRelease {
  readonly id: string;
  readonly bundle: ReleaseBundle;
  readonly features: FeatureProgram;
  readonly layout: FrameLayout;
  readonly fill: FillFrame;
  readonly rules: CompiledRules;
  readonly policy: CompiledPolicy;
  readonly model: BoundModel | null;
  /** The frame's column for `model.probability`, or -1 where no rule reads it. */
  readonly probabilityColumn: number;
}

/** Why a bundle cannot be a release; each problem names its part and its place. */
export class ReleaseRefused extends Error {
  override readonly name = 'ReleaseRefused';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the release was refused:\n  ${problems.join('\n  ')}`);
    this.problems = problems;
  }
}

/** One column a name: the literals that rules name, then the model's texts, which rules take no notice of. */
function categoricalColumns(
  rules: ReadonlyMap<string, readonly Literal[]>,
  model: ReleaseBundle['model'],
): readonly CategoricalColumn[] {
  const columns = new Map([...rules].map(([name, literals]) => [name, new Set(literals)]));
  for (const { fact, vocabulary } of categoryInputs(model?.card.inputs ?? [])) {
    const known = columns.get(fact) ?? new Set<Literal>();
    for (const text of vocabulary) known.add(text);
    columns.set(fact, known);
  }
  const names = [...columns.keys()].sort();
  return names.map((name) => ({ name, vocabulary: [...(columns.get(name) ?? [])] }));
}

/** Numeric columns: the features in program order, then what rules and model need besides; sorted, so that it is one. */
function layoutOf(bundle: ReleaseBundle, features: FeatureProgram): FrameLayout {
  const needs = collectColumnNeeds(bundle.rules, features.names);
  const inputs = numericInputs(bundle.model?.card.inputs ?? []).map((input) => input.fact);
  const known = new Set(features.names);
  const others = new Set([...needs.numeric, ...inputs].filter((name) => !known.has(name)));
  return {
    numeric: [...features.names, ...[...others].sort()],
    categorical: categoricalColumns(needs.categorical, bundle.model),
    featureCount: features.names.length,
  };
}

/** @throws ReleaseRefused with every problem of the first part that has one. */
function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new ReleaseRefused(problems);
}

/** What a part says against itself, as the release's refusal. */
function refusalOf(error: unknown): unknown {
  if (error instanceof FeatureDefinitionError) return new ReleaseRefused([`features ${error.message}`]);
  return error instanceof ModelError ? new ReleaseRefused([`model: ${error.message}`]) : error;
}

/** Model inputs that no payment has. @throws ModelError where the card lists none. */
function unknownInputs({ model }: ReleaseBundle, features: FeatureProgram, lists: ListMembers): string[] {
  if (model === null) return [];
  const known = new Set(features.names);
  const isKnown = (input: CardInput): boolean =>
    isCategory(input) ? isCategoricalColumn(input.fact) : known.has(input.fact) || isNumericColumn(input.fact, lists);
  return checkInputs(model.card)
    .filter((input) => !isKnown(input))
    .map((input) => {
      const kind = isCategory(input) ? 'text' : 'numeric';
      return `model: its input ${JSON.stringify(input.fact)} is not a ${kind} fact of this release`;
    });
}

/** Challengers beyond the bound, without a champion, or that are the champion or each other. */
function challengerProblems({ model, challengers }: ReleaseBundle): string[] {
  if (challengers === undefined) return [];
  if (challengers.length === 0 || challengers.length > challengersMax)
    return [`challengers: there can be 1 to ${challengersMax}; leave the part out where there are none`];
  if (!challengers.every(isModel)) return ['challengers: one of them is no model'];
  if (model === null) return ['challengers: there is no champion that they could be compared with'];
  const versions = [model, ...challengers].map(modelVersion);
  return new Set(versions).size === versions.length ? [] : ['challengers: a model is named twice'];
}

/**
 * The release as it would be with each of its challengers as champion, in their order: what shadow scoring runs. Never part
 * of the compiled release itself, so that whoever decides neither loads challengers nor widens its frames for them.
 * @throws ReleaseRefused where one does not fit the release.
 */
export async function compileChallengers(
  bundle: ReleaseBundle,
  models: BindOptions = {},
): Promise<readonly CompiledRelease[]> {
  const compiled: CompiledRelease[] = [];
  for (const challenger of bundle.challengers ?? []) {
    compiled.push(await compileRelease(withModels(bundle, challenger, []), models));
  }
  return compiled;
}

/** @throws ReleaseRefused with the problems found. */
export async function compileRelease(bundle: ReleaseBundle, models: BindOptions = {}): Promise<CompiledRelease> {
  try {
    return await compileParts(bundle, models);
  } catch (error) {
    throw refusalOf(error);
  }
}

async function compileParts(bundle: ReleaseBundle, models: BindOptions): Promise<CompiledRelease> {
  const features = compileFeatures(bundle.features);
  refuse(lintLists(bundle.lists).map(({ pointer, message }) => `lists ${pointer}: ${message}`));
  const members = compileLists(bundle.lists);
  const ruleProblems = lintRules(bundle.rules, { features: features.names, lists: [...members.keys()] });
  refuse(ruleProblems.map(({ message }) => message));
  refuse(lintPolicy(bundle.policy, members).map(({ pointer, message }) => `policy ${pointer}: ${message}`));
  refuse(unknownInputs(bundle, features, members));
  refuse(challengerProblems(bundle));
  const layout = layoutOf(bundle, features);
  return {
    id: releaseId(bundle),
    bundle,
    features,
    layout,
    fill: compileFill(layout, members),
    rules: compileRules(bundle.rules, layout),
    policy: compilePolicy(bundle.policy, members),
    model: bundle.model === null ? null : await bindModel(bundle.model, layout, models),
    probabilityColumn: layout.numeric.indexOf(modelProbabilityFact),
  };
}
