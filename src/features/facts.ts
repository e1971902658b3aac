import type { Payment } from '../domain/payment.ts';
import { columnCode, fieldCount, fieldValue } from './fields.ts';
import { hashText } from './hash.ts';
import { type EntityPlan, recordFlagsAt, recordIdAt } from './plan.ts';
import { amountWidth, type StateCell, writeAmount } from './state.ts';

const idOffset = recordIdAt;
const flagsOffset = recordFlagsAt;
const two32 = 4294967296;
const perTwo32 = 1 / two32;

/** What the states need of one payment, computed once for all its entities. Reused: `load` replaces the payment. */
export class PaymentFacts {
  payment!: Payment;
  timeMs = 0;
  amountMinor = 0;
  /** Time and amount in the parts in which records hold them. */
  timeLow = 0;
  timeHigh = 0;
  amountLow = 0;
  amountHigh = 0;
  /** Bytes the amount needs in a record. */
  amountBytes = 0;
  /** 32-bit hash of the payment id. */
  id = 0;
  /** By field code: the value as records hold it, 0 when the payment has none. */
  readonly codes = new Int32Array(fieldCount);
  readonly values: (string | undefined)[] = new Array<string | undefined>(fieldCount).fill(undefined);
  readonly #used: Int32Array;

  /** @param plans the plans whose fields are to be loaded */
  constructor(plans: readonly EntityPlan[]) {
    const used = new Set<number>();
    for (const plan of plans) {
      for (const field of plan.fields) used.add(field);
      for (const column of plan.columns) used.add(column.field);
    }
    this.#used = Int32Array.from([...used].sort((a, b) => a - b));
  }

  load(payment: Payment): void {
    this.payment = payment;
    const timeMs = payment.occurredAtMs;
    const { amountMinor } = payment;
    this.timeMs = timeMs;
    this.timeHigh = Math.floor(timeMs * perTwo32);
    this.timeLow = (timeMs - this.timeHigh * two32) | 0;
    this.amountMinor = amountMinor;
    this.amountHigh = Math.floor(amountMinor * perTwo32);
    this.amountLow = (amountMinor - this.amountHigh * two32) | 0;
    this.amountBytes = amountWidth(amountMinor);
    this.id = hashText(payment.paymentId);
    const used = this.#used;
    for (let i = 0; i < used.length; i++) {
      const code = used[i] as number;
      const value = fieldValue(payment, code);
      this.values[code] = value;
      this.codes[code] = value === undefined ? 0 : columnCode(code, value);
    }
  }

  /** The filter bits of the payment for an entity kind; the label bit is clear. */
  flags(plan: EntityPlan): number {
    let flags = 0;
    for (let i = 0; i < plan.filters.length; i++) if (plan.filters[i]?.(this.payment) === true) flags |= 2 << i;
    return flags;
  }
}

/** Writes the payment as record i; the place must be free and the amount must fit the cell's width. */
export function writeRecord(cell: StateCell, i: number, facts: PaymentFacts): void {
  const { plan, view } = cell;
  const at = cell.recordsAt + i * cell.stride;
  view.setInt32(at, facts.timeLow, true);
  view.setInt16(at + 4, facts.timeHigh, true);
  view.setInt32(at + idOffset, facts.id, true);
  if (plan.hasFlags) view.setUint8(at + flagsOffset, facts.flags(plan));
  const { columns } = plan;
  for (let c = 0; c < columns.length; c++) {
    const column = columns[c] as (typeof columns)[number];
    const code = facts.codes[column.field] as number;
    if (column.bytes === 4) view.setInt32(at + column.at, code, true);
    else view.setUint16(at + column.at, code, true);
  }
  if (plan.hasAmount) writeAmount(view, at + plan.amountAt, cell.amountBytes, facts.amountLow, facts.amountHigh);
}
