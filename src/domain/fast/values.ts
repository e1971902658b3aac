/** Readers of the contract's field values in the scratch buffer: times, codes, addresses, card numbers. */
import { countryCodes } from '../countries.ts';
import { currencyCodes } from '../currencies.ts';
import { panDigitsMax, panDigitsMin } from '../luhn.ts';
import type { Channel } from '../payment.ts';
import { channels } from '../payment.ts';
import { daysFromCivil, daysInMonth } from '../timestamp.ts';
import { scratch } from './scratch.ts';
import { matches } from './tokens.ts';

const bytes = scratch;
const encoder = new TextEncoder();
/** The digit's value, or 128, which takes any field of digits out of range. */
const digitOf = new Uint8Array(256).map((_, byte) => (byte >= 48 && byte <= 57 ? byte - 48 : 128));

function digitAt(i: number): number {
  return digitOf[bytes[i] as number] as number;
}

function twoAt(i: number): number {
  return digitAt(i) * 10 + digitAt(i + 1);
}

/**
 * Milliseconds of `YYYY-MM-DDThh:mm:ss[.sss](Z|±hh:mm)` in bytes[start, end), or NaN. Other spellings are left to
 * `parseTimestamp`.
 */
export function timestampAt(start: number, end: number): number {
  const year = twoAt(start) * 100 + twoAt(start + 2);
  const month = twoAt(start + 5);
  const day = twoAt(start + 8);
  const hour = twoAt(start + 11);
  const minute = twoAt(start + 14);
  const second = twoAt(start + 17);
  const separated =
    bytes[start + 4] === 45 &&
    bytes[start + 7] === 45 &&
    bytes[start + 10] === 84 &&
    bytes[start + 13] === 58 &&
    bytes[start + 16] === 58;
  if (!separated || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month))
    return Number.NaN;
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN;
  let i = start + 19;
  let ms = 0;
  if (bytes[i] === 46) {
    const tenths = digitAt(i + 1);
    const rest = twoAt(i + 2);
    if (tenths > 9 || rest > 99) return Number.NaN;
    ms = tenths * 100 + rest;
    i += 4;
  }
  const minutes = daysFromCivil(year, month, day) * 1440 + hour * 60 + minute;
  return minutes * 60_000 + second * 1000 + ms - offsetMsAt(i, end);
}

/** Milliseconds of `Z` or `±hh:mm` in bytes[i, end), or NaN. */
function offsetMsAt(i: number, end: number): number {
  const sign = bytes[i];
  if (sign === 90) return end === i + 1 ? 0 : Number.NaN;
  if ((sign !== 43 && sign !== 45) || end !== i + 6 || bytes[i + 3] !== 58) return Number.NaN;
  const hours = twoAt(i + 1);
  const minutes = twoAt(i + 4);
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (sign === 45 ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

const letters = 26;
const capitalA = 65;

function letterTable(codes: readonly string[], length: number): (string | undefined)[] {
  const table = new Array<string | undefined>(letters ** length).fill(undefined);
  for (const code of codes) {
    let index = 0;
    for (let i = 0; i < length; i++) index = index * letters + code.charCodeAt(i) - capitalA;
    table[index] = code;
  }
  return table;
}
const currencies = letterTable(currencyCodes, 3);
const countries = letterTable(countryCodes, 2);

/** The ISO 4217 code in bytes[start, end) as a shared string, or ''. */
export function currencyAt(start: number, end: number): string {
  const a = (bytes[start] as number) - capitalA;
  const b = (bytes[start + 1] as number) - capitalA;
  const c = (bytes[start + 2] as number) - capitalA;
  if (end - start !== 3 || !isLetter(a) || !isLetter(b) || !isLetter(c)) return '';
  return currencies[(a * letters + b) * letters + c] ?? '';
}

/** The ISO 3166-1 alpha-2 code in bytes[start, end) as a shared string, or undefined. */
export function countryAt(start: number, end: number): string | undefined {
  const a = (bytes[start] as number) - capitalA;
  const b = (bytes[start + 1] as number) - capitalA;
  if (end - start !== 2 || !isLetter(a) || !isLetter(b)) return undefined;
  return countries[a * letters + b];
}

function isLetter(index: number): boolean {
  return index >= 0 && index < letters;
}

const channelBytes = channels.map((channel) => encoder.encode(`${channel}"`));
/** First letters of the channels, in order; `atm` and the others all differ. */
const channelOf = new Int8Array(256).fill(-1);
for (const [i, channel] of channels.entries()) channelOf[channel.charCodeAt(0)] = i;

/** The channel whose name and closing quote stand at `start`, or undefined. */
export function channelAt(start: number): Channel | undefined {
  const index = channelOf[bytes[start] as number] as number;
  return index >= 0 && matches(start, channelBytes[index] as Uint8Array) ? channels[index] : undefined;
}

const categoryCodes = new Array<string | undefined>(10_000).fill(undefined);

/** The four digits in bytes[start, end) as a shared string, or undefined. */
export function categoryCodeAt(start: number, end: number): string | undefined {
  const code = twoAt(start) * 100 + twoAt(start + 2);
  const valid =
    end - start === 4 && (digitAt(start) | digitAt(start + 1) | digitAt(start + 2) | digitAt(start + 3)) < 128;
  if (!valid) return undefined;
  let text = categoryCodes[code];
  if (text === undefined) {
    text = String(code).padStart(4, '0');
    categoryCodes[code] = text;
  }
  return text;
}

/** Whether bytes[start, end) is a dotted IPv4 address without leading zeros. */
export function isIpv4At(start: number, end: number): boolean {
  let i = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && bytes[i++] !== 46) return false;
    const first = i;
    let value = 0;
    for (let digit = digitAt(i); digit < 128 && i < first + 3; digit = digitAt(++i)) value = value * 10 + digit;
    if (i === first || value > 255 || (i > first + 1 && bytes[first] === 48)) return false;
  }
  return i === end;
}

/** Whether bytes[start, end) consist of digits, spaces and dashes, with as many digits as a card number has. */
export function mayBePan(start: number, end: number): boolean {
  let digits = 0;
  for (let i = end - 1; i >= start; i--) {
    const byte = bytes[i] as number;
    if (byte >= 48 && byte <= 57) digits++;
    else if (byte !== 32 && byte !== 45) return false;
  }
  return digits >= panDigitsMin && digits <= panDigitsMax;
}

/** Whether bytes[start, end) hold at least as many digits as the shortest card number. */
export function mayHoldPan(start: number, end: number): boolean {
  let digits = 0;
  for (let i = start; i < end; i++) if (digitAt(i) < 128) digits++;
  return digits >= panDigitsMin;
}
