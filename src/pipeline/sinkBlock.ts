/** What the sinks (sink.ts over the journal, partitionSink.ts over a partitioned log) insert: blocks of decisions and labels. */
import type { Label } from '../domain/label.ts';
import type { AnalyticsBlock, AnalyticsRow, DecisionRecord } from './ports.ts';

interface LabelEntry {
  readonly kind: 'label';
  readonly label: Label & { readonly tenantId: string };
}
export type SinkEntry = { readonly kind: 'decision'; readonly record: DecisionRecord } | LabelEntry;
/** A decision together with the names of its features. */
export type NamedEntry = ({ readonly kind: 'decision' } & AnalyticsRow) | LabelEntry;

/** Feature names of a release in the order of its records; undefined when the release is not known. */
export type FeatureNamesOf = (releaseId: string) => readonly string[] | undefined;

/** The analytics store as the sink over the journal needs it. */
export interface BlockStore {
  insertBlock(block: AnalyticsBlock): Promise<void>;
  /** The same block after an attempt whose outcome is not known. */
  insertAgain(block: AnalyticsBlock): Promise<void>;
  /** A block of which any rows may be there already, inserted in blocks of other boundaries. */
  insertAbsent(block: AnalyticsBlock): Promise<void>;
  isEmpty(): Promise<boolean>;
}

/** Rows of a block, at most. */
export const blockRowsMax = 100_000;
/** Bytes of decisions, payments and features of a block, at most (one row may exceed it): what bounds the sink's memory. */
export const blockBytesMax = 16 * 1024 * 1024;

/** What an entry holds in memory, about. */
export function entryBytes(entry: SinkEntry): number {
  if (entry.kind === 'label') return 128;
  const { decision, payment, features } = entry.record;
  return decision.byteLength + payment.byteLength + features.byteLength * 2;
}

/** A release that cannot be read stops the sink, visibly: rows without their features would look complete and never be mended. */
class ReleaseUnknown extends Error {
  override readonly name = 'ReleaseUnknown';
  constructor(releaseId: string) {
    super(`the feature names of release ${releaseId} cannot be read`);
  }
}

/** @throws ReleaseUnknown */
export function named(entries: readonly SinkEntry[], featureNamesOf: FeatureNamesOf): readonly NamedEntry[] {
  return entries.map((entry) => {
    if (entry.kind === 'label') return entry;
    const { record } = entry;
    const featureNames = featureNamesOf(record.releaseId);
    if (featureNames === undefined) throw new ReleaseUnknown(record.releaseId);
    return { kind: 'decision', record, featureNames };
  });
}

export function blockOf(entries: readonly NamedEntry[], token: string): AnalyticsBlock {
  const rows: AnalyticsRow[] = [];
  const labels: LabelEntry['label'][] = [];
  for (const entry of entries) {
    if (entry.kind === 'label') labels.push(entry.label);
    else rows.push({ record: entry.record, featureNames: entry.featureNames });
  }
  return { token, rows, labels };
}
