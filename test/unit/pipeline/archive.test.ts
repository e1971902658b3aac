/**
 * Guarantee: whoever looks for a decision finds it for as long as the archive has it, and is told so where that cannot be asked; a
 * payment on its way to a decision never waits for the archive.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  archivedRelease,
  type DecisionArchive,
  type FindableStore,
  withArchive,
} from '../../../src/pipeline/archive.ts';
import type { DecisionRecord } from '../../../src/pipeline/ports.ts';
import { DecisionsUnavailable } from '../../../src/pipeline/storeErrors.ts';
import { ReleaseUnknown } from '../../../src/releases/sharedReleases.ts';
import type { Label } from '../../../src/domain/label.ts';

const tenant = 'default';
const recordOf = (paymentId: string): DecisionRecord => ({
  ...{ tenantId: tenant, paymentId, occurredAtMs: 1, releaseId: 'r' },
  ...{
    decision: new Uint8Array(),
    payment: new Uint8Array(),
    features: new Float64Array(),
    bounds: new Float64Array(),
  },
});
const labelOf = (paymentId: string): Label => ({ paymentId, label: 'fraud', source: 'chargeback', labelledAtMs: 5 });

let recent: Map<string, DecisionRecord>;
let recentLabels: Map<string, Label[]>;
let asked: string[];
let away: boolean;
const answer = <Value>(what: string, value: Value): Promise<Value> => {
  asked.push(what);
  return away ? Promise.reject(new Error('away')) : Promise.resolve(value);
};
const lookup: FindableStore['find'] = (_tenant, ids) => Promise.resolve(ids.map((id) => recent.get(id)));
const store: FindableStore = {
  lookup,
  find: lookup,
  record: () => Promise.resolve([]),
  recordLabels: () => Promise.resolve([]),
  labelsOf: (_tenant, id) => Promise.resolve(recentLabels.get(id) ?? []),
};
const archive: DecisionArchive = {
  findRecords: (_tenant, ids) =>
    answer(
      ids.join(),
      ids.map((id) => (id.startsWith('old') ? recordOf(id) : undefined)),
    ),
  findLabels: (_tenant, id) => answer(`labels of ${id}`, [labelOf(id)]),
};
const both = withArchive(store, archive, () => Promise.resolve([]));

beforeEach(() => {
  recent = new Map([['new', recordOf('new')]]);
  recentLabels = new Map();
  asked = [];
  away = false;
});

describe('a store with an archive', () => {
  it('finds what the store has forgotten, in order, and asks the archive for nothing else', async () => {
    const found = await both.find(tenant, ['old-1', 'new', 'never', 'old-2']);
    expect(found.map((record) => record?.paymentId)).toEqual(['old-1', 'new', undefined, 'old-2']);
    expect(asked).toEqual(['old-1,never,old-2']);
    expect((await both.find(tenant, ['new'])).length).toBe(1);
    expect(asked).toHaveLength(1);
  });

  it('never asks it on the way of a payment', async () => {
    expect(await both.lookup(tenant, ['old-1'])).toEqual([undefined]);
    expect(asked).toEqual([]);
  });

  it('says that it cannot be told, rather than that there is none, while the archive is away', async () => {
    away = true;
    await expect(both.find(tenant, ['old-1'])).rejects.toBeInstanceOf(DecisionsUnavailable);
    await expect(both.labelsOf(tenant, 'old-1')).rejects.toBeInstanceOf(DecisionsUnavailable);
    expect((await both.find(tenant, ['new']))[0]?.paymentId).toBe('new');
    expect(await both.labelsOf(tenant, 'new')).toEqual([]);
  });

  it('has the labels of old payments from it, and of others from the store', async () => {
    expect(await both.labelsOf(tenant, 'old-1')).toEqual([labelOf('old-1')]);
    recentLabels.set('new', [labelOf('new')]);
    asked = [];
    expect(await both.labelsOf(tenant, 'new')).toEqual([labelOf('new')]);
    expect(asked).toEqual([]);
  });
});

it('a release that cannot be fetched now is no unknown one, and the other way round', async () => {
  await expect(archivedRelease(Promise.reject(new Error('away')))).rejects.toBeInstanceOf(DecisionsUnavailable);
  await expect(archivedRelease(Promise.reject(new ReleaseUnknown('r')))).rejects.toBeInstanceOf(ReleaseUnknown);
});
