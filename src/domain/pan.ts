import { panDigitsMax, panDigitsMin, passesLuhn } from './luhn.ts';

/**
 * Finds card numbers (PANs) in texts of a payment, so that none is ever stored. Two tests, because a false alarm refuses
 * a payment: one in ten random digit strings passes Luhn.
 * - A text that is nothing but 13–19 digits, with spaces or dashes around or between: Luhn decides.
 * - Inside longer free text: a run that stands alone (between blanks or punctuation) and begins with an issuer digit
 *   2–6. Digits glued to letters (`ord-4839201938475620`) are somebody's reference, not a card.
 */
const wholeText = /^[\d\s\p{Zs}\p{Pd}]+$/u;
const separators = /[\s\p{Zs}\p{Pd}]/gu;
const embedded = /(?<=^|[\s:=,;#("'])[2-6](?:[\s\p{Zs}\p{Pd}]?\d){12,18}(?=$|[\s.,;:)!?"'])/gu;

/** Whether the text as a whole is a card number. Full-width and other compatibility digits count as digits. */
export function isPan(text: string): boolean {
  if (text.length < panDigitsMin) return false;
  const plain = text.normalize('NFKC');
  if (!wholeText.test(plain)) return false;
  const digits = plain.replace(separators, '');
  return digits.length >= panDigitsMin && digits.length <= panDigitsMax && passesLuhn(digits);
}

/** Whether free text is or holds a card number. */
export function holdsPan(text: string): boolean {
  if (text.length < panDigitsMin) return false;
  if (isPan(text)) return true;
  for (const [run] of text.normalize('NFKC').matchAll(embedded)) {
    if (passesLuhn(run.replace(separators, ''))) return true;
  }
  return false;
}
