import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Payment } from '../../../src/domain/payment.ts';
import {
  dayOfWeek,
  duringNight,
  duringWeekend,
  hourOfDay,
  listColumn,
  numericAttribute,
  parseListColumn,
  paymentFact,
} from '../../../src/rules/facts.ts';

describe('facts of time', () => {
  it('agree with the calendar (UTC) at any time, before 1970 too', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        const timeMs = date.getTime();
        expect(hourOfDay(timeMs)).toBe(date.getUTCHours());
        expect(dayOfWeek(timeMs)).toBe(date.getUTCDay() === 0 ? 7 : date.getUTCDay());
        expect(duringWeekend(timeMs)).toBe([0, 6].includes(date.getUTCDay()) ? 1 : 0);
        expect(duringNight(timeMs)).toBe(date.getUTCHours() <= 6 ? 1 : 0);
      }),
    );
  });
});

describe('numericAttribute', () => {
  it('holds in a comparison exactly where json-rules-engine’s numeric operators hold', () => {
    // The engine's own validator and comparison, as in its source.
    const engine = (value: unknown, than: number): boolean =>
      Number.parseFloat(String(value)).toString() !== 'NaN' && (value as number) < than;
    const values = fc.oneof(
      fc.string(),
      fc.double(),
      fc.boolean(),
      fc.constantFrom('', ' 1 ', '1e3', '0x1f', '1_0', 'Infinity', '-0'),
    );
    fc.assert(
      fc.property(values, fc.double({ noNaN: true }), (value, than) => {
        expect(numericAttribute(value) < than).toBe(engine(value, than));
      }),
    );
    expect(numericAttribute(undefined)).toBeNaN();
  });
});

describe('fact names', () => {
  it('of list columns come apart again, whatever the list is called', () => {
    expect(parseListColumn(listColumn('country', 'high-risk'))).toEqual({ field: 'country', list: 'high-risk' });
    expect(parseListColumn('country')).toBeUndefined();
  });

  it('of attributes reach own properties only', () => {
    const payment = Object.assign(new Payment(), { attributes: { x: 1 } });
    expect(paymentFact(payment, 'attributes.x')).toBe(1);
    expect(paymentFact(payment, 'attributes.toString')).toBeUndefined();
    expect(paymentFact(payment, 'attributes.constructor')).toBeUndefined();
    expect(paymentFact(new Payment(), 'attributes.x')).toBeUndefined();
    expect(paymentFact(payment, 'customer.count.1h')).toBeUndefined();
  });
});
