import { Compile } from 'typebox/compile';
import {
  type DerivedDefinition,
  featuresMax,
  FeatureDefinitions,
  type FilterDefinition,
  filtersMax,
} from './definitions.ts';
import { type DefinitionProblem, type ExpandedFeature, expandFeatures } from './expand.ts';
import { columnBytes } from './fields.ts';

export type LintResult =
  | { readonly ok: true; readonly definitions: FeatureDefinitions }
  | { readonly ok: false; readonly problems: readonly DefinitionProblem[] };

const validator = Compile(FeatureDefinitions);
const amountOperand = 'amountMinor';

function lintFilters(filters: Readonly<Record<string, FilterDefinition>>): DefinitionProblem[] {
  const problems: DefinitionProblem[] = [];
  for (const [name, filter] of Object.entries(filters)) {
    for (const [field, condition] of Object.entries(filter)) {
      const at = `/filters/${name}/${field}`;
      if ('min' in condition && 'max' in condition && condition.min > condition.max) {
        problems.push({ pointer: at, message: `min ${condition.min} is above max ${condition.max}: nothing can pass` });
      }
      if ('present' in condition && !condition.present && 'in' in condition) {
        problems.push({ pointer: at, message: 'a field that must be absent cannot be one of a list' });
      }
    }
  }
  return problems;
}

function lintFiltersPerEntity(features: readonly ExpandedFeature[]): DefinitionProblem[] {
  const byEntity = new Map<string, Set<string>>();
  for (const { state, filter } of features) {
    if (filter !== undefined) byEntity.set(state, (byEntity.get(state) ?? new Set()).add(filter));
  }
  return [...byEntity]
    .filter(([, filters]) => filters.size > filtersMax)
    .map(([entity, filters]) => ({
      pointer: '/features',
      message: `entity ${entity} uses ${filters.size} filters, at most ${filtersMax} fit`,
    }));
}

const operandCounts = { ratio: 2, rate: 2, zScore: 3, difference: 2, logRatio: 2, smoothedRate: 2, common: 2 } as const;

function lintSmoothing({ op, prior, weight }: DerivedDefinition, at: string): DefinitionProblem[] {
  return Object.entries({ prior, weight }).flatMap(([key, value]) => {
    if (op === 'smoothedRate') {
      return value === undefined ? [{ pointer: at, message: `smoothedRate needs a ${key}` }] : [];
    }
    return value === undefined ? [] : [{ pointer: `${at}/${key}`, message: `${op} takes no ${key}` }];
  });
}

/** Two `distinct` features can have values in common where they are of one kind: identifiers, or one and the same code. */
function lintCommon(definition: DerivedDefinition, known: ReadonlyMap<string, ExpandedFeature>): string | undefined {
  const { op, of, whenZero } = definition;
  if (op !== 'common') return undefined;
  if (whenZero !== undefined) return 'common never divides by 0: leave whenZero out';
  const [a, b] = of.map((operand) => known.get(operand)?.distinct);
  if (a === undefined || b === undefined) return 'common is of two distinct features';
  if (of[0] === of[1]) return 'common is of two different features';
  const sameKind = a === b || (columnBytes(a) === 4 && columnBytes(b) === 4);
  return sameKind ? undefined : 'common compares identifiers with identifiers, or values of one field';
}

function lintDerived(derived: readonly DerivedDefinition[], features: readonly ExpandedFeature[]): DefinitionProblem[] {
  const problems: DefinitionProblem[] = [];
  const known = new Map(features.map((f) => [f.name, f]));
  const names = new Set<string>();
  derived.forEach((definition, i) => {
    const at = `/derived/${i}`;
    const wrong = (pointer: string, message: string): number => problems.push({ pointer: at + pointer, message });
    if (known.has(definition.name) || names.has(definition.name)) wrong('/name', `${definition.name} is defined twice`);
    problems.push(...lintSmoothing(definition, at));
    const common = lintCommon(definition, known);
    if (common !== undefined) wrong('/of', common);
    if (definition.op === 'smoothedRate' && definition.whenZero !== undefined) {
      wrong('/whenZero', 'smoothedRate never divides by 0');
    }
    const wanted = operandCounts[definition.op];
    if (definition.of.length !== wanted) wrong('/of', `${definition.op} is of ${wanted} operands`);
    definition.of.forEach((operand, k) => {
      if (operand !== amountOperand && !known.has(operand) && !names.has(operand)) {
        wrong(
          `/of/${k}`,
          `"${operand}" is neither ${amountOperand} nor a feature of this release that stands before it`,
        );
      }
    });
    names.add(definition.name);
    if (definition.op === 'rate') {
      const [short, long] = definition.of.map((operand) => known.get(operand));
      if (short !== undefined && long !== undefined && !(short.windowMs > 0 && short.windowMs < long.windowMs)) {
        wrong('/of', `rate compares a short window with a longer one, not ${short.name} with ${long.name}`);
      }
      const windowless = (operand: string): boolean => operand === amountOperand || names.has(operand);
      if (definition.of.some(windowless)) wrong('/of', 'rate is of two windowed features');
    }
  });
  return problems;
}

/** Checks a release's features.json whole: shape first, then meaning; every problem is named with its position. */
export function lintFeatures(json: unknown): LintResult {
  if (!validator.Check(json)) {
    const problems = validator.Errors(json).map((e) => ({ pointer: e.instancePath, message: e.message }));
    return { ok: false, problems };
  }
  const { features, problems } = expandFeatures(json);
  const total = features.length + (json.derived?.length ?? 0);
  const all = [
    ...problems,
    ...lintFilters(json.filters ?? {}),
    ...lintFiltersPerEntity(features),
    ...lintDerived(json.derived ?? [], features),
    ...(total > featuresMax ? [{ pointer: '', message: `${total} features, at most ${featuresMax}` }] : []),
  ];
  return all.length === 0 ? { ok: true, definitions: json } : { ok: false, problems: all };
}
