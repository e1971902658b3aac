/** Parsers of option values that several commands share. */
import { InvalidArgumentError } from 'commander';

/** A whole number from `min` to `max`. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };

/** `max`, or payments a second. */
export function rate(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0)
    throw new InvalidArgumentError('It must be a positive number, or max.');
  return value;
}

/** A day as YYYY-MM-DD to the milliseconds of its midnight UTC. */
export function day(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
    throw new InvalidArgumentError('It must be a day as YYYY-MM-DD.');
  return ms;
}

export interface FactIs {
  readonly fact: string;
  readonly value: number;
}

/** `FACT=NUMBER`, each time it is given: the rows of which a numeric fact has this value. */
export function factIs(text: string, before: readonly FactIs[] = []): readonly FactIs[] {
  const at = text.lastIndexOf('=');
  const [fact, number] = [text.slice(0, at), text.slice(at + 1)];
  const value = number.trim() === '' ? Number.NaN : Number(number);
  if (at < 1 || Number.isNaN(value)) throw new InvalidArgumentError('It must be FACT=NUMBER, as customer.isFirst=1.');
  return [...before, { fact, value }];
}
