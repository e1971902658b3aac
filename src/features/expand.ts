import type { Aggregate, FeatureDefinition, FeatureDefinitions } from './definitions.ts';
import { type FieldCode, fieldCode } from './fields.ts';
import { entityName, roleProblem, stateKind } from './roles.ts';
import { formatFactor, isFactor, type UnusualRule } from './unusual.ts';
import { formatDuration, parseDuration, windowMsMax, windowMsMin } from './windows.ts';

/** One thing wrong with the definitions: `pointer` is an RFC 6901 pointer into the JSON. */
export interface DefinitionProblem {
  readonly pointer: string;
  readonly message: string;
}

/** One feature of one window, by its public name. */
export interface ExpandedFeature {
  readonly name: string;
  /** With its role, where it has one: features of one entity look at the same events. */
  readonly entity: string;
  /** The payment's fields that say whose events are looked at. */
  readonly fields: readonly FieldCode[];
  /** The entity kind that keeps these events, and the fields that say whose an event is: the same unless a role is read. */
  readonly state: string;
  readonly stateFields: readonly FieldCode[];
  readonly aggregate: Aggregate;
  /** The field counted by `distinct`, otherwise undefined. */
  readonly distinct: FieldCode | undefined;
  readonly filter: string | undefined;
  /** 0 for the aggregates that have no window. */
  readonly windowMs: number;
  readonly delayMs: number;
  /** What `unusual` compares with, otherwise undefined. */
  readonly unusual: UnusualRule | undefined;
}

const windowless: ReadonlySet<Aggregate> = new Set<Aggregate>(['sinceLast', 'sinceFirst', 'isFirst']);
const overAmount: ReadonlySet<Aggregate> = new Set<Aggregate>(['sum', 'mean', 'min', 'max', 'stddev', 'unusual']);
/** Looked back for as far as anything can be kept, unless a window is stated. */
const labelRuns: ReadonlySet<Aggregate> = new Set<Aggregate>([
  'fraudRun',
  'sinceFraudRun',
  'sinceFraud',
  'sinceGenuine',
]);
const unusualKeys = ['reference', 'referenceDelay', 'timesMean', 'deviations'] as const;

type Report = (pointer: string, message: string) => void;

function checkField(definition: FeatureDefinition, at: string, report: Report): FieldCode | undefined {
  const { aggregate, field } = definition;
  if (overAmount.has(aggregate)) {
    if (field !== undefined && field !== 'amountMinor') {
      report(`${at}/field`, `${aggregate} is over amountMinor, not "${field}"`);
    }
    return undefined;
  }
  if (aggregate !== 'distinct') {
    if (field !== undefined) report(`${at}/field`, `${aggregate} takes no field`);
    return undefined;
  }
  const code = field === undefined ? undefined : fieldCode(field);
  if (code === undefined) report(`${at}/field`, `distinct needs a field to count, and "${field ?? ''}" is none`);
  else if (
    stateKind(definition)
      .split('+')
      .includes(field ?? '')
  ) {
    report(`${at}/field`, `"${field ?? ''}" is the entity itself, there is always one`);
  }
  return code;
}

function checkDuration(text: string, at: string, report: Report): number | undefined {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= windowMsMin && ms <= windowMsMax) return ms;
  report(at, `"${text}" is not a duration between 1m and 90d (write 30m, 24h, 7d)`);
  return undefined;
}

function checkWindows(definition: FeatureDefinition, at: string, report: Report): readonly number[] {
  if (windowless.has(definition.aggregate)) {
    for (const key of ['windows', 'delay', 'filter'] as const) {
      if (definition[key] !== undefined) report(`${at}/${key}`, `${definition.aggregate} takes no ${key}`);
    }
    return [0];
  }
  if (labelRuns.has(definition.aggregate)) {
    // The payment itself has no label yet: without a delay it would end every run.
    if (definition.delay === undefined)
      report(`${at}/delay`, `${definition.aggregate} needs a delay: labels come late`);
    if (definition.windows === undefined) return [windowMsMax];
  }
  if (definition.windows === undefined) report(`${at}/windows`, `${definition.aggregate} needs windows`);
  const windows = (definition.windows ?? []).map((text, i) => checkDuration(text, `${at}/windows/${i}`, report));
  return windows.filter((ms) => ms !== undefined);
}

/** What the amounts are compared with: a rule for each factor, one undefined for all other aggregates. */
function checkUnusual(d: FeatureDefinition, at: string, report: Report): readonly (UnusualRule | undefined)[] {
  if (d.aggregate !== 'unusual') {
    for (const key of unusualKeys) {
      if (d[key] !== undefined) report(`${at}/${key}`, `${d.aggregate} takes no ${key}`);
    }
    return [undefined];
  }
  const [means, deviations] = [d.timesMean ?? [], d.deviations ?? []];
  if (means.length + deviations.length === 0) {
    report(at, 'unusual needs timesMean or deviations: how far above its usual an amount must be, as [3]');
  }
  for (const key of ['timesMean', 'deviations'] as const) {
    d[key]?.forEach((factor, i) => {
      if (!isFactor(factor)) report(`${at}/${key}/${i}`, `${factor} has more than two decimals`);
    });
  }
  if (d.reference === undefined) {
    report(`${at}/reference`, 'unusual needs a reference: the window whose amounts are the usual, as 30d');
    return [];
  }
  const referenceMs = checkDuration(d.reference, `${at}/reference`, report) ?? 0;
  const referenceDelayMs =
    d.referenceDelay === undefined ? 0 : (checkDuration(d.referenceDelay, `${at}/referenceDelay`, report) ?? 0);
  const reference = { referenceMs, referenceDelayMs };
  return [
    ...means.map((factor) => ({ kind: 'timesMean' as const, factor, ...reference })),
    ...deviations.map((factor) => ({ kind: 'deviations' as const, factor, ...reference })),
  ];
}

function unusualName({ kind, factor, referenceMs, referenceDelayMs }: UnusualRule): string {
  const before = referenceDelayMs > 0 ? `Before${formatDuration(referenceDelayMs)}` : '';
  return `over${formatFactor(factor)}${kind === 'timesMean' ? 'xMean' : 'sd'}${formatDuration(referenceMs)}${before}`;
}

function featureName(d: FeatureDefinition, windowMs: number, delayMs: number, unusual?: UnusualRule): string {
  const parts = [entityName(d), d.aggregate as string];
  if (d.aggregate === 'distinct') parts.push(d.field ?? '');
  else if (overAmount.has(d.aggregate)) parts.push('amountMinor');
  const stated = !labelRuns.has(d.aggregate) || d.windows !== undefined;
  if (windowMs > 0 && stated) parts.push(formatDuration(windowMs));
  if (delayMs > 0) parts.push(`delay${formatDuration(delayMs)}`);
  if (unusual !== undefined) parts.push(unusualName(unusual));
  if (d.filter !== undefined) parts.push(d.filter);
  return parts.join('.');
}

function expandOne(d: FeatureDefinition, at: string, filters: ReadonlySet<string>, report: Report): ExpandedFeature[] {
  const aliases = d.entity.split('+');
  const codesOf = (names: readonly string[]): FieldCode[] => names.map((alias) => fieldCode(alias) ?? 0);
  const role = roleProblem(d);
  if (role !== undefined) report(`${at}/as`, role);
  if (new Set(aliases).size !== aliases.length) report(`${at}/entity`, `"${d.entity}" pairs a field with itself`);
  if (d.filter !== undefined && !filters.has(d.filter)) report(`${at}/filter`, `no filter is named "${d.filter}"`);
  const distinct = checkField(d, at, report);
  const delayMs = d.delay === undefined ? 0 : (checkDuration(d.delay, `${at}/delay`, report) ?? 0);
  const rules = checkUnusual(d, at, report);
  return checkWindows(d, at, report).flatMap((windowMs) =>
    rules.map((unusual) => ({
      name: featureName(d, windowMs, delayMs, unusual),
      entity: entityName(d),
      fields: codesOf(aliases),
      state: stateKind(d),
      stateFields: codesOf(stateKind(d).split('+')),
      aggregate: d.aggregate,
      distinct,
      filter: d.filter,
      windowMs,
      delayMs,
      unusual,
    })),
  );
}

/** Every feature of the definitions by name, and what is wrong with them. Durations are normalised (`1d` is `24h`). */
export function expandFeatures(definitions: FeatureDefinitions): {
  readonly features: readonly ExpandedFeature[];
  readonly problems: readonly DefinitionProblem[];
} {
  const problems: DefinitionProblem[] = [];
  const filters = new Set(Object.keys(definitions.filters ?? {}));
  const byName = new Map<string, ExpandedFeature>();
  definitions.features.forEach((definition, i) => {
    const at = `/features/${i}`;
    const report: Report = (pointer, message) => problems.push({ pointer, message });
    for (const feature of expandOne(definition, at, filters, report)) {
      if (byName.has(feature.name)) report(at, `${feature.name} is defined twice`);
      byName.set(feature.name, feature);
    }
  });
  return { features: [...byName.values()], problems };
}
