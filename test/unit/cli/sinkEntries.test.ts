// Guarantee: however many releases the decisions of a block are of, each row keeps the names of its own features.
import { expect, test } from 'vitest';
import { createDecisionDecoder } from '../../../src/cli/roles/sinkEntries.ts';
import { encodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { createPartitionSink, type PartitionRange } from '../../../src/pipeline/partitionSink.ts';
import { type AnalyticsRow, type Message, topics } from '../../../src/pipeline/ports.ts';
import { recordOf } from '../../conformance/records.ts';

const releases = 3000;

const namesOf = (n: number): string[] => ['customer.count.24h', `card.count.${n}h`];

const releaseOf = (n: number): string => n.toString(16).padStart(64, '0');

function decisionOf(paymentId: string, releaseId: string): Record<string, unknown> {
  return {
    decisionId: 'd',
    paymentId,
    tenantId: 'default',
    action: 'allow',
    score: 0.5,
    reasons: [],
    rules: [{ id: 'R-001', version: 1 }],
    model: null,
    releaseId,
    degraded: ['a stage of a later version'],
    mode: 'live',
    occurredAt: '2026-01-04T12:00:00.000Z',
    decidedAt: '2026-01-04T12:00:00.001Z',
    latencyMicros: 1,
  };
}

function messageOf(offset: number): Message {
  const releaseId = releaseOf(offset % releases);
  const paymentId = `p${offset}`;
  const record = {
    ...recordOf(paymentId),
    releaseId,
    decision: Buffer.from(JSON.stringify(decisionOf(paymentId, releaseId))),
    payment: Buffer.from(JSON.stringify({ paymentId, amountMinor: 100 })),
    features: Float64Array.of(1, 2),
    bounds: new Float64Array(2),
  };
  const value = encodeDecisionMessage(record, namesOf(offset % releases));
  return { partition: 0, offset, key: paymentId, value };
}

test('what is no whole decision is none: it must not hold back those after it', () => {
  const decode = createDecisionDecoder();
  const good = JSON.parse(Buffer.from(messageOf(7).value).toString()) as Record<string, unknown>;
  const encode = (document: unknown): Message => ({ ...messageOf(7), value: Buffer.from(JSON.stringify(document)) });
  expect(decode(encode(good))).toBeDefined();
  for (const name of Object.keys(good)) {
    if (name === 'mode') continue;
    const { [name]: _, ...without } = good;
    expect(decode(encode(without)), `without ${name}`).toBeUndefined();
    expect(decode(encode({ ...good, [name]: { other: 1 } })), `another ${name}`).toBeUndefined();
  }
  const bad = [
    { decidedAt: 'not a time, but as long as one' },
    { releaseId: 'x'.repeat(64) },
    { action: 'allow\tand more' },
    { payment: { amountMinor: 0.5 } },
    { features: { 'a`); DROP TABLE decisions; --': { value: 1 } } },
    { features: null },
    { rules: [{ id: 'R-001' }] },
  ];
  for (const other of bad) expect(decode(encode({ ...good, ...other })), JSON.stringify(other)).toBeUndefined();
  for (const text of ['', 'null', '[]', '7', '{', '{"payment":{},"features":{}}']) {
    expect(decode({ ...messageOf(7), value: Buffer.from(text) }), text).toBeUndefined();
  }
});

test('a block of more releases than are remembered is inserted whole', async () => {
  const log = Array.from({ length: 2 * releases }, (_, offset) => messageOf(offset));
  const rows: AnalyticsRow[] = [];
  const begun: PartitionRange[] = [];
  const sink = createPartitionSink({
    topic: topics.decisions,
    group: 'g',
    subscription: {
      poll: (max) => Promise.resolve(log.splice(0, max)),
      commit: () => Promise.resolve(),
      lag: () => Promise.resolve(log.length),
    },
    store: {
      rangesFrom: () => Promise.resolve(begun),
      beginRange: async (range) => void begun.push(range),
      insertNew: async (block) => void rows.push(...block.rows),
      insertAbsent: () => Promise.resolve(),
    },
    decode: createDecisionDecoder(),
    onUnreadable: () => Promise.reject(new Error('every message can be read')),
  });
  await sink.step();
  expect(rows).toHaveLength(2 * releases);
  rows.forEach(({ record, featureNames }, i) => {
    expect(record.paymentId).toBe(`p${i}`);
    expect(featureNames).toEqual(namesOf(i % releases));
  });
});

test('the decisions of one release share one list of names; one that tells others is not given them', () => {
  const decode = createDecisionDecoder();
  const listOf = (message: Message): readonly string[] | undefined => {
    const entry = decode(message);
    return entry?.kind === 'decision' ? entry.featureNames : undefined;
  };
  const first = listOf(messageOf(0));
  expect(listOf(messageOf(releases))).toBe(first);
  const other = {
    ...messageOf(0),
    value: Buffer.from(Buffer.from(messageOf(0).value).toString().replace('.0h', '.7h')),
  };
  expect(listOf(other)).toEqual(namesOf(7));
});
