import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import type { FeatureProgram } from '../../src/features/types.ts';
import type { EmbeddedUnderTest } from '../helpers/embedded.ts';
import { makeEmbedded } from '../helpers/embedded.ts';
import { decisionStoreConformance } from './decisionStore.ts';
import { eventLogConformance } from './eventLog.ts';
import type { VelocityUnderTest } from './velocityStore.ts';
import { velocityStoreConformance } from './velocityStore.ts';

decisionStoreConformance('sqlite', () => makeEmbedded());
eventLogConformance('sqlite', () => makeEmbedded());

async function withVelocity(
  under: EmbeddedUnderTest,
  program: FeatureProgram,
  residentBytesMax: number,
): Promise<VelocityUnderTest> {
  return {
    decisions: under.decisions,
    velocity: await under.embedded.velocity((hooks) => createVelocityMemory(program, { ...hooks, residentBytesMax })),
    reopen: async () => withVelocity(await under.reopen(), program, residentBytesMax),
    dispose: () => under.dispose(),
  };
}

velocityStoreConformance('sqlite', async (program) =>
  withVelocity(await makeEmbedded(), program, Number.POSITIVE_INFINITY),
);
// Hardly anything may stay in memory: what is not held by a change is read from storage again.
velocityStoreConformance('sqlite, evicting', async (program) => withVelocity(await makeEmbedded(), program, 1));
