/** What the features of an entity kind ask to be accumulated, and over which stretches of the past. */
import type { ExpandedFeature } from './expand.ts';
import { fraudBit, type LaneType, laneTypes, type Quantity } from './plan.ts';
import { referenceBoundaries, unusualRequests } from './unusualPlan.ts';

/** A lane in the making: distances in milliseconds instead of boundary indexes. */
export interface Request {
  readonly type: LaneType;
  readonly mask: number;
  readonly column: number;
  readonly delayMs: number;
  readonly windowMs: number;
}

/** They ask which payments are labelled as frauds. */
export const labelAggregates = [
  'fraudRate',
  'frauds',
  'fraudRun',
  'sinceFraudRun',
  'sinceFraud',
  'sinceGenuine',
] as const;

/** The same, to be asked by name. */
export const labelled: ReadonlySet<string> = new Set(labelAggregates);

const needs: Readonly<Record<string, readonly LaneType[]>> = {
  sum: [laneTypes.sum],
  mean: [laneTypes.sum],
  min: [laneTypes.min],
  max: [laneTypes.max],
  stddev: [laneTypes.sum, laneTypes.squares],
  distinct: [laneTypes.distinct],
};

export function uniqueSorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

export function requestsOf(feature: ExpandedFeature, mask: number, column: number): Request[] {
  const { windowMs, delayMs, aggregate } = feature;
  if (windowMs === 0) return [];
  if (aggregate === 'unusual') return unusualRequests(feature, mask);
  const at = { delayMs, windowMs };
  const requests: Request[] = (needs[aggregate] ?? []).map((type) => ({
    type,
    mask,
    column: type === laneTypes.distinct ? column : -1,
    ...at,
  }));
  const counted = aggregate !== 'distinct' && aggregate !== 'min' && aggregate !== 'max' && aggregate !== 'sum';
  if (counted && mask !== 0) requests.push({ type: laneTypes.count, mask, column: -1, ...at });
  if (labelled.has(aggregate)) requests.push({ type: laneTypes.count, mask: mask | fraudBit, column: -1, ...at });
  return requests;
}

/** What is accumulated for the requests, each once. */
export function quantitiesOf(requests: readonly Request[]): Quantity[] {
  const quantities = new Map<string, Quantity>();
  for (const { type, mask, column } of requests) quantities.set(`${type}/${mask}/${column}`, { type, mask, column });
  return [...quantities.values()];
}

/** Distances into the past at which windows begin or end, ascending. */
export function boundariesOf(features: readonly ExpandedFeature[]): number[] {
  const windowed = features.filter((f) => f.windowMs > 0);
  return uniqueSorted(
    windowed.flatMap((f) => [
      ...(f.delayMs > 0 ? [f.delayMs, f.delayMs + f.windowMs] : [f.windowMs]),
      ...referenceBoundaries(f),
    ]),
  );
}
