/** RFC 3339 timestamps to and from milliseconds since the Unix epoch (UTC), without `Date`: it is lenient and slow. */

import { latin1Text } from './latin1.ts';

/** Why a text is not a timestamp that we take; the keys are field-problem codes. */
export type TimestampFault = 'time_format' | 'time_zone_missing' | 'time_too_fine' | 'time_leap_second';

const shape = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;
const shapeWithoutZone = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;
const msPerDay = 86_400_000;
const msPerMinute = 60_000;
const digitZero = 48;
const dash = 45;

/**
 * Days from 1970-01-01 to a date of the proleptic Gregorian calendar, year ≥ 0, month 1–12.
 * Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = ((y < 0 ? y - 399 : y) / 400) | 0;
  const yearOfEra = y - era * 400;
  const dayOfYear = (((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) | 0) + day - 1;
  const dayOfEra = yearOfEra * 365 + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The date of a day counted from 1970-01-01. Hinnant, civil_from_days; year ≥ 0. */
function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = (shifted / 146_097) | 0;
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra =
    ((dayOfEra - ((dayOfEra / 1460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0));
  const shiftedMonth = ((5 * dayOfYear + 2) / 153) | 0;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - (((153 * shiftedMonth + 2) / 5) | 0) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year & 3) === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Milliseconds of an RFC 3339 timestamp, or why it is refused. Digits finer than a millisecond must be zero: cutting
 * them off silently would change the time that the caller believes was recorded.
 */
export function parseTimestamp(text: string): number | TimestampFault {
  const parts = shape.exec(text);
  if (parts === null) return shapeWithoutZone.test(text) ? 'time_zone_missing' : 'time_format';
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return 'time_format';
  if (second === 60 && hour < 24 && minute < 60) return 'time_leap_second';
  if (hour > 23 || minute > 59 || second > 59) return 'time_format';
  const fraction = (parts[7] ?? '').padEnd(9, '0');
  if (fraction.slice(3) !== '000000') return 'time_too_fine';
  const offset = offsetMinutes(parts[8], parts[9], parts[10]);
  if (offset === undefined) return 'time_format';
  const ms = ((hour * 60 + minute) * 60 + second) * 1000 + Number(fraction.slice(0, 3));
  return daysFromCivil(year, month, day) * msPerDay + ms - offset * msPerMinute;
}

function offsetMinutes(sign: string | undefined, hours = '00', minutes = '00'): number | undefined {
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const total = Number(hours) * 60 + Number(minutes);
  return sign === '-' ? -total : total;
}

/** Bytes of a timestamp as `formatTimestamp` writes it. */
export const timestampBytes = 24;

/** The calendar date of the last day written: decisions made one after another share it. */
let dayCached = Number.NaN;
let dateCached = { year: 0, month: 0, day: 0 };
const text = Buffer.alloc(timestampBytes);

/**
 * `2026-11-22T10:00:00.000Z`.
 * @param ms an integer from year 0 to year 9999.
 */
export function formatTimestamp(ms: number): string {
  writeTimestamp(text, 0, ms);
  return latin1Text(text, timestampBytes);
}

/** `formatTimestamp` as ASCII into target[at, at + 24). */
export function writeTimestamp(target: Uint8Array, at: number, ms: number): void {
  const day = Math.floor(ms / msPerDay);
  if (day !== dayCached) {
    dateCached = civilFromDays(day);
    dayCached = day;
  }
  const inDay = ms - day * msPerDay;
  const seconds = (inDay / 1000) | 0;
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  const century = (dateCached.year / 100) | 0;
  writeTwo(target, at, century);
  writeTwo(target, at + 2, dateCached.year - century * 100);
  target[at + 4] = dash;
  writeTwo(target, at + 5, dateCached.month);
  target[at + 7] = dash;
  writeTwo(target, at + 8, dateCached.day);
  target[at + 10] = 84;
  writeTwo(target, at + 11, hours);
  target[at + 13] = 58;
  writeTwo(target, at + 14, minutes - hours * 60);
  target[at + 16] = 58;
  writeTwo(target, at + 17, seconds - minutes * 60);
  target[at + 19] = 46;
  const millis = inDay - seconds * 1000;
  const tenths = (millis / 100) | 0;
  target[at + 20] = digitZero + tenths;
  writeTwo(target, at + 21, millis - tenths * 100);
  target[at + 23] = 90;
}

function writeTwo(target: Uint8Array, at: number, value: number): void {
  const tens = (value / 10) | 0;
  target[at] = digitZero + tens;
  target[at + 1] = digitZero + value - tens * 10;
}
