/** Explanations on demand, in turns of the event loop of which each is short: single payments go on being decided in between. */
import { setImmediate as turn } from 'node:timers/promises';
import type { CompiledRelease } from '../releases/compile.ts';
import { explainDecision } from './explanation.ts';
import type { DecisionRecord } from './ports.ts';
import type { DecisionService } from './service.ts';

/** Explanations that are computed at a time: each takes some tens of milliseconds of this thread. */
const explanationsMax = 4;

/** @param find the records of payments, in order; rejects where it cannot be told whether there are any */
export function createExplainer(
  find: (tenantId: string, paymentIds: readonly string[]) => Promise<readonly (DecisionRecord | undefined)[]>,
  releaseOf: (id: string) => Promise<CompiledRelease>,
): DecisionService['explain'] {
  let explaining = 0;

  return async function explain(tenantId, paymentId) {
    if (explaining >= explanationsMax) return 'busy';
    explaining++;
    try {
      const [record] = await find(tenantId, [paymentId]);
      if (record === undefined) return undefined;
      const steps = explainDecision(record, await releaseOf(record.releaseId));
      for (;;) {
        const step = steps.next();
        if (step.done === true) return step.value;
        await turn();
      }
    } finally {
      explaining--;
    }
  };
}
