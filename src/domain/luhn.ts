/** How many digits a payment card number (PAN) has: ISO/IEC 7812-1, and 13 for the old ones. */
export const panDigitsMin = 13;
export const panDigitsMax = 19;

/** Digits doubled by the Luhn algorithm (ISO/IEC 7812-1 annex B): 2d, less 9 above 9. */
const doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];

/** Whether a text of digits only passes the Luhn check. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, place = 0; i >= 0; i--, place++) {
    const digit = digits.charCodeAt(i) - 48;
    sum += (place & 1) === 1 ? (doubled[digit] as number) : digit;
  }
  return sum % 10 === 0;
}
