/** How values are shown. Everything in the reader's language and time zone, except what must be exact. */
const countFormat = new Intl.NumberFormat();
const compactFormat = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const rateFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const percentFormat = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });
const valueFormat = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});
const dayFormat = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short' });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const currencyFormats = new Map();

export const count = (value) => countFormat.format(value);
export const compact = (value) => (value < 100_000 ? countFormat.format(value) : compactFormat.format(value));
export const rate = (value) => rateFormat.format(value);
export const percent = (value) => percentFormat.format(value);
export const score = (value) => (typeof value === 'number' ? value.toFixed(3) : '–');

/** A feature's or fact's value: numbers shortened, texts as they are. */
export function value(given) {
  if (given === null || given === undefined) return 'missing';
  if (typeof given === 'number') return Number.isInteger(given) ? countFormat.format(given) : valueFormat.format(given);
  return typeof given === 'string' ? given : JSON.stringify(given);
}

export function latency(micros) {
  return micros < 10_000
    ? `${rateFormat.format(micros / 1_000)} ms`
    : `${countFormat.format(Math.round(micros / 1_000))} ms`;
}

function currencyFormat(currency) {
  let format = currencyFormats.get(currency);
  if (format === undefined) {
    format = new Intl.NumberFormat(undefined, { style: 'currency', currency, currencyDisplay: 'code' });
    currencyFormats.set(currency, format);
  }
  return format;
}

/** Minor units as money; a currency the browser does not know is shown in minor units and says so. */
export function money(amountMinor, currency) {
  if (typeof amountMinor !== 'number') return '–';
  try {
    const format = currencyFormat(String(currency));
    return format.format(amountMinor / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${countFormat.format(amountMinor)} ${currency} (minor units)`;
  }
}

export function clock(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '–';
  const today = date.toDateString() === new Date().toDateString();
  return today ? clockFormat.format(date) : `${dayFormat.format(date)} ${clockFormat.format(date)}`;
}

export function fullTime(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '–' : fullFormat.format(date);
}

/** A tick of the chart: time of day in windows up to a day, days beyond. */
export function tick(atMs, spanMs) {
  const date = new Date(atMs);
  return spanMs <= 86_400_000 ? clockFormat.format(date).slice(0, 5) : dayFormat.format(date);
}
