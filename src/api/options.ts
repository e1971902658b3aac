import type { FastifyBaseLogger } from 'fastify';
import type { Registry } from 'prom-client';
import type { ModelsService } from '../pipeline/models.ts';
import type { AnalyticsStore } from '../pipeline/ports.ts';
import type { DecisionService } from '../pipeline/service.ts';
import type { ApiKeyVerifier } from './keys.ts';

export interface RateLimits {
  readonly requestsPerKeyMax: number;
  readonly requestsPerAddressMax: number;
  readonly rateWindowMs: number;
  readonly refusedKeysMax: number;
}

export interface ApiClock {
  /** Unix epoch, milliseconds. */
  nowMs(): number;
  /** Monotonic, milliseconds: the clock of deadlines (performance.now). */
  monotonicMs(): number;
}

export interface ApiOptions {
  readonly service: DecisionService;
  readonly analytics: AnalyticsStore;
  /** The models of the release in use; without it there are none. */
  readonly models?: ModelsService;
  readonly keys: ApiKeyVerifier;
  /** What `GET /metrics` shows; the server adds its own. One server a registry. */
  readonly metrics: Registry;
  /** The product's version, as OpenAPI shows it. */
  readonly version: string;
  /** Directory of the console's static files; without it there is no page at `/`. */
  readonly consoleRoot?: string;
  /** A pino logger; without it nothing is logged. */
  readonly logger?: FastifyBaseLogger;
  /** Defaults to `apiBounds`. */
  readonly rateLimits?: Partial<RateLimits>;
  /** Whether `X-Forwarded-For` is believed, as Fastify's `trustProxy`; false by default. */
  readonly trustProxy?: boolean | string | string[];
  readonly clock?: ApiClock;
}

/** The options with every default filled in. */
export interface ApiContext {
  readonly options: ApiOptions;
  readonly rateLimits: RateLimits;
  readonly clock: ApiClock;
}
