import type { Decision } from '../../domain/decision.ts';
import type { AnalyticsBlock, AnalyticsRow, DecisionRecord, ShadowScore } from '../../pipeline/ports.ts';
import { quoteName } from './client.ts';
import { mapField, missing, numberField, numbersField, textField, textsField, timeField } from './tsv.ts';

/** A row ready to be sent: its line, and what finds it again in the table. */
export interface TableRow {
  /** Identifies the row within its table; the same row of a redelivered block has the same key. */
  readonly key: string;
  readonly tenantId: string;
  readonly paymentId: string;
  /** Milliseconds of the table's time column. */
  readonly timeMs: number;
  /** The fields in the order of the table's columns, tab separated, with the newline. */
  readonly line: string;
}

export interface TableRows {
  readonly table: string;
  readonly timeColumn: string;
  /** SQL over the table's columns that gives `TableRow.key`. */
  readonly keyExpression: string;
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
}

/** Separates the parts of a key. */
const separator = '\u0000';
const key = (...parts: readonly (string | number)[]): string => parts.join(separator);

const decisionColumns = [
  ...['tenantId', 'paymentId', 'decisionId', 'occurredAt', 'decidedAt', 'action', 'score', 'probability'],
  ...['modelId', 'modelVersion', 'rules', 'ruleVersions', 'reasons', 'degraded', 'releaseId', 'latencyMicros'],
  ...['amountMinor', 'currency', 'customerId', 'accountId', 'counterpartyAccountId', 'merchantId', 'terminalId'],
  ...['cardId', 'deviceId', 'ipAddress', 'channel', 'merchantCategoryCode', 'country', 'attributes'],
  ...['featureBounds', 'decision', 'payment'],
] as const;
const ruleHitColumns = ['tenantId', 'ruleId', 'ruleVersion', 'decidedAt', 'paymentId', 'action', 'releaseId'] as const;
const shadowColumns = [
  ...['tenantId', 'modelVersion', 'modelId', 'releaseId'],
  ...['decidedAt', 'paymentId', 'probability', 'action'],
];
const labelColumns = ['tenantId', 'paymentId', 'label', 'source', 'labelledAt'] as const;

/** A feature keeps its name as its column; one without a dot gets a prefix, so that it cannot be one of our own columns. */
export function featureColumn(featureName: string): string {
  return featureName.includes('.') ? featureName : `feature.${featureName}`;
}

/** The feature columns of a block, over all releases in it. */
export function featureColumnsOf(rows: readonly AnalyticsRow[]): readonly string[] {
  const columns = new Set<string>();
  let last: readonly string[] | undefined;
  for (const row of rows) {
    if (row.featureNames === last) continue;
    last = row.featureNames;
    for (const name of last) columns.add(featureColumn(name));
  }
  return [...columns];
}

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

interface ParsedRow {
  readonly record: DecisionRecord;
  readonly decision: Decision;
  readonly decidedAtMs: number;
  readonly decisionText: string;
}

function parseRow(record: DecisionRecord): ParsedRow {
  const decisionText = textDecoder.decode(record.decision);
  const decision = JSON.parse(decisionText) as Decision;
  return { record, decision, decisionText, decidedAtMs: Date.parse(decision.decidedAt) };
}

function boundsOf(record: DecisionRecord, names: readonly string[]): [name: string, bound: number][] {
  const bounds: [string, number][] = [];
  for (let i = 0; i < names.length; i += 1) {
    const bound = record.bounds[i] ?? 0;
    if (bound !== 0) bounds.push([names[i] ?? '', bound]);
  }
  return bounds;
}

function attributesOf(payment: Record<string, unknown>): [name: string, value: string][] {
  const given = payment['attributes'];
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given).map(([name, value]) => [name, String(value)]);
}

/** Payment fields that are columns of the same name, in order; an absent one is the empty string. */
const paymentTexts = [
  ...['currency', 'customerId', 'accountId', 'counterpartyAccountId', 'merchantId', 'terminalId', 'cardId'],
  ...['deviceId', 'ipAddress', 'channel', 'merchantCategoryCode', 'country'],
];

/** `place[i]` is the feature column, 0 …, of the record's i-th feature. */
function decisionLine(
  parsed: ParsedRow,
  featureNames: readonly string[],
  place: readonly number[],
  columnCount: number,
): string {
  const { record, decision, decidedAtMs, decisionText } = parsed;
  const paymentText = textDecoder.decode(record.payment);
  const payment = JSON.parse(paymentText) as Record<string, unknown>;
  const fields = [
    ...[textField(record.tenantId), textField(record.paymentId), textField(decision.decisionId)],
    ...[timeField(record.occurredAtMs), timeField(decidedAtMs), decision.action, numberField(decision.score)],
    ...[decision.model === null ? missing : numberField(decision.model.probability)],
    ...[textField(decision.model?.id ?? ''), textField(decision.model?.version ?? '')],
    ...[textsField(decision.rules.map((rule) => rule.id)), numbersField(decision.rules.map((rule) => rule.version))],
    ...[textField(JSON.stringify(decision.reasons)), textsField(decision.degraded), record.releaseId],
    ...[String(decision.latencyMicros), String(payment['amountMinor'])],
  ];
  for (const name of paymentTexts) fields.push(textField(textOf(payment[name] ?? (name === 'channel' ? 'other' : ''))));
  fields.push(mapField(attributesOf(payment)), mapField(boundsOf(record, featureNames)));
  fields.push(textField(decisionText), textField(paymentText));
  const first = fields.length;
  for (let i = 0; i < columnCount; i += 1) fields.push(missing);
  for (let i = 0; i < place.length; i += 1)
    fields[first + (place[i] ?? 0)] = numberField(record.features[i] ?? Number.NaN);
  return `${fields.join('\t')}\n`;
}

function ruleHitLine(parsed: ParsedRow, rule: Decision['rules'][number]): string {
  const { tenantId, paymentId, releaseId } = parsed.record;
  const time = timeField(parsed.decidedAtMs);
  const ids = `${textField(tenantId)}\t${textField(rule.id)}\t${rule.version}`;
  return `${ids}\t${time}\t${textField(paymentId)}\t${parsed.decision.action}\t${releaseId}\n`;
}

function labelLine(label: AnalyticsBlock['labels'][number]): string {
  const ids = `${textField(label.tenantId)}\t${textField(label.paymentId)}`;
  return `${ids}\t${label.label}\t${label.source}\t${timeField(label.labelledAtMs)}\n`;
}

function shadowRow(score: ShadowScore): TableRow {
  const { tenantId, paymentId, decidedAtMs, modelVersion } = score;
  const model = `${textField(modelVersion)}\t${textField(score.modelId)}\t${score.releaseId}`;
  const outcome = `${numberField(score.probability)}\t${score.action}`;
  return {
    key: key(tenantId, paymentId, modelVersion),
    tenantId,
    paymentId,
    timeMs: decidedAtMs,
    line: `${textField(tenantId)}\t${model}\t${timeField(decidedAtMs)}\t${textField(paymentId)}\t${outcome}\n`,
  };
}

/** Turns a block into the rows of its tables. */
export function tableRowsOf(block: AnalyticsBlock): readonly TableRows[] {
  const featureColumns = featureColumnsOf(block.rows);
  const columnIndex = new Map(featureColumns.map((name, index) => [name, index]));
  const places = new Map<readonly string[], number[]>();
  const decisions: TableRow[] = [];
  const hits: TableRow[] = [];
  for (const row of block.rows) {
    let place = places.get(row.featureNames);
    if (place === undefined) {
      place = row.featureNames.map((name) => columnIndex.get(featureColumn(name)) ?? 0);
      places.set(row.featureNames, place);
    }
    const parsed = parseRow(row.record);
    const { tenantId, paymentId } = row.record;
    const timeMs = parsed.decidedAtMs;
    decisions.push({
      key: key(tenantId, paymentId),
      tenantId,
      paymentId,
      timeMs,
      line: decisionLine(parsed, row.featureNames, place, featureColumns.length),
    });
    for (const rule of parsed.decision.rules) {
      const line = ruleHitLine(parsed, rule);
      hits.push({ key: key(tenantId, paymentId, rule.id), tenantId, paymentId, timeMs, line });
    }
  }
  const labels = block.labels.map((label) => ({
    key: key(label.tenantId, label.paymentId, label.label, label.source, label.labelledAtMs),
    tenantId: label.tenantId,
    paymentId: label.paymentId,
    timeMs: label.labelledAtMs,
    line: labelLine(label),
  }));
  const joined = (...parts: readonly string[]): string => `concatWithSeparator(char(0), ${parts.join(', ')})`;
  const labelParts = ['tenantId', 'paymentId', 'label', 'source', 'toString(toUnixTimestamp64Milli(labelledAt))'];
  return [
    {
      table: 'decisions',
      timeColumn: 'decidedAt',
      keyExpression: joined('tenantId', 'paymentId'),
      columns: [...decisionColumns, ...featureColumns].map(quoteName),
      rows: decisions,
    },
    {
      table: 'rule_hits',
      timeColumn: 'decidedAt',
      keyExpression: joined('tenantId', 'paymentId', 'ruleId'),
      columns: ruleHitColumns.map(quoteName),
      rows: hits,
    },
    {
      table: 'labels',
      timeColumn: 'labelledAt',
      keyExpression: joined(...labelParts),
      columns: labelColumns.map(quoteName),
      rows: labels,
    },
    {
      table: 'shadow_scores',
      timeColumn: 'decidedAt',
      keyExpression: joined('tenantId', 'paymentId', 'modelVersion'),
      columns: shadowColumns.map(quoteName),
      rows: (block.shadow ?? []).map(shadowRow),
    },
  ];
}
