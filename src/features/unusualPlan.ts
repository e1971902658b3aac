/** Lays out the counts of unusual amounts of one entity kind: those over windows with the same end are counted together. */
import type { ExpandedFeature } from './expand.ts';
import { laneTypes, type Op, type Threshold, type UnusualLane } from './plan.ts';
import type { Request } from './requests.ts';

/** What `unusual` needs: the reference's sums, and for what is folded how many payments pass the filter. */
export function unusualRequests(feature: ExpandedFeature, mask: number): Request[] {
  const { unusual: rule, delayMs, windowMs } = feature;
  if (rule === undefined) return [];
  const reference = { mask, column: -1, delayMs: delayMs + rule.referenceDelayMs, windowMs: rule.referenceMs };
  const requests: Request[] = [{ type: laneTypes.sum, ...reference }];
  if (rule.kind === 'deviations') requests.push({ type: laneTypes.squares, ...reference });
  if (mask === 0) return requests;
  return [
    ...requests,
    { type: laneTypes.count, ...reference },
    { type: laneTypes.count, mask, column: -1, delayMs, windowMs },
  ];
}

/** The distances into the past at which the reference windows begin and end. */
export function referenceBoundaries({ unusual, delayMs }: ExpandedFeature): number[] {
  if (unusual === undefined) return [];
  const end = delayMs + unusual.referenceDelayMs;
  return end === 0 ? [unusual.referenceMs] : [end, end + unusual.referenceMs];
}

interface Group {
  readonly mask: number;
  readonly delayMs: number;
  readonly windows: readonly number[];
  readonly rules: readonly string[];
  readonly lane: UnusualLane;
}

export interface UnusualPlan {
  readonly lanes: readonly UnusualLane[];
  readonly slotCount: number;
  readonly slotOf: (feature: ExpandedFeature) => number;
  readonly thresholdOf: (feature: ExpandedFeature) => Threshold | undefined;
}

const ruleKey = ({ unusual }: ExpandedFeature): string => JSON.stringify(unusual);

/** @param opOf an op of the reference window, as `mean` or `stddev` would have it */
function thresholdFor(feature: ExpandedFeature, opOf: (feature: ExpandedFeature) => Op): Threshold | undefined {
  const { unusual: rule, delayMs } = feature;
  if (rule === undefined) return undefined;
  const reference = {
    ...feature,
    windowMs: rule.referenceMs,
    delayMs: delayMs + rule.referenceDelayMs,
    unusual: undefined,
  };
  return {
    factor: rule.factor,
    mean: opOf({ ...reference, aggregate: 'mean' }),
    deviation: rule.kind === 'deviations' ? opOf({ ...reference, aggregate: 'stddev' }) : undefined,
  };
}

export function planUnusual(
  features: readonly ExpandedFeature[],
  maskOf: (feature: ExpandedFeature) => number,
  boundaryOf: (ms: number) => number,
  opOf: (feature: ExpandedFeature) => Op,
  firstSlot: number,
): UnusualPlan {
  const wanted = features.filter((f) => f.unusual !== undefined);
  const groups = new Map<string, Group>();
  let slot = firstSlot;
  const groupKey = (f: ExpandedFeature): string => `${maskOf(f)}/${f.delayMs}`;
  for (const feature of wanted) {
    if (groups.has(groupKey(feature))) continue;
    const own = wanted.filter((f) => groupKey(f) === groupKey(feature));
    const { delayMs } = feature;
    const windows = [...new Set(own.map((f) => f.windowMs))].sort((a, b) => a - b);
    const byRule = new Map(own.map((f) => [ruleKey(f), f]));
    const lane = {
      mask: maskOf(feature),
      stop: delayMs === 0 ? -1 : boundaryOf(delayMs),
      starts: Int32Array.from(windows, (windowMs) => boundaryOf(delayMs + windowMs)),
      thresholds: [...byRule.values()].flatMap((f) => thresholdFor(f, opOf) ?? []),
      slot,
    };
    groups.set(groupKey(feature), { mask: lane.mask, delayMs, windows, rules: [...byRule.keys()], lane });
    slot += windows.length * byRule.size;
  }
  const placeOf = (f: ExpandedFeature): { group: Group; rule: number } | undefined => {
    const group = groups.get(groupKey(f));
    return f.unusual === undefined || group === undefined
      ? undefined
      : { group, rule: group.rules.indexOf(ruleKey(f)) };
  };
  return {
    lanes: [...groups.values()].map(({ lane }) => lane),
    slotCount: slot,
    slotOf: (f) => {
      const place = placeOf(f);
      if (place === undefined) return -1;
      const { windows, lane } = place.group;
      return lane.slot + place.rule * windows.length + windows.indexOf(f.windowMs);
    },
    thresholdOf: (f) => {
      const place = placeOf(f);
      return place?.group.lane.thresholds[place.rule];
    },
  };
}
