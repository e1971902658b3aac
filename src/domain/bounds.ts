/** Bounds of what callers may send. Named here once; decoder, schemas, OpenAPI and docs all read them. */
export const paymentBytesMax = 16 * 1024;
export const labelBytesMax = 4 * 1024;

/** Identifiers, in characters (Unicode code points). */
export const idCharactersMax = 128;

export const amountMinorMax = 9e15;

export const attributesMax = 32;
export const attributeNameCharactersMax = 128;
export const attributeTextCharactersMax = 256;

/** How far ahead of our clock a payment may claim to have occurred: room for clock skew, not for dated-ahead orders. */
export const aheadMsMax = 5 * 60_000;

/**
 * Times before 2000-01-01 are refused: no card or transfer history that is scored here reaches back so far, and such a
 * time nearly always is seconds taken for milliseconds or an unset clock (1970, 1980).
 */
export const occurredAtMsMin = 946_684_800_000;

/** Problems listed in one refusal; the rest is summed up in one more entry. */
export const problemsMax = 64;

/** Nesting that the decoder follows; a payment needs two levels. */
export const jsonDepthMax = 64;
