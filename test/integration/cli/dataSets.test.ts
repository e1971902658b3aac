import { describe, expect, test } from 'vitest';
import { openSource, type ReplayItem } from '../../../src/cli/replay/source.ts';
import { requires } from '../../helpers/requirements.ts';

const handbook = requires('handbook');
const cloudwalk = requires('cloudwalk');
const amlsim = requires('amlsim');

interface Read {
  readonly rows: number;
  readonly bad: number;
  readonly frauds: number;
  readonly inOrder: boolean;
  readonly first: ReplayItem | undefined;
}

async function readAll(path: string, limit = Number.POSITIVE_INFINITY): Promise<Read> {
  let rows = 0;
  let bad = 0;
  let frauds = 0;
  let inOrder = true;
  let before = 0;
  let first: ReplayItem | undefined;
  for await (const item of openSource(path, undefined).items()) {
    if (rows === limit) break;
    rows += 1;
    first ??= item;
    if (item.kind === 'bad') bad += 1;
    if (item.kind !== 'payment') continue;
    if (item.fraud === true) frauds += 1;
    inOrder &&= item.occurredAtMs! >= before;
    before = item.occurredAtMs!;
  }
  return { rows, bad, frauds, inOrder, first };
}

describe('every row of the public data sets becomes a payment, in time order', () => {
  test.skipIf(!handbook.met)('the handbook (its first 200,000 rows)', async () => {
    expect(await readAll(handbook.path, 200_000)).toMatchObject({
      rows: 200_000,
      bad: 0,
      inOrder: true,
      first: { kind: 'payment', paymentId: '0', occurredAtMs: Date.UTC(2018, 3, 1, 0, 0, 31), fraud: false },
    });
  });

  test.skipIf(!cloudwalk.met)('cloudwalk, with its chargebacks', async () => {
    expect(await readAll(cloudwalk.path)).toMatchObject({ rows: 3199, bad: 0, inOrder: true, frauds: 391 });
  });

  test.skipIf(!amlsim.met)('AMLSim, unlabelled', async () => {
    expect(await readAll(amlsim.path)).toMatchObject({ rows: 120_558, bad: 0, inOrder: true, frauds: 0 });
  });
});
