// Guarantee: however many releases the decisions of a block are of, each row keeps the names of its own features.
import { expect, test } from 'vitest';
import { createDecisionDecoder } from '../../../src/cli/roles/sinkEntries.ts';
import { encodeDecisionMessage } from '../../../src/pipeline/decisionMessage.ts';
import { createPartitionSink } from '../../../src/pipeline/partitionSink.ts';
import { type AnalyticsRow, type Message, topics } from '../../../src/pipeline/ports.ts';
import { recordOf } from '../../conformance/records.ts';

const releases = 3000;

const namesOf = (n: number): string[] => ['customer.count.24h', `card.count.${n}h`];

function messageOf(offset: number): Message {
  const releaseId = `release-${offset % releases}`;
  const paymentId = `p${offset}`;
  const decision = { tenantId: 'default', paymentId, releaseId, occurredAt: '2026-01-04T12:00:00.000Z' };
  const record = {
    ...recordOf(paymentId),
    releaseId,
    decision: Buffer.from(JSON.stringify(decision)),
    features: Float64Array.of(1, 2),
    bounds: new Float64Array(2),
  };
  const value = encodeDecisionMessage(record, namesOf(offset % releases));
  return { partition: 0, offset, key: paymentId, value };
}

test('a block of more releases than are remembered is inserted whole', async () => {
  const log = Array.from({ length: 2 * releases }, (_, offset) => messageOf(offset));
  const rows: AnalyticsRow[] = [];
  const sink = createPartitionSink({
    topic: topics.decisions,
    group: 'g',
    subscription: {
      poll: (max) => Promise.resolve(log.splice(0, max)),
      commit: () => Promise.resolve(),
      lag: () => Promise.resolve(log.length),
    },
    store: {
      rangesFrom: () => Promise.resolve([]),
      beginRange: () => Promise.resolve(),
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
