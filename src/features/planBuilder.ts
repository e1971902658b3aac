import type { FeatureDefinitions } from './definitions.ts';
import type { ExpandedFeature } from './expand.ts';
import {
  type EntityPlan,
  fraudBit,
  type Lane,
  type LaneType,
  laneTypes,
  type Op,
  opCodes,
  roleOpCodes,
} from './plan.ts';
import { boundariesOf, labelled, type Request, requestsOf, uniqueSorted } from './requests.ts';
import { buildLayout, type Layout } from './stateLayout.ts';
import { planUnusual, type UnusualPlan } from './unusualPlan.ts';

function laneKey(r: Omit<Request, 'windowMs'>): string {
  return `${r.type}/${r.mask}/${r.column}/${r.delayMs}`;
}

/** Lays out the lanes and answers where a request's result is found. */
function buildLanes(
  requests: readonly Request[],
  { columns, quantities }: Pick<EntityPlan, 'columns' | 'quantities'>,
  boundaryOf: (ms: number) => number,
) {
  const groups = new Map<string, Request[]>();
  for (const request of requests) {
    const group = groups.get(laneKey(request));
    if (group === undefined) groups.set(laneKey(request), [request]);
    else group.push(request);
  }
  const lanes: Lane[] = [];
  const slots = new Map<string, number>();
  let slotCount = 0;
  for (const group of groups.values()) {
    const { type, mask, column, delayMs } = group[0] as Request;
    const windows = uniqueSorted(group.map((r) => r.windowMs));
    const width = type === laneTypes.sum || type === laneTypes.squares ? 2 : 1;
    windows.forEach((windowMs, k) => {
      slots.set(`${laneKey({ type, mask, column, delayMs })}/${windowMs}`, slotCount + k * width);
    });
    lanes.push({
      type,
      mask,
      column,
      quantity: quantities.findIndex((q) => q.type === type && q.mask === mask && q.column === column),
      columnAt: columns[column]?.at ?? -1,
      columnBytes: columns[column]?.bytes ?? 0,
      stop: delayMs === 0 ? -1 : boundaryOf(delayMs),
      starts: Int32Array.from(windows, (windowMs) => boundaryOf(delayMs + windowMs)),
      slot: slotCount,
      width,
    });
    slotCount += windows.length * width;
  }
  const slotOf = (r: Request): number => slots.get(`${laneKey(r)}/${r.windowMs}`) ?? -1;
  return { lanes, slotCount, slotOf };
}

function buildOp(
  feature: ExpandedFeature,
  index: number,
  mask: number,
  column: number,
  boundaryOf: (ms: number) => number,
  slotOf: (r: Request) => number,
): Op {
  const { windowMs, delayMs, aggregate } = feature;
  const slot = (type: LaneType, laneMask: number, laneColumn = -1): number =>
    slotOf({ type, mask: laneMask, column: laneColumn, delayMs, windowMs });
  const main = {
    sum: slot(laneTypes.sum, mask),
    mean: slot(laneTypes.sum, mask),
    stddev: slot(laneTypes.sum, mask),
    min: slot(laneTypes.min, mask),
    max: slot(laneTypes.max, mask),
    distinct: slot(laneTypes.distinct, mask, column),
  } as const satisfies Partial<Record<typeof aggregate, number>>;
  const mainSlot = labelled.has(aggregate) ? slot(laneTypes.count, mask | fraudBit) : -1;
  return {
    code: (feature.entity === feature.state ? undefined : roleOpCodes.get(aggregate)) ?? opCodes[aggregate],
    feature: index,
    start: windowMs === 0 ? -1 : boundaryOf(delayMs + windowMs),
    stop: delayMs === 0 ? -1 : boundaryOf(delayMs),
    windowMs,
    delayMs,
    mask,
    column,
    countSlot: mask === 0 ? -1 : slot(laneTypes.count, mask),
    slot: aggregate in main ? main[aggregate as keyof typeof main] : mainSlot,
    squaresSlot: slot(laneTypes.squares, mask),
    reachMs: windowMs === 0 ? 0 : delayMs + windowMs,
    threshold: undefined,
  };
}

/** An op of `unusual`: it finds its count where its group is counted. */
function unusualOp(op: Op, feature: ExpandedFeature, plan: UnusualPlan): Op {
  const threshold = plan.thresholdOf(feature);
  if (threshold === undefined) return op;
  return { ...op, slot: plan.slotOf(feature), threshold, reachMs: Math.max(op.reachMs, threshold.mean.reachMs) };
}

interface IndexedFeature {
  readonly feature: ExpandedFeature;
  /** Its index in the program. */
  readonly index: number;
}

/** How features of one entity, all in the same role, are read from that state. */
function buildReading(
  { state, maskOf, columnOf }: Layout,
  features: readonly IndexedFeature[],
  sets: ReadonlyMap<number, number>,
): Omit<EntityPlan, 'fields'> {
  const own = features.map((f) => f.feature);
  const boundaries = boundariesOf(own);
  const boundaryOf = (ms: number): number => boundaries.indexOf(ms);
  const requests = own.flatMap((f) => requestsOf(f, maskOf(f), columnOf(f)));
  const built = buildLanes(requests, state, boundaryOf);
  const opOf = (f: ExpandedFeature, index: number): Op =>
    buildOp(f, index, maskOf(f), columnOf(f), boundaryOf, built.slotOf);
  const unusual = planUnusual(own, maskOf, boundaryOf, (f) => opOf(f, -1), built.slotCount);
  const ops = features.map((f) => unusualOp(opOf(f.feature, f.index), f.feature, unusual));
  return {
    ...state,
    boundaries: Float64Array.from(boundaries),
    lanes: built.lanes,
    unusual: unusual.lanes,
    slotCount: unusual.slotCount,
    ops,
    featureIndexes: features.map((f) => f.index),
    gathers: ops.flatMap((op) => {
      const [set, column] = [sets.get(op.feature), state.columns[op.column]];
      return set === undefined || column === undefined
        ? []
        : [{ op, columnAt: column.at, columnBytes: column.bytes, set }];
    }),
  };
}

/**
 * The plan of one entity kind, and those by which its state is read in another role.
 * @param features those of the kind
 * @param sets by feature, where its values are gathered
 */
export function buildPlans(
  kind: string,
  index: number,
  features: readonly IndexedFeature[],
  definitions: FeatureDefinitions,
  sets: ReadonlyMap<number, number>,
): { readonly entity: EntityPlan; readonly roles: readonly EntityPlan[] } {
  const all = features.map((f) => f.feature);
  const layout = buildLayout(kind, index, all, definitions);
  const readingOf = (entity: string): Omit<EntityPlan, 'fields'> =>
    buildReading(
      layout,
      features.filter(({ feature }) => feature.entity === entity),
      sets,
    );
  const inRole = new Map(all.filter(({ entity }) => entity !== kind).map(({ entity, fields }) => [entity, fields]));
  return {
    entity: { ...readingOf(kind), fields: all[0]?.stateFields ?? [] },
    roles: [...inRole].map(([entity, fields]) => ({ ...readingOf(entity), fields })),
  };
}
