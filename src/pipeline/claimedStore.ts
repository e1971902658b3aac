/**
 * The durable decisions over a shared cache and the decisions topic, for processes that share nothing else.
 *
 * `record`, step by step, and what a crash (or a rejection) at each boundary leaves:
 * 1. claim: the first writer's decision stands for the payment id. Before it, nothing has happened: the payment comes again
 *    and is decided anew. A row whose deadline is over is only looked up.
 * 2. append: every claim not known to be published goes to the topic, also another's. Before it ends, the claim stands
 *    unpublished: whoever meets the payment id next (`lookup` or `record`) appends that same decision before answering
 *    with it. Nobody is ever told of a decision that is not durable.
 * 3. mark as published: a courtesy, not awaited. Before it, the decision is appended once more by the next to meet it, the
 *    same bytes: readers of the topic take the first of each payment id.
 * The consumer's position is moved after that, by its subscription. Before it, the messages come again and find their decisions.
 *
 * With the cache away, slow or refusing, this process decides alone: duplicates are found among its own recent claims, and
 * the cache hears of them when it is back. Two processes that are given the same payment just then may decide it
 * differently; the topic has an order, and the first stands for everyone who reads it.
 */
import type { Label } from '../domain/label.ts';
import { createStageGuard, type StageFailure, type StageGuard } from './guard.ts';
import type {
  Claim,
  ClaimOutcome,
  Commit,
  DecisionCache,
  DecisionRecord,
  DecisionStore,
  RecordOutcome,
} from './ports.ts';
import { encodedRecords, recordKey } from './codec.ts';
import { RecentClaims } from './recentClaims.ts';
import { Reclaimer } from './reclaimer.ts';
import { DecisionsUnavailable } from './storeErrors.ts';

/** Longest that the cache may take where somebody waits for the answer, and where nobody does, milliseconds. */
const waitedForMsDefault = 25;
const unhurriedMsDefault = 250;
const callsMax = 64;
/** Own decisions remembered for when the cache is away: about 2 kB each. */
const recentMaxDefault = 16_384;

export interface ClaimedStoreOptions {
  readonly cache: DecisionCache;
  /** Resolves when the decisions are durable in the decisions topic (or a spool for it), in order. */
  readonly append: (records: readonly DecisionRecord[]) => Promise<void>;
  /** The same for labels. */
  readonly appendLabels: (tenantId: string, labels: readonly Label[]) => Promise<void>;
  /**
   * Told of decisions that were claimed earlier and become durable only now. Whoever claimed them may have taken their
   * payments out of the velocity state again: they must be put back.
   */
  readonly onAdopted: (records: readonly DecisionRecord[]) => void;
  readonly onFailure: (step: 'cache' | 'publish', error: unknown) => void;
  readonly recentMax?: number;
  readonly waitedForMs?: number;
  readonly unhurriedMs?: number;
}

const expired: RecordOutcome = { status: 'expired', winner: undefined };

export class ClaimedStore implements DecisionStore {
  readonly claims = true;
  readonly #options: ClaimedStoreOptions;
  readonly #guard: StageGuard;
  readonly #recent: RecentClaims;
  readonly #reclaimer: Reclaimer;
  /** Appends on their way, by payment: there can be another decision of it, made while the cache was away. */
  readonly #publishing = new Map<string, { readonly decision: Uint8Array; readonly appended: Promise<void> }>();
  readonly #background = new Set<Promise<void>>();
  readonly #waitedForMs: number;
  readonly #unhurriedMs: number;

  constructor(options: ClaimedStoreOptions) {
    this.#options = options;
    this.#recent = new RecentClaims(options.recentMax ?? recentMaxDefault);
    this.#waitedForMs = options.waitedForMs ?? waitedForMsDefault;
    this.#unhurriedMs = options.unhurriedMs ?? unhurriedMsDefault;
    this.#guard = createStageGuard('decision cache', callsMax, (_stage: string, _how: StageFailure, error: unknown) =>
      options.onFailure('cache', error),
    );
    this.#reclaimer = new Reclaimer({
      cache: options.cache,
      recent: this.#recent,
      guard: this.#guard,
      budgetMs: this.#unhurriedMs,
      onFailure: (error) => options.onFailure('publish', error),
    });
  }

  /** `conflicts`: payments that another process had decided while the cache was away here. */
  state(): { cache: 'up' | 'down'; unclaimed: number; dropped: number; conflicts: number } {
    const { unclaimed, dropped } = this.#recent;
    return { cache: this.#guard.state(), unclaimed, dropped, conflicts: this.#reclaimer.conflicts };
  }

  /** Every decision it answers is durable: one that is only claimed is appended first. */
  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]> {
    return this.#read(tenantId, paymentIds, this.#waitedForMs, () => {});
  }

  /** @throws DecisionsUnavailable when the cache is away, unless this process knows every one of them itself */
  find(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]> {
    return this.#read(tenantId, paymentIds, this.#unhurriedMs, (claims, failure) => {
      if (claims.includes(undefined)) throw new DecisionsUnavailable(`the decision cache: ${failure}`);
    });
  }

  /** @param withoutCache judges what this process knows by itself, when the cache did not answer */
  async #read(
    tenantId: string,
    paymentIds: readonly string[],
    budgetMs: number,
    withoutCache: (claims: readonly (Claim | undefined)[], failure: StageFailure) => void,
  ): Promise<readonly (DecisionRecord | undefined)[]> {
    if (paymentIds.length === 0) return [];
    const { cache, onAdopted } = this.#options;
    const found = await this.#guard.run(() => cache.lookup(tenantId, paymentIds), budgetMs);
    this.#reclaimer.start(found.ok);
    const cached: readonly (Claim | undefined)[] = found.ok ? found.value : [];
    const claims = paymentIds.map((id, i) => cached[i] ?? this.#recent.find(tenantId, id));
    if (!found.ok) withoutCache(claims, found.failure);
    const adopted = await this.#publish(claims.flatMap((claim) => (claim?.published === false ? [claim.record] : [])));
    if (adopted.length > 0) onAdopted(adopted);
    return claims.map((claim) => claim?.record);
  }

  async record(
    records: readonly DecisionRecord[],
    deadlinesMs: readonly number[],
    _batch: number,
    commits: readonly Commit[],
  ): Promise<readonly RecordOutcome[]> {
    if (deadlinesMs.length !== records.length) throw new TypeError('one deadline for each record');
    if (commits.length > 0) throw new TypeError('positions are not durable together with these decisions');
    const claims = records.length === 0 ? [] : await this.#claim(encodedRecords(records), deadlinesMs);
    const unpublished = claims.flatMap((claim) => (claim?.published === false ? [claim.record] : []));
    await this.#publish(unpublished);
    const told = new Set<string>();
    return claims.map((claim): RecordOutcome => {
      if (claim === undefined) return expired;
      const first = !told.has(recordKey(claim.record));
      told.add(recordKey(claim.record));
      return { status: claim.won && first ? 'recorded' : 'existing', winner: claim.record };
    });
  }

  /** Appended before they are remembered: a crash in between appends them again, the same. */
  async recordLabels(tenantId: string, labels: readonly Label[]): Promise<readonly boolean[]> {
    if (labels.length === 0) return [];
    const { cache, appendLabels } = this.#options;
    const ids = [...new Set(labels.map(({ paymentId }) => paymentId))];
    const known = new Set((await Promise.all(ids.map((id) => cache.labelsOf(tenantId, id)))).flat().map(labelKey));
    const fresh = labels.filter((label) => {
      const isNew = !known.has(labelKey(label));
      known.add(labelKey(label));
      return isNew;
    });
    if (fresh.length > 0) await appendLabels(tenantId, fresh);
    return cache.recordLabels(tenantId, labels);
  }

  /** @throws DecisionsUnavailable */
  async labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]> {
    try {
      return await this.#options.cache.labelsOf(tenantId, paymentId);
    } catch (error) {
      throw new DecisionsUnavailable('labels are in the decision cache', { cause: error });
    }
  }

  /** Resolves when nothing is on its way any more; the cache has heard of what it could. */
  async close(): Promise<void> {
    await this.#reclaimer.settle();
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
  }

  async #claim(
    records: readonly DecisionRecord[],
    deadlinesMs: readonly number[],
  ): Promise<readonly (ClaimOutcome | undefined)[]> {
    const nowMs = performance.now();
    const write = deadlinesMs.map((deadlineMs) => deadlineMs > nowMs);
    const hurried = deadlinesMs.some((deadlineMs) => deadlineMs !== Number.POSITIVE_INFINITY);
    const budgetMs = hurried ? this.#waitedForMs : this.#unhurriedMs;
    const claimed = await this.#guard.run(() => this.#options.cache.claim(records, write), budgetMs);
    if (!claimed.ok) {
      const claims = records.map((record, i) => this.#claimHere(record, write[i] === true));
      this.#reclaimer.start(false);
      return claims;
    }
    for (const claim of claimed.value) if (claim?.won === true) this.#recent.add(claim.record, false);
    this.#reclaimer.start(true);
    return claimed.value;
  }

  /** The claim as far as this process knows; whether the cache has taken it is not known. */
  #claimHere(record: DecisionRecord, write: boolean): ClaimOutcome | undefined {
    const known = this.#recent.find(record.tenantId, record.paymentId);
    if (known !== undefined) return { won: false, ...known };
    if (!write) return undefined;
    this.#recent.add(record, true);
    return { won: true, published: false, record };
  }

  /**
   * Resolves when all are durable in the topic.
   * @returns those that were appended for it; others were on their way already, or are there
   */
  async #publish(records: readonly DecisionRecord[]): Promise<readonly DecisionRecord[]> {
    const waiting: Promise<void>[] = [];
    const ours = distinct(records).filter((record) => {
      const onItsWay = this.#publishing.get(recordKey(record));
      const isOnItsWay = onItsWay !== undefined && Buffer.compare(onItsWay.decision, record.decision) === 0;
      if (isOnItsWay) waiting.push(onItsWay.appended);
      return !isOnItsWay && !this.#recent.isPublished(record);
    });
    if (ours.length > 0) waiting.push(this.#append(ours));
    await Promise.all(waiting);
    return ours;
  }

  #append(records: readonly DecisionRecord[]): Promise<void> {
    const { append, cache, onFailure } = this.#options;
    const forget = (): void => {
      for (const record of records)
        if (this.#publishing.get(recordKey(record))?.appended === appended) this.#publishing.delete(recordKey(record));
    };
    // Of what was decided without the cache another decision may be claimed there: that one is not published by this.
    const claimed = records.filter((record) => !this.#recent.isUnclaimed(record));
    const appended: Promise<void> = append(records).then(
      () => {
        this.#recent.published(records);
        const marked = cache.markPublished(claimed).catch((error: unknown) => onFailure('publish', error));
        // Until then the cache calls it unpublished, and here it is known better.
        this.#inBackground(marked.finally(forget));
      },
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    for (const record of records) this.#publishing.set(recordKey(record), { decision: record.decision, appended });
    return appended;
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}

function labelKey({ paymentId, label, source, labelledAtMs }: Label): string {
  return `${label} ${source} ${labelledAtMs} ${paymentId}`;
}

/** One record of each payment, the first. */
function distinct(records: readonly DecisionRecord[]): DecisionRecord[] {
  const keys = new Set<string>();
  return records.filter((record) => {
    const isNew = !keys.has(recordKey(record));
    keys.add(recordKey(record));
    return isNew;
  });
}
