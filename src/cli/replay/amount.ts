/** Amounts as text to minor units, in decimal digits from end to end: a float never touches money. */
import { amountMinorMax } from '../../domain/bounds.ts';

export type AmountFault = 'amount_format' | 'amount_too_fine' | 'amount_too_large';

const decimalText = /^(\d{1,20})(?:\.(\d{1,40}))?$/;

/**
 * @param text plain decimal notation, as `57.16`: no sign, exponent or thousands separator
 * @param decimals how many digits of the fraction are minor units: 2 for EUR, 0 for JPY
 * @param round digits beyond them round half up; without it they must be zeros, because dropping money silently is wrong
 */
export function parseAmountMinor(text: string, decimals: number, round: boolean): number | AmountFault {
  const match = decimalText.exec(text);
  if (match === null) return 'amount_format';
  const fraction = match[2] ?? '';
  const rest = fraction.slice(decimals);
  if (!round && /[1-9]/.test(rest)) return 'amount_too_fine';
  const digits = `${match[1] ?? ''}${fraction.slice(0, decimals).padEnd(decimals, '0')}`;
  // 9e15 + 1 is a safe integer, and a text of more digits than that is far above the bound whatever its last digits round to.
  const minor = Number(digits) + (round && rest >= '5' ? 1 : 0);
  return minor > amountMinorMax ? 'amount_too_large' : minor;
}
