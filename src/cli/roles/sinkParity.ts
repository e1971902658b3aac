/** The live parity check of the sink: a sample of what the topics hold, now and then. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createVelocityMemory } from '../../adapters/memory/velocity.ts';
import type { FeatureProgram } from '../../features/types.ts';
import { liveSharedParity, type ParityJobOptions, type ParityState, startParityJob } from '../../pipeline/parityJob.ts';
import type { EventLog } from '../../pipeline/ports.ts';
import { checkSharedParity } from '../../pipeline/sharedParity.ts';

/** Longest that a stop waits for the check under way. */
const stopMsMax = 1_000;

export interface SinkParityOptions extends Pick<ParityJobOptions, 'onReport'> {
  readonly log: Pick<EventLog, 'read'>;
  readonly programOf: (releaseId: string) => FeatureProgram;
  readonly claimMs: number;
  /** From one check to the next, seconds. */
  readonly everySeconds: number;
  readonly logger: Logger;
}

export interface SinkParity {
  state(): ParityState;
  /** The check under way ends early. */
  stop(): Promise<void>;
}

export function startSinkParity(options: SinkParityOptions): SinkParity {
  const { log, programOf, claimMs, everySeconds, logger, onReport } = options;
  const stopping = new AbortController();
  const { timing, ...bounds } = liveSharedParity;
  const intervalMs = everySeconds * 1000;
  const job = startParityJob(
    {
      timing: {
        intervalMs,
        firstMs: Math.min(timing.firstMs, intervalMs),
        settledMs: Math.min(timing.settledMs, intervalMs),
      },
      nowMs: Date.now,
      wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
      check: (run) =>
        checkSharedParity({
          ...run,
          ...bounds,
          log,
          programOf,
          claimMs,
          createMemory: (program) => createVelocityMemory(program),
        }),
      describe: (error) => (error instanceof Error ? error.name : 'failed'),
      onReport(report, atMs) {
        // Which payments they are of is no business of a log: that is in ClickHouse.
        const features = [...new Set(report.shown.map(({ feature }) => feature))];
        if (report.mismatches > 0)
          logger.error({ mismatches: report.mismatches, features }, 'recorded features differ');
        onReport?.(report, atMs);
      },
    },
    stopping.signal,
  );
  return {
    state: () => job.state(),
    async stop() {
      stopping.abort();
      // One that waits for Kafka ends when the log is closed.
      await Promise.race([job.ended, sleep(stopMsMax, undefined, { ref: false })]);
    },
  };
}
