import { InvalidCursor } from '../../pipeline/analyticsErrors.ts';

/** Where a page of decisions ended: the next one starts strictly after it, in order of decidedAt and paymentId, descending. */
export interface Cursor {
  readonly decidedAtMs: number;
  readonly paymentId: string;
}

const cursorVersion = 1;
const cursorCharactersMax = 1_024;
const paymentIdCharactersMax = 128;

/** Opaque to clients; base64url, so that it fits a query string as it is. */
export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([cursorVersion, cursor.decidedAtMs, cursor.paymentId])).toString('base64url');
}

/** @throws InvalidCursor for anything that `encodeCursor` did not make. */
export function decodeCursor(text: string): Cursor {
  if (text.length > cursorCharactersMax || !/^[A-Za-z0-9_-]+$/.test(text)) throw new InvalidCursor('not a cursor');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw new InvalidCursor('not a cursor');
  }
  if (!Array.isArray(parsed) || parsed.length !== 3) throw new InvalidCursor('not a cursor');
  const [version, decidedAtMs, paymentId] = parsed as readonly unknown[];
  if (version !== cursorVersion) throw new InvalidCursor('a cursor of another version');
  if (typeof decidedAtMs !== 'number' || !Number.isSafeInteger(decidedAtMs)) throw new InvalidCursor('not a cursor');
  if (typeof paymentId !== 'string' || paymentId.length === 0 || paymentId.length > paymentIdCharactersMax) {
    throw new InvalidCursor('not a cursor');
  }
  return { decidedAtMs, paymentId };
}
