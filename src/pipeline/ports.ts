/** The ports of the pipeline. Each has an embedded twin and a real service; one conformance suite runs on both. */
import type { Label } from '../domain/label.ts';
import type { Payment } from '../domain/payment.ts';
import type { FeatureMatrix } from '../features/frame.ts';
import type { Batch } from './batch.ts';

export const topics = {
  payments: 'holdfast.payments.v1',
  decisions: 'holdfast.decisions.v1',
  labels: 'holdfast.labels.v1',
  deadletter: 'holdfast.deadletter.v1',
} as const;
export type Topic = (typeof topics)[keyof typeof topics];

export interface Message {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: Uint8Array;
  /** When it was appended, by the clock of who did or of the broker; absent where the log does not keep it. */
  readonly appendedAtMs?: number;
}

/** Everything that must outlive the process about one decision; `codec.ts` turns it into bytes and back. */
export interface DecisionRecord {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly occurredAtMs: number;
  /** The decision's JSON, byte for byte as answered. */
  readonly decision: Uint8Array;
  /** The payment's JSON, byte for byte as received. */
  readonly payment: Uint8Array;
  readonly releaseId: string;
  /** `featureCount` values and bounds in the order of the release's feature names; NaN is missing. */
  readonly features: Float64Array;
  readonly bounds: Float64Array;
}

/** A consumer's progress, committed in the same durable step as what it caused. */
export interface Commit {
  readonly group: string;
  readonly topic: Topic;
  readonly partition: number;
  /** The next offset to read. */
  readonly nextOffset: number;
}

/** A consumer group's progress may only be moved by the member that holds the partition: see `commit`. */
export interface Subscription {
  /**
   * The next messages, in order, of one assigned partition not in `skip`, at most `max`; empty where there were none
   * within `waitMs`. One call at a time. Rejects with SubscriptionDead when this membership will never deliver again.
   */
  poll(max: number, waitMs: number, skip?: ReadonlySet<number>): Promise<readonly Message[]>;
  /**
   * Assigned partitions, of several, with messages in the log that were not polled yet, as far as is known; one of which
   * nothing is known yet is among them. Empty when the topic has one partition: it has nobody to keep in step with.
   */
  behind(): ReadonlySet<number>;
  /**
   * Makes positions durable. A partition that was lost or rewound since its messages were polled is left out (fenced), a
   * position is never moved back. Rejects with LogUnavailable when it is not known to be durable, with SubscriptionDead when
   * this membership will never know.
   */
  commit(commits: readonly Commit[]): Promise<void>;
  /** Forgets what was polled and not committed: the next poll goes on from the committed positions. Asks nobody, never fails. */
  rewind(): void;
  /** Messages after the group's committed positions, in all partitions of the topic. */
  lag(): Promise<number>;
  /** Leaves the group: its partitions go to the other members. */
  close(): Promise<void>;
}

/** How far each process of a group is in event time, so that they catch up in step. */
export interface StepMarks {
  /**
   * Says where this process stands (undefined: it is not catching up) and answers where the last of the others does,
   * undefined when none is catching up. A mark expires when its process no longer says anything. Never rejects: where
   * marks cannot be exchanged nobody waits.
   */
  exchange(placeMs: number | undefined): Promise<number | undefined>;
}

export interface EventLog {
  /** Positions of this log given to that store's `record` are durable with the decisions, in one step. */
  readonly atomicWith?: DecisionStore;
  /**
   * Resolves when all messages are durable, in order within a partition. Rejects when that is not known: then some of them
   * may be there all the same, so readers tell repeated messages by their content.
   */
  append(topic: Topic, messages: readonly { key: string; value: Uint8Array }[]): Promise<void>;
  /** Joins a consumer group as one member. A group that never committed begins with the oldest message. */
  subscribe(group: string, topic: Topic): Promise<Subscription>;
  /**
   * All messages that are in the topic now, each partition in order, without a group and its position. With `newest`, about so
   * many at the end of the topic; older ones may come too.
   */
  read(topic: Topic, newest?: number): AsyncIterable<readonly Message[]>;
  close(): Promise<void>;
}

export interface RecordOutcome {
  /** `recorded`: ours is the decision. `existing`: another was first, here it is. `expired`: not written, deadline over. */
  readonly status: 'recorded' | 'existing' | 'expired';
  readonly winner: DecisionRecord | undefined;
}

/** The durable decisions, found by payment id: deduplication before the work, first-writer-wins after it. */
export interface DecisionStore {
  /**
   * A decision may stand although `record` rejected, and become durable when its payment comes again. Without this, one
   * whose `record` rejected has not happened.
   */
  readonly claims?: true;
  /** The recorded decision of each id, in order; undefined where there is none, as far as can be told in time. */
  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]>;
  /**
   * As `lookup`, for whom "none" must be true. Rejects with DecisionsUnavailable where that cannot be told now. Absent:
   * `lookup` itself knows every decision.
   */
  find?(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]>;
  /**
   * Durably records the decisions (in the decisions topic too) and the consumer's progress, all in one step.
   * `deadlinesMs[i]` (performance.now() clock, Infinity for none): past it a row is not written.
   */
  record(
    records: readonly DecisionRecord[],
    deadlinesMs: readonly number[],
    batch: number,
    commits: readonly Commit[],
  ): Promise<readonly RecordOutcome[]>;
  /** Durably records labels, once per (payment, label, source, labelledAt); answers which were new. */
  recordLabels(tenantId: string, labels: readonly Label[], batch: number): Promise<readonly boolean[]>;
  /** The payment's labels, oldest first. */
  labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]>;
}

/** A decision that was claimed for its payment id: it stands, whether or not it has reached the decisions topic yet. */
export interface Claim {
  readonly record: DecisionRecord;
  /** Known to be durable in the decisions topic. */
  readonly published: boolean;
}

export interface ClaimOutcome extends Claim {
  /** The record is the caller's own. */
  readonly won: boolean;
}

/** Which decision stands for a payment id, for some days; the decisions themselves are durable elsewhere. */
export interface DecisionCache {
  /** The claim of each id, in order; undefined where there is none. */
  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (Claim | undefined)[]>;
  /**
   * Claims the payment id of each record for it; the first writer wins, and the same call again has the same outcome.
   * @param write rows that are false are only looked up: their outcome is undefined where nobody has claimed the id
   */
  claim(records: readonly DecisionRecord[], write: readonly boolean[]): Promise<readonly (ClaimOutcome | undefined)[]>;
  /** Remembers that the claims of these payments are durable in the decisions topic. */
  markPublished(records: readonly DecisionRecord[]): Promise<void>;
  /** Remembers labels once per (payment, label, source, labelledAt); answers which were new. */
  recordLabels(tenantId: string, labels: readonly Label[]): Promise<readonly boolean[]>;
  /** The payment's labels in the order in which they came. */
  labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]>;
}

export interface VelocityStore {
  /** The state is in this process: a call can neither hang nor lose its reply. */
  readonly inProcess?: true;
  /**
   * Appends the payments, each once by its id, to every entity they touch, and writes their features as of their event
   * time into `out`. Rejects when that cannot be done now; what was missed is then appended later, before what is newer.
   * @param wanted false once nobody waits any more: `out` is not written from then on
   * @returns the rows that some entity had already: another call put them in, and it may take them out again
   */
  appendAndRead(
    tenantId: string,
    payments: readonly Payment[],
    out: FeatureMatrix,
    batch: number,
    wanted?: () => boolean,
  ): Promise<readonly number[]>;
  /** Decided payments that this store may not have: those are appended as soon as it can be done. */
  missed?(tenantId: string, payments: readonly Payment[]): void;
  /** Takes out a payment that is not decided here. Where other processes may decide it, it stays if they did. */
  retract(tenantId: string, payment: Payment): void;
  markLabel(tenantId: string, payment: Payment, fraud: boolean, batch: number): Promise<void>;
}

export interface AnalyticsRow {
  readonly record: DecisionRecord;
  /** Names of `record.features`, from the record's release. */
  readonly featureNames: readonly string[];
}

/** What a challenger said of a payment that was decided without it. */
export interface ShadowScore {
  readonly tenantId: string;
  readonly paymentId: string;
  readonly decidedAtMs: number;
  /** The release that decided, and that names the challenger. */
  readonly releaseId: string;
  readonly modelId: string;
  readonly modelVersion: string;
  readonly probability: number;
  /** What the release would have decided with this model as its champion. */
  readonly action: 'allow' | 'hold';
}

/** A block is inserted whole and once: the same token again adds nothing. */
export interface AnalyticsBlock {
  /** Deterministic: topic, partition, first and last offset, content hash. */
  readonly token: string;
  readonly rows: readonly AnalyticsRow[];
  readonly labels: readonly (Label & { readonly tenantId: string })[];
  /** Follow from `rows`; absent where nobody scores challengers. */
  readonly shadow?: readonly ShadowScore[];
}

export interface DecisionFilter {
  readonly tenantId: string;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly action?: 'allow' | 'hold';
  readonly ruleId?: string;
  readonly customerId?: string;
  readonly scoreMin?: number;
  readonly scoreMax?: number;
  readonly limit: number;
  readonly cursor?: string;
}

/** One row of a list of decisions: the decision's own JSON fields and the payment's, without the features. */
export interface DecisionListItem {
  readonly decision: Record<string, unknown>;
  readonly payment: Record<string, unknown>;
}

export interface DecisionSummary {
  readonly total: number;
  readonly holds: number;
  readonly latencyMicros: { readonly p50: number; readonly p99: number };
  readonly series: readonly { readonly atMs: number; readonly decisions: number; readonly holds: number }[];
  readonly topRules: readonly { readonly id: string; readonly hits: number; readonly holds: number }[];
  readonly labels: {
    readonly fraud: number;
    readonly fraudHeld: number;
    readonly legitimate: number;
    readonly legitimateHeld: number;
  };
}

export interface AnalyticsStore {
  migrate(): Promise<void>;
  insertBlock(block: AnalyticsBlock): Promise<void>;
  /** Newest decidedAt first. `next` is the cursor of the following page. Rejects with AnalyticsUnavailable when the store is away. */
  findDecisions(
    filter: DecisionFilter,
  ): Promise<{ readonly items: readonly DecisionListItem[]; readonly next: string | undefined }>;
  /** Over decidedAt in [fromMs, toMs). */
  summary(tenantId: string, fromMs: number, toMs: number, bucketMs: number): Promise<DecisionSummary>;
  close(): Promise<void>;
}

/** Scoring in worker threads, over the batch's shared memory. */
export interface ScoringPool {
  /** Measured at start: from how many rows on the hand-over costs less than it saves. */
  worthwhile(rows: number): boolean;
  /** Scores a filled batch; writes its probabilities, the frame's probability column and its rule hits. */
  score(batch: Batch): Promise<void>;
  close(): Promise<void>;
}
