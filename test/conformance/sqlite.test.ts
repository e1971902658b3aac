import { makeEmbedded } from '../helpers/embedded.ts';
import { decisionStoreConformance } from './decisionStore.ts';
import { eventLogConformance } from './eventLog.ts';

decisionStoreConformance('sqlite', () => makeEmbedded());
eventLogConformance('sqlite', () => makeEmbedded());
