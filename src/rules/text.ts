import type { Literal } from '../features/frame.ts';

/**
 * Sentences for the analyst: `{fact}` is replaced by the value seen, `{fact:format}` by the value in that format.
 * Formats: `money` (minor units to major ones of the payment's currency, with its code), `percent` (0.25 → 25%),
 * `duration` (seconds → "12 min"). Nothing depends on a locale: the same values always give the same bytes.
 */
export const textFormats = ['plain', 'money', 'percent', 'duration'] as const;
export type TextFormat = (typeof textFormats)[number];

export interface Placeholder {
  readonly fact: string;
  readonly format: TextFormat;
}
/** Literal text and placeholders, in order. */
export type TextTemplate = readonly (string | Placeholder)[];

/** The value of a fact by its canonical name: null or undefined when missing. */
export type ValueLookup = (fact: string) => Literal | null | undefined;

const missingText = 'unknown';
const formats: ReadonlySet<string> = new Set(textFormats);

function isFormat(name: string): name is TextFormat {
  return formats.has(name);
}

/** @returns the template, or what is wrong with the text. */
export function parseText(text: string): TextTemplate | { readonly problem: string } {
  const parts: (string | Placeholder)[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('{', at);
    const plain = open < 0 ? text.slice(at) : text.slice(at, open);
    if (plain.includes('}')) return { problem: 'a "}" without its "{"' };
    if (plain !== '') parts.push(plain);
    if (open < 0) break;
    const close = text.indexOf('}', open);
    if (close < 0) return { problem: 'a "{" without its "}"' };
    const inside = text.slice(open + 1, close);
    const colon = inside.indexOf(':');
    const fact = colon < 0 ? inside : inside.slice(0, colon);
    const format = colon < 0 ? 'plain' : inside.slice(colon + 1);
    if (fact === '' || fact.includes('{')) return { problem: `the placeholder "{${inside}}" names no fact` };
    if (!isFormat(format)) return { problem: `the placeholder "{${inside}}" asks for an unknown format` };
    parts.push({ fact, format });
    at = close + 1;
  }
  return parts;
}

/** Decimal digits of the currencies that do not have two (ISO 4217). */
const digitsOf = new Map<string, number>([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((c) => [c, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((c) => [c, 3] as const),
  ...'CLF UYW'.split(' ').map((c) => [c, 4] as const),
]);

function plainText(value: Literal): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1e15 ? String(Number(value.toFixed(2))) : String(value);
}

function moneyText(minor: number, currency: unknown): string {
  const code = typeof currency === 'string' ? currency : '';
  const digits = digitsOf.get(code) ?? 2;
  return `${(minor / 10 ** digits).toFixed(digits)} ${code}`.trimEnd();
}

function durationText(seconds: number): string {
  const count = Math.max(0, seconds);
  if (count < 120) return `${Math.round(count)} s`;
  if (count < 7_200) return `${Math.round(count / 60)} min`;
  if (count < 172_800) return `${Math.round(count / 3_600)} h`;
  return `${Math.round(count / 86_400)} days`;
}

function placeholderText({ fact, format }: Placeholder, valueOf: ValueLookup): string {
  const value = valueOf(fact);
  if (value === undefined || value === null || Number.isNaN(value)) return missingText;
  if (typeof value !== 'number') return plainText(value);
  switch (format) {
    case 'plain':
      return plainText(value);
    case 'money':
      return moneyText(value, valueOf('currency'));
    case 'percent':
      return `${plainText(value * 100)}%`;
    case 'duration':
      return durationText(value);
  }
}

export function fillTemplate(template: TextTemplate, valueOf: ValueLookup): string {
  let out = '';
  for (const part of template) out += typeof part === 'string' ? part : placeholderText(part, valueOf);
  return out;
}

/** Fills a text once; a text that does not parse is given back as it is (the lint refuses it at load). */
export function fillText(text: string, valueOf: ValueLookup): string {
  const template = parseText(text);
  return 'problem' in template ? text : fillTemplate(template, valueOf);
}
