/** What a feature is computed from: which kinds of entity, how far back, and whether labels play a part. */
import { opCodes } from '../features/plan.ts';
import { labelAggregates } from '../features/requests.ts';
import type { FeatureProgram } from '../features/types.ts';
import { readBy } from './parityTally.ts';

export interface FeatureSource {
  /** Kinds of entity, sorted. */
  readonly kinds: readonly string[];
  /** Milliseconds; Infinity for what has no window. */
  readonly reachMs: number;
  readonly labels: boolean;
}

const labelCodes: ReadonlySet<number> = new Set(labelAggregates.map((aggregate) => opCodes[aggregate]));
const nothing: FeatureSource = { kinds: [], reachMs: 0, labels: false };

/** In the order of the program's names. */
export function featureSources(program: FeatureProgram): readonly FeatureSource[] {
  const sources: FeatureSource[] = program.names.map(() => nothing);
  for (const { kind, ops } of readBy(program)) {
    for (const { feature, windowMs, reachMs, code } of ops) {
      const reach = windowMs === 0 ? Number.POSITIVE_INFINITY : reachMs;
      sources[feature] = { kinds: [kind], reachMs: reach, labels: labelCodes.has(code) };
    }
  }
  for (const { feature, operands } of [...program.common, ...program.derived]) {
    const of = operands.map((operand) => sources[operand] ?? nothing);
    sources[feature] = {
      kinds: [...new Set(of.flatMap(({ kinds }) => kinds))].sort(),
      reachMs: Math.max(...of.map(({ reachMs }) => reachMs)),
      labels: of.some(({ labels }) => labels),
    };
  }
  return sources;
}
