/** What the state bytes of an entity kind hold, by all the features that look at them in whatever role. */
import { type FeatureDefinitions, ringEventsDefault } from './definitions.ts';
import type { ExpandedFeature } from './expand.ts';
import { columnBytes } from './fields.ts';
import { compileFilter } from './filters.ts';
import { hashText } from './hash.ts';
import {
  bucketHeadBytes,
  type Column,
  type EntityPlan,
  laneTypes,
  type Quantity,
  quantityBytes,
  recordFlagsAt,
} from './plan.ts';
import { boundariesOf, labelled, quantitiesOf, requestsOf, uniqueSorted } from './requests.ts';
import { stateVersion } from './state.ts';

/** Buckets always know their smallest and largest amount: the bounds of means and deviations come from them. */
function withExtremes(quantities: readonly Quantity[]): Quantity[] {
  const all = [...quantities];
  for (const type of [laneTypes.min, laneTypes.max]) {
    if (!all.some((q) => q.type === type && q.mask === 0)) all.push({ type, mask: 0, column: -1 });
  }
  return all;
}

/** What the state of a kind holds, whoever reads it; and where a feature finds its part of that. */
export interface Layout {
  readonly state: Omit<
    EntityPlan,
    'fields' | 'boundaries' | 'lanes' | 'unusual' | 'slotCount' | 'ops' | 'featureIndexes' | 'gathers'
  >;
  readonly maskOf: (feature: ExpandedFeature) => number;
  readonly columnOf: (feature: ExpandedFeature) => number;
}

export function buildLayout(
  kind: string,
  index: number,
  features: readonly ExpandedFeature[],
  definitions: FeatureDefinitions,
): Layout {
  const filterNames = [...new Set(features.flatMap((f) => f.filter ?? []))].sort();
  const filterDefinitions = filterNames.map((name) => definitions.filters?.[name] ?? {});
  const maskOf = (f: ExpandedFeature): number => (f.filter === undefined ? 0 : 2 << filterNames.indexOf(f.filter));
  const hasLabel = features.some((f) => labelled.has(f.aggregate));
  const hasFlags = hasLabel || filterNames.length > 0;
  let at = recordFlagsAt + (hasFlags ? 1 : 0);
  const columns: Column[] = [];
  for (const field of uniqueSorted(features.flatMap((f) => f.distinct ?? []))) {
    columns.push({ field, bytes: columnBytes(field), at });
    at += columnBytes(field);
  }
  const columnOf = (f: ExpandedFeature): number => columns.findIndex((c) => c.field === f.distinct);
  const counted = quantitiesOf(features.flatMap((f) => requestsOf(f, maskOf(f), columnOf(f))));
  const hasAmount = counted.some((q) => q.type !== laneTypes.count && q.type !== laneTypes.distinct);
  const quantities = hasAmount ? withExtremes(counted) : counted;
  let bucketBytes = bucketHeadBytes;
  const quantityAt = quantities.map((q) => {
    bucketBytes += quantityBytes[q.type] ?? 0;
    return bucketBytes - (quantityBytes[q.type] ?? 0);
  });
  const ringEventsMax = definitions.ringEventsMax ?? ringEventsDefault;
  const reachMs = boundariesOf(features).at(-1) ?? 0;
  const shape = { stateVersion, kind, columns, filterDefinitions, hasLabel, hasAmount, quantities };
  const state = {
    kind,
    index,
    fingerprint: hashText(JSON.stringify({ ...shape, ringEventsMax, reachMs })) >>> 0,
    hasFlags,
    hasLabel,
    hasAmount,
    columns,
    amountAt: at,
    filters: filterDefinitions.map(compileFilter),
    quantities,
    bucketBytes,
    quantityAt,
    keptForLife: features.some((f) => f.windowMs === 0),
    reachMs,
    ringEventsMax,
  };
  return { state, maskOf, columnOf };
}
