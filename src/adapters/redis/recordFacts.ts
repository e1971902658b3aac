import { PaymentFacts } from '../../features/facts.ts';
import { type EntityPlan, recordFlagsAt, recordIdAt } from '../../features/plan.ts';
import { amountWidth } from '../../features/state.ts';

const two32 = 4294967296;

/** What a record says of its payment, where the payment itself is not at hand (another process appended it). */
export class RecordFacts extends PaymentFacts {
  #flags = 0;

  constructor() {
    super([]);
  }

  loadRecord(plan: EntityPlan, view: DataView, at: number, amountBytes: number): void {
    this.timeLow = view.getInt32(at, true);
    this.timeHigh = view.getInt16(at + 4, true);
    this.timeMs = this.timeHigh * two32 + (this.timeLow >>> 0);
    this.id = view.getInt32(at + recordIdAt, true);
    this.#flags = plan.hasFlags ? view.getUint8(at + recordFlagsAt) : 0;
    for (const { field, bytes, at: columnAt } of plan.columns) {
      this.codes[field] = bytes === 4 ? view.getInt32(at + columnAt, true) : view.getUint16(at + columnAt, true);
    }
    this.#loadAmount(view, at + plan.amountAt, amountBytes);
  }

  override flags(): number {
    return this.#flags;
  }

  #loadAmount(view: DataView, at: number, amountBytes: number): void {
    let low = 0;
    let high = 0;
    if (amountBytes === 3) low = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    if (amountBytes >= 4) low = view.getUint32(at, true);
    if (amountBytes === 7) high = view.getUint16(at + 4, true) | (view.getUint8(at + 6) << 16);
    this.amountLow = low | 0;
    this.amountHigh = high;
    this.amountMinor = high * two32 + low;
    this.amountBytes = amountWidth(this.amountMinor);
  }
}
