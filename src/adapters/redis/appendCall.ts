/** Requests and replies of the append script (scripts.ts) as bytes. */
import type { PaymentFacts } from '../../features/facts.ts';
import { writeRecord } from '../../features/facts.ts';
import type { EntityPlan } from '../../features/plan.ts';
import { amountWidths, headerBytes, StateCell } from '../../features/state.ts';
import type { EntityCopy } from './entityCopy.ts';

const planBytes = 28;
const keyHeadBytes = 12;
/** What to do with a key, and what its record's width says besides, as the script reads them. */
const putOffExpiry = 1;
const searchAll = 2;
const toldKnown = 128;
const wideAmount = amountWidths.wide;

/** A row that reads an entity in another role, after so many of the rows that touch it. */
export interface RoleRead {
  readonly row: number;
  /** Index in the program's roles. */
  readonly role: number;
  readonly after: number;
}

/** One entity in a call: the rows of the batch that touch it, in order, and what was known of it when it was sent. */
export interface KeyWork {
  readonly key: string;
  readonly shard: number;
  readonly planIndex: number;
  readonly rows: number[];
  readonly reads: RoleRead[];
  readonly copy: EntityCopy | undefined;
  readonly knownBytes: number;
  /** Whether its expiry is put off. */
  readonly refresh: boolean;
  /** Where its records stand in the request, each preceded by the width of its amount. */
  recordsAt: number;
}

/** Bytes of one record in a request, its amount as wide as any. */
export function requestRecordBytes(plan: EntityPlan): number {
  return plan.amountAt + (plan.hasAmount ? wideAmount : 0);
}

/** The plans as the script reads them. @param ttlSeconds of each plan */
export function encodePlans(plans: readonly EntityPlan[], ttlSeconds: readonly number[]): Buffer {
  const bytes = Buffer.alloc(planBytes * plans.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cell = new StateCell();
  plans.forEach((plan, i) => {
    const at = i * planBytes;
    view.setUint8(at, requestRecordBytes(plan));
    view.setUint8(at + 1, plan.amountAt);
    view.setUint32(at + 2, ttlSeconds[i] as number, true);
    view.setUint16(at + 6, plan.bucketBytes, true);
    cell.create(plan, view, bytes, at + 8);
  });
  return bytes;
}

function requestBytes(plans: readonly EntityPlan[], works: readonly KeyWork[]): number {
  return works.reduce((sum, { planIndex, rows }) => {
    return sum + keyHeadBytes + rows.length * (1 + requestRecordBytes(plans[planIndex] as EntityPlan));
  }, 0);
}

const recordCell = new StateCell();

/** A cell whose record 0 is at `at` of these bytes. */
function openAt(plan: EntityPlan, view: DataView, bytes: Uint8Array, at: number): StateCell {
  recordCell.plan = plan;
  recordCell.view = view;
  recordCell.bytes = bytes;
  recordCell.base = at - headerBytes;
  recordCell.setShape(plan.hasAmount ? wideAmount : 0, 0, false);
  return recordCell;
}

const copyCell = new StateCell();

/** Opens what is known of an entity. False where one of the payments may be in Redis and, folded or forgotten, not here. */
function openKnown({ copy, rows }: KeyWork, factsOf: (row: number) => PaymentFacts): boolean {
  if (copy === undefined) return false;
  copyCell.open(copy.plan, copy.view, copy.bytes, 0);
  const { completeSinceMs } = copyCell;
  return rows.every((row) => factsOf(row).timeMs > completeSinceMs);
}

const holds = ({ timeMs, id }: PaymentFacts): boolean => copyCell.find(timeMs, id, copyCell.upperBound(timeMs)) >= 0;

/** ARGV 2 of one call. @param factsOf the facts of a row */
export function encodeRequest(
  plans: readonly EntityPlan[],
  works: readonly KeyWork[],
  factsOf: (row: number) => PaymentFacts,
): Buffer {
  const bytes = Buffer.allocUnsafe(requestBytes(plans, works));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (const work of works) {
    const plan = plans[work.planIndex] as EntityPlan;
    view.setUint8(at, work.planIndex);
    const isKnown = openKnown(work, factsOf);
    view.setUint8(at + 1, (work.refresh ? putOffExpiry : 0) + (isKnown ? 0 : searchAll));
    view.setUint32(at + 2, work.copy?.generation ?? 0, true);
    view.setUint32(at + 6, work.knownBytes, true);
    view.setUint16(at + 10, work.rows.length, true);
    at += keyHeadBytes;
    work.recordsAt = at;
    for (const row of work.rows) {
      const facts = factsOf(row);
      const known = isKnown && holds(facts) ? toldKnown : 0;
      view.setUint8(at, (plan.hasAmount ? facts.amountBytes : 0) + known);
      writeRecord(openAt(plan, view, bytes, at + 1), 0, facts);
      at += 1 + requestRecordBytes(plan);
    }
  }
  return bytes;
}
