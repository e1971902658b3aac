/** What outlives the store of decisions: it forgets a payment after some days, and a chargeback or an auditor comes months later. */
import type { Label } from '../domain/label.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { ReleaseUnknown } from '../releases/sharedReleases.ts';
import type { DecisionRecord, DecisionStore } from './ports.ts';
import { DecisionsUnavailable } from './storeErrors.ts';

/** Where decisions are kept for years. Slower than the store: asked only for what that does not have. */
export interface DecisionArchive {
  /**
   * The records as they were made, in the order of the ids; undefined where there is none.
   * @param namesOf the names of a release's features, in the order in which its records have them
   */
  findRecords(
    tenantId: string,
    paymentIds: readonly string[],
    namesOf: (releaseId: string) => Promise<readonly string[]>,
  ): Promise<readonly (DecisionRecord | undefined)[]>;
  /** The payment's labels, oldest first. */
  findLabels(tenantId: string, paymentId: string): Promise<readonly Label[]>;
}

/**
 * The compiled release of a recorded decision, from where releases are kept for years: without it a decision cannot be told now.
 * @throws ReleaseUnknown where nobody keeps it, else DecisionsUnavailable
 */
export async function archivedRelease(compiled: Promise<CompiledRelease>): Promise<CompiledRelease> {
  try {
    return await compiled;
  } catch (error) {
    if (error instanceof ReleaseUnknown) throw error;
    throw new DecisionsUnavailable('the release of an older decision is in the archive', { cause: error });
  }
}

/** A store that can tell that there is no decision. */
export type FindableStore = DecisionStore & Required<Pick<DecisionStore, 'find'>>;

/**
 * The store, its `find` and `labelsOf` going on in the archive where it has nothing. `lookup`, on the path of a payment, does not:
 * it must not wait for the archive, and what is delivered again after so many days is decided anew.
 */
export function withArchive(
  store: FindableStore,
  archive: DecisionArchive,
  namesOf: (releaseId: string) => Promise<readonly string[]>,
): FindableStore {
  async function archived<Value>(work: Promise<Value>): Promise<Value> {
    try {
      return await work;
    } catch (error) {
      throw new DecisionsUnavailable('older decisions are in the archive', { cause: error });
    }
  }
  return {
    ...(store.claims === true ? { claims: true } : {}),
    lookup: (tenantId, paymentIds) => store.lookup(tenantId, paymentIds),
    record: (records, deadlinesMs, batch, commits) => store.record(records, deadlinesMs, batch, commits),
    recordLabels: (tenantId, labels, batch) => store.recordLabels(tenantId, labels, batch),
    async find(tenantId, paymentIds) {
      const found = await store.find(tenantId, paymentIds);
      const absent = paymentIds.filter((_, i) => found[i] === undefined);
      if (absent.length === 0) return found;
      const records = await archived(archive.findRecords(tenantId, absent, namesOf));
      const byId = new Map(records.map((record, i) => [absent[i], record]));
      return found.map((record, i) => record ?? byId.get(paymentIds[i]));
    },
    async labelsOf(tenantId, paymentId) {
      const labels = await store.labelsOf(tenantId, paymentId);
      if (labels.length > 0) return labels;
      // One that the store still knows has none; of others it has forgotten those, too.
      const [known] = await store.find(tenantId, [paymentId]);
      return known === undefined ? archived(archive.findLabels(tenantId, paymentId)) : labels;
    },
  };
}
