/** The embedded store on a directory of its own, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Embedded, type EmbeddedOptions, openEmbedded } from '../../src/adapters/sqlite/open.ts';
import type { DecisionStore, EventLog } from '../../src/pipeline/ports.ts';

export interface EmbeddedUnderTest {
  readonly log: EventLog;
  readonly decisions: DecisionStore;
  readonly embedded: Embedded;
  readonly dataDir: string;
  reopen(): Promise<EmbeddedUnderTest>;
  dispose(): Promise<void>;
}

export const temporaryDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'holdfast-sqlite-'));

async function over(dataDir: string, options: EmbeddedOptions): Promise<EmbeddedUnderTest> {
  const embedded = await openEmbedded(dataDir, options);
  return {
    log: embedded.log,
    decisions: embedded.decisions,
    embedded,
    dataDir,
    async reopen() {
      await embedded.close();
      return over(dataDir, options);
    },
    async dispose() {
      await embedded.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export async function makeEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedUnderTest> {
  return over(await temporaryDirectory(), options);
}
