/**
 * The tables, as numbered forward-only migrations. A migration that was released is never edited: the next one changes
 * what it made. Every statement can be run twice, because ClickHouse has no transaction around DDL and a crash between a
 * statement and its record must be harmless.
 */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** `{db}` is replaced by the (validated) database name. */
  readonly statements: readonly string[];
  /** What a new database gets instead: the same tables, in a layout that an old one cannot be brought to in place. */
  readonly freshStatements?: readonly string[];
}

/** Blocks whose tokens a table remembers; far more than can be in doubt after a crash (one). */
const deduplicationWindow = 1_000;

/** A part reaches the disk before its insert is acknowledged: the sink's position must never be ahead of the data. */
const durable = `non_replicated_deduplication_window = ${deduplicationWindow}, fsync_after_insert = 1, fsync_part_directory = 1`;

const decisions = `
CREATE TABLE IF NOT EXISTS {db}.decisions (
  tenantId LowCardinality(String),
  paymentId String CODEC(ZSTD(1)),
  decisionId String CODEC(ZSTD(1)),
  occurredAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  decidedAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  action LowCardinality(String),
  score Float64 CODEC(ZSTD(1)),
  probability Nullable(Float64) CODEC(ZSTD(1)),
  modelId LowCardinality(String),
  modelVersion LowCardinality(String),
  rules Array(LowCardinality(String)) CODEC(ZSTD(1)),
  ruleVersions Array(UInt32) CODEC(ZSTD(1)),
  reasons String CODEC(ZSTD(3)),
  degraded Array(LowCardinality(String)) CODEC(ZSTD(1)),
  releaseId LowCardinality(String),
  latencyMicros UInt64 CODEC(T64, ZSTD(1)),
  amountMinor Int64 CODEC(T64, ZSTD(1)),
  currency LowCardinality(String),
  customerId String CODEC(ZSTD(1)),
  accountId String CODEC(ZSTD(1)),
  counterpartyAccountId String CODEC(ZSTD(1)),
  merchantId String CODEC(ZSTD(1)),
  terminalId String CODEC(ZSTD(1)),
  cardId String CODEC(ZSTD(1)),
  deviceId String CODEC(ZSTD(1)),
  ipAddress String CODEC(ZSTD(1)),
  channel LowCardinality(String),
  merchantCategoryCode LowCardinality(String),
  country LowCardinality(String),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  featureBounds Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
  decision String CODEC(ZSTD(3)),
  payment String CODEC(ZSTD(3)),
  INDEX byCustomer customerId TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX byPayment paymentId TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX byRule rules TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(decidedAt)
ORDER BY (tenantId, decidedAt, paymentId)
SETTINGS ${durable}`;

/**
 * Fewer rows a mark than the engine's 8,192: a page of a list or a lookup by customer or payment reads a fifth as much, for
 * one hundredth more on disk (measured, docs/clickhouse.md).
 */
const freshDecisions = `${decisions}, index_granularity = 1024`;

const ruleHits = `
CREATE TABLE IF NOT EXISTS {db}.rule_hits (
  tenantId LowCardinality(String),
  ruleId LowCardinality(String),
  ruleVersion UInt32,
  decidedAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  paymentId String CODEC(ZSTD(1)),
  action LowCardinality(String),
  releaseId LowCardinality(String)
) ENGINE = MergeTree
PARTITION BY toYYYYMM(decidedAt)
ORDER BY (tenantId, ruleId, decidedAt, paymentId)
SETTINGS ${durable}`;

const labels = `
CREATE TABLE IF NOT EXISTS {db}.labels (
  tenantId LowCardinality(String),
  paymentId String CODEC(ZSTD(1)),
  label LowCardinality(String),
  source LowCardinality(String),
  labelledAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
) ENGINE = MergeTree
PARTITION BY toYYYYMM(labelledAt)
ORDER BY (tenantId, paymentId, labelledAt)
SETTINGS ${durable}`;

/**
 * Sums a minute, by rule; an empty `ruleId` is all decisions. A row is what the raw rows of its minute give when they are
 * counted again, and of several the one that counted most stays: whatever is delivered again cannot inflate it.
 */
const rollUps = `
CREATE TABLE IF NOT EXISTS {db}.decisions_per_minute (
  tenantId LowCardinality(String),
  ruleId LowCardinality(String),
  minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  decisions UInt64 CODEC(T64, ZSTD(1)),
  holds UInt64 CODEC(T64, ZSTD(1)),
  amountMinor Map(LowCardinality(String), Int128) CODEC(ZSTD(1)),
  heldAmountMinor Map(LowCardinality(String), Int128) CODEC(ZSTD(1)),
  latencyMicros AggregateFunction(quantilesTDigest(0.5, 0.9, 0.99), UInt64) CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(decisions)
PARTITION BY toYear(minute)
ORDER BY (tenantId, ruleId, minute)`;

/** What rollUp.ts does for one block, for all rows that are there; of its own, because a migration never changes. */
const fillRollUps = `
INSERT INTO {db}.decisions_per_minute
SELECT tenantId, ruleId, toStartOfMinute(decidedAt), count(), countIf(action = 'hold'),
  sumMap(map(currency, toInt128(amountMinor))), sumMapIf(map(currency, toInt128(amountMinor)), action = 'hold'),
  quantilesTDigestState(0.5, 0.9, 0.99)(latencyMicros)
FROM (
  SELECT tenantId, decidedAt, action, currency, amountMinor, latencyMicros,
    arrayJoin(arrayPushFront(arrayDistinct(rules), '')) AS ruleId
  FROM {db}.decisions
)
GROUP BY tenantId, ruleId, toStartOfMinute(decidedAt)
SETTINGS max_threads = 1, max_bytes_before_external_group_by = 536870912`;

/** What sinks over a partitioned log are about to insert, written before they do; needed until the log's offset is committed. */
const sinkRanges = `
CREATE TABLE IF NOT EXISTS {db}.sink_ranges (
  topic LowCardinality(String),
  partition UInt32,
  firstOffset UInt64 CODEC(Delta, ZSTD(1)),
  lastOffset UInt64 CODEC(Delta, ZSTD(1)),
  begunAt DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(DoubleDelta, ZSTD(1))
) ENGINE = MergeTree
PARTITION BY toYYYYMM(begunAt)
ORDER BY (topic, partition, lastOffset)
TTL toDateTime(begunAt) + INTERVAL 1 MONTH
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1`;

/** What challengers said; joined with decisions and labels by payment. */
const shadowScores = `
CREATE TABLE IF NOT EXISTS {db}.shadow_scores (
  tenantId LowCardinality(String),
  modelVersion LowCardinality(String),
  modelId LowCardinality(String),
  releaseId LowCardinality(String),
  decidedAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  paymentId String CODEC(ZSTD(1)),
  probability Float64 CODEC(ZSTD(1)),
  action LowCardinality(String)
) ENGINE = MergeTree
PARTITION BY toYYYYMM(decidedAt)
ORDER BY (tenantId, modelVersion, decidedAt, paymentId)
SETTINGS ${durable}`;

/** How models were, every few minutes; `input` is empty for what is of a model as a whole. */
const modelHealth = `
CREATE TABLE IF NOT EXISTS {db}.model_health (
  tenantId LowCardinality(String),
  modelVersion LowCardinality(String),
  modelId LowCardinality(String),
  role LowCardinality(String),
  measure LowCardinality(String),
  input LowCardinality(String),
  measuredAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  value Float64 CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(measuredAt)
ORDER BY (tenantId, modelVersion, measure, input, measuredAt)`;

/** What comparing recorded features with the log came to: a row a check, and a row a mismatch that is shown. */
const featureParity = `
CREATE TABLE IF NOT EXISTS {db}.feature_parity (
  checkedAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  sampled UInt64,
  compared UInt64,
  values UInt64,
  withinBounds UInt64,
  otherOrder UInt64,
  orderUnknown UInt64,
  notCovered UInt64,
  mismatches UInt64,
  notComparable Map(LowCardinality(String), UInt64)
) ENGINE = MergeTree
PARTITION BY toYYYYMM(checkedAt)
ORDER BY checkedAt`;

const featureMismatches = `
CREATE TABLE IF NOT EXISTS {db}.feature_mismatches (
  tenantId LowCardinality(String),
  checkedAt DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  paymentId String CODEC(ZSTD(1)),
  feature LowCardinality(String),
  online Nullable(Float64),
  recomputed Nullable(Float64)
) ENGINE = MergeTree
PARTITION BY toYYYYMM(checkedAt)
ORDER BY (tenantId, checkedAt, paymentId, feature)`;

/** Releases as they were stored, for whoever explains a decision of one; no expiry: they are few, and decisions name them. */
const releases = `
CREATE TABLE IF NOT EXISTS {db}.releases (
  releaseId String,
  keptAt DateTime64(3, 'UTC') DEFAULT now64(3),
  release String CODEC(ZSTD(6))
) ENGINE = ReplacingMergeTree(keptAt)
ORDER BY releaseId
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`;

export const migrations: readonly Migration[] = [
  {
    version: 1,
    name: 'decisions, rule hits and labels',
    statements: [decisions, ruleHits, labels],
    freshStatements: [freshDecisions, ruleHits, labels],
  },
  { version: 2, name: 'sums a minute', statements: [rollUps, fillRollUps] },
  { version: 3, name: 'ranges of the sink over a partitioned log', statements: [sinkRanges] },
  { version: 4, name: 'scores of challengers', statements: [shadowScores] },
  {
    version: 5,
    name: 'health of models and parity of features',
    statements: [modelHealth, featureParity, featureMismatches],
  },
  { version: 6, name: 'releases', statements: [releases] },
];
