/** Bounds of the HTTP server, named once. */
import { labelBytesMax, paymentBytesMax } from '../domain/bounds.ts';

const values = {
  /** Payments in one batch. */
  batchPaymentsMax: 500,
  /** Bytes of a batch: 500 payments of the largest size, with their commas and some white space. */
  batchBytesMax: 500 * (paymentBytesMax + 16),
  /** Batches in hand at one time: each may hold its bytes and its answer in memory. */
  batchesInFlightMax: 16,
  /** What the batches in hand, all together, may take of one turn of the event loop: single payments wait no longer for them. */
  batchSliceMs: 4,
  /** Bytes of a batch that are read in one step of its work. */
  batchStepBytes: 64 * 1024,
  labelBytesMax,
  /** Requests in hand at one time; the next gets 503 `overloaded`. */
  requestsInFlightMax: 2048,
  connectionsMax: 4096,
  headerBytesMax: 16 * 1024,
  /** Path parameters, percent-encoded: 128 characters of up to four bytes, three characters each. */
  pathParameterCharactersMax: 128 * 4 * 3,
  /** Time for a request's headers, and for all of it. */
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  /** How often requests beyond these times are looked for. */
  connectionsCheckMs: 1000,
  /** Longest that a handler may take; above the longest deadline, so that a payment's own deadline speaks first. */
  handlerTimeoutMs: 10_000,
  /** Idle connections are kept this long: longer than the 60 s of common load balancers, so that they close first. */
  keepAliveTimeoutMs: 65_000,
  deadlineMsMin: 5,
  deadlineMsMax: 5000,
  deadlineMsDefault: 100,
  /** Decisions in one page of a list. */
  pageItemsMax: 200,
  pageItemsDefault: 50,
  cursorCharactersMax: 1024,
  /** Points of a summary's series. */
  summaryPointsMax: 1000,
  /** Requests of one key in `rateWindowMs`. */
  requestsPerKeyMax: 10_000,
  /** Requests of one address in `rateWindowMs` where no key is needed. */
  requestsPerAddressMax: 500,
  rateWindowMs: 1000,
  /** Refused keys of one address in `refusedKeyWindowMs`, before further ones get 429. */
  refusedKeysMax: 30,
  refusedKeyWindowMs: 60_000,
  /** Keys and addresses whose rate is remembered. */
  rateEntriesMax: 10_000,
  /** Mean delay of the event loop over a second, above which new work is refused. */
  eventLoopDelayMsMax: 1000,
  /** `Retry-After` of a 503 that has no better figure. */
  retryAfterSeconds: 1,
};
export const apiBounds: Readonly<typeof values> = values;

if (apiBounds.handlerTimeoutMs <= apiBounds.deadlineMsMax) throw new Error('a handler must outlive every deadline');
if (apiBounds.requestTimeoutMs <= apiBounds.headersTimeoutMs) throw new Error('headers are part of the request');
