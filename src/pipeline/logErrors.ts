/** How an EventLog refuses; shared by every adapter and by what is built on the port. */

/** The log is away, busy or too slow. What was to be done may be done again. */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

/** A membership in a consumer group that will never deliver again: its owner subscribes anew or ends the process. */
export class SubscriptionDead extends Error {
  override readonly name = 'SubscriptionDead';
  /** Another process has taken the place of this one: to join again would put that one out. */
  readonly replaced: boolean;

  constructor(message: string, options: { readonly replaced?: boolean } = {}) {
    super(message);
    this.replaced = options.replaced ?? false;
  }
}
