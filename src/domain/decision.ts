/** A decision as answered to the caller and recorded. Its shape is the schema's; see schemas.ts. */
import type { Static } from 'typebox';
import type { DeepReadonly } from './readonly.ts';
import type { decisionSchema } from './schemas.ts';

/** Every stage that can do less than its full work, in the fixed order in which `degraded` lists them. */
export const degradedStages = [
  'velocity:unavailable',
  'velocity:local',
  'model:unavailable',
  'model:deadline',
  'rules:error',
  'enrichment:unavailable',
] as const;

export type Decision = DeepReadonly<Static<typeof decisionSchema>>;
export type Action = Decision['action'];
export type DegradedStage = Decision['degraded'][number];
export type Reason = Decision['reasons'][number];
