/** One row of the table of errors. `detail` tells the caller what to do. */
export interface ErrorEntry {
  /** HTTP status. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Whether the same request can succeed later as it is. */
  readonly retryable: boolean;
}

/**
 * Every error that Holdfast tells a caller or writes on a dead letter, by its `code`. The API, the dead letters, OpenAPI
 * and docs/errors.md all come from this table.
 */
export const errors = {
  malformed_json: {
    status: 400,
    title: 'The body is not JSON',
    detail: 'Send one JSON document as RFC 8259 defines it. NaN, Infinity, comments and trailing commas are not JSON.',
    retryable: false,
  },
  invalid_utf8: {
    status: 400,
    title: 'The body is not UTF-8',
    detail: 'Encode the JSON document as UTF-8, without a byte order mark.',
    retryable: false,
  },
  bad_request: {
    status: 400,
    title: 'The request cannot be read',
    detail: 'The HTTP request is malformed: check method, path encoding, headers and Content-Length.',
    retryable: false,
  },
  invalid_header: {
    status: 400,
    title: 'A header has a value that is not allowed',
    detail: 'Correct the header that `errors` names.',
    retryable: false,
  },
  unauthorized: {
    status: 401,
    title: 'No valid API key',
    detail: 'Send `Authorization: Bearer KEY` with a key of this installation.',
    retryable: false,
  },
  forbidden: {
    status: 403,
    title: 'The API key may not do this',
    detail: 'Use a key with the scope that this call needs.',
    retryable: false,
  },
  route_not_found: {
    status: 404,
    title: 'There is nothing at this address',
    detail: 'Check method and path against /docs.',
    retryable: false,
  },
  decision_not_found: {
    status: 404,
    title: 'No decision for this payment',
    detail: 'No payment with this id has been decided for this tenant. Check the id, or send the payment.',
    retryable: false,
  },
  release_not_found: {
    status: 404,
    title: 'The release of this decision is not kept',
    detail:
      'The decision is there, but what made it is not known here any more, so it cannot be computed again. Ask the operator to start every role with CLICKHOUSE_URL.',
    retryable: false,
  },
  model_not_found: {
    status: 404,
    title: 'No such model',
    detail: 'The release in use points to no model of this id or version. `GET /v1/models` lists those it points to.',
    retryable: false,
  },
  payment_unknown: {
    status: 404,
    title: 'The labelled payment is not known',
    detail: 'Label a payment after it was decided, with the paymentId that it was sent with.',
    retryable: true,
  },
  method_not_allowed: {
    status: 405,
    title: 'The method is not allowed here',
    detail: 'Use one of the methods in the `Allow` header.',
    retryable: false,
  },
  request_timeout: {
    status: 408,
    title: 'The request did not arrive in time',
    detail: 'Send headers and body without pausing, then try again.',
    retryable: true,
  },
  payment_conflict: {
    status: 409,
    title: 'The payment id is taken by another payment',
    detail:
      'A payment with this id and other content was decided already. Use a new id for a new payment; send the same content to read the decision again.',
    retryable: false,
  },
  payment_too_large: {
    status: 413,
    title: 'The payment is too large',
    detail: 'A payment has at most 16 KiB.',
    retryable: false,
  },
  body_too_large: {
    status: 413,
    title: 'The body is too large',
    detail: 'Send fewer payments in one batch, or a smaller document.',
    retryable: false,
  },
  uri_too_long: {
    status: 414,
    title: 'The address is too long',
    detail: 'Shorten path and query.',
    retryable: false,
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not declared as JSON',
    detail: 'Send `Content-Type: application/json`, in UTF-8 and without `Content-Encoding`.',
    retryable: false,
  },
  invalid_payment: {
    status: 422,
    title: 'The payment is not valid',
    detail: 'Correct every field that `errors` names. Nothing was counted or recorded.',
    retryable: false,
  },
  invalid_label: {
    status: 422,
    title: 'The label is not valid',
    detail: 'Correct every field that `errors` names. Nothing was recorded.',
    retryable: false,
  },
  invalid_batch: {
    status: 422,
    title: 'The batch is not valid',
    detail: 'Send a JSON array of at most 500 payments, each an object of its own.',
    retryable: false,
  },
  invalid_query: {
    status: 422,
    title: 'The query is not valid',
    detail: 'Correct every parameter that `errors` names.',
    retryable: false,
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait as many seconds as `Retry-After` says, then go on more slowly.',
    retryable: true,
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    detail: 'Send fewer or shorter headers.',
    retryable: false,
  },
  internal: {
    status: 500,
    title: 'Something failed on our side',
    detail:
      'The request may be sent again with the same paymentId: it is decided at most once. Quote `requestId` when you report this.',
    retryable: true,
  },
  overloaded: {
    status: 503,
    title: 'Too much work at the moment',
    detail:
      'Nothing was recorded as decided. Wait as many seconds as `Retry-After` says and send the same payment again.',
    retryable: true,
  },
  deadline_exceeded: {
    status: 503,
    title: 'The deadline passed before the decision was durable',
    detail:
      'Nothing was recorded as decided. Send the same payment again, or allow more time with `Holdfast-Deadline-Ms`.',
    retryable: true,
  },
  not_recorded: {
    status: 503,
    title: 'The decision could not be made durable',
    detail:
      'Nothing was recorded as decided. Wait as many seconds as `Retry-After` says and send the same payment again.',
    retryable: true,
  },
  shutting_down: {
    status: 503,
    title: 'The service is stopping',
    detail: 'Nothing was recorded as decided. Send the same request again, on a new connection.',
    retryable: true,
  },
  not_ready: {
    status: 503,
    title: 'Not able to decide',
    detail: 'Something that decisions need is missing: `dependencies` says what. Try again later.',
    retryable: true,
  },
  decisions_unavailable: {
    status: 503,
    title: 'The recorded decisions cannot be read',
    detail: 'The payment may have been decided or not: what remembers it does not answer now. Try again later.',
    retryable: true,
  },
  analytics_unavailable: {
    status: 503,
    title: 'The analytics store is away',
    detail: 'Decisions go on; lists and summaries come back when the store does. Try again later.',
    retryable: true,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errors;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errors, code);
}

/** The row of a code. @throws for a code that is not in the table: that is a programmer's error. */
export function errorEntry(code: string): ErrorEntry {
  if (!isErrorCode(code)) throw new Error(`"${code}" is not in the table of errors`);
  return errors[code];
}
