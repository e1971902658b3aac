/** How an AnalyticsStore refuses; shared by every adapter and by the API, which maps them to problem documents. */

/** The store is away, busy or too slow. Decisions do not depend on it; the caller may try again. */
export class AnalyticsUnavailable extends Error {
  override readonly name = 'AnalyticsUnavailable';
  readonly code = 'analytics_unavailable';
}

/** The store answers, and refuses: wrong login, missing right, tables of another shape. Trying again changes nothing by itself. */
export class AnalyticsRefused extends Error {
  override readonly name = 'AnalyticsRefused';
  readonly code = 'analytics_refused';
}

/** The cursor was not made by this store, or belongs to another version of it. The caller's fault, not the store's. */
export class InvalidCursor extends Error {
  override readonly name = 'InvalidCursor';
  readonly code = 'invalid_cursor';
}
