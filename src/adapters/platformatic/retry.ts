/** Repeats what failed for a matter of time, with pauses that double. */
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaBounds } from '../kafka/bounds.ts';
import { isMatterOfTime, pauseMs } from './settings.ts';

export async function repeated<T>(
  once: () => Promise<T>,
  goesOn: (error: unknown) => boolean = isMatterOfTime,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await once();
    } catch (error) {
      if (attempt >= kafkaBounds.retriesMax || !goesOn(error)) throw error;
    }
    await sleep(pauseMs(attempt));
  }
}
