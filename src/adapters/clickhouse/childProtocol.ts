/** What the main process and the analytics process say to each other over Node's IPC channel (advanced serialisation). */
import type { ModelAnalytics } from '../../pipeline/modelAnalytics.ts';
import type { AnalyticsStore } from '../../pipeline/ports.ts';
import type { ParityState, ParityTiming } from '../../pipeline/parityJob.ts';
import type { ShadowStats } from '../../pipeline/shadow.ts';
import type { ServerOptions } from './server.ts';
import type { Retention } from './tableSettings.ts';

export interface ChildOptions {
  /** The data directory: `analytics/`, `sink.db`, `releases/` and the journal are in it. */
  readonly dataDir: string;
  /** Whether the process tails the journal; without it, it only serves the store. */
  readonly sink: boolean;
  /** The store is this server instead of the embedded engine. Holds a secret. */
  readonly server?: ServerOptions | undefined;
  readonly retention?: Retention | undefined;
  /** Share of the decisions that challengers are scored on; all of them unless told. */
  readonly shadowShare?: number | undefined;
  /** When recorded features are compared with the journal; never where this is not told. */
  readonly parity?: ParityTiming | undefined;
}

/** The options as the process gets them: what is no secret as its argument, the server in its environment. */
export const serverVariable = 'CLICKHOUSE_SERVER';

export type StoreMethod =
  | 'migrate'
  | 'insertBlock'
  | 'findDecisions'
  | 'summary'
  | 'modelHealth'
  | 'modelComparison'
  | 'recordHealth'
  | 'recordParity'
  | 'parityOf';
type Store = AnalyticsStore & ModelAnalytics;
export type StoreArguments = { readonly [Method in StoreMethod]: Parameters<Store[Method]> };
export type StoreValue<Method extends StoreMethod> = Awaited<ReturnType<Store[Method]>>;

export type StoreCall = {
  readonly [Method in StoreMethod]: {
    readonly type: 'call';
    readonly id: number;
    readonly method: Method;
    readonly args: StoreArguments[Method];
  };
}[StoreMethod];

export type ToChild = StoreCall | { readonly type: 'close' };

export interface SinkReport {
  /** Journal entries not yet in the store. */
  readonly lagRows: number;
  /** Entries inserted since the process started. */
  readonly insertedRows: number;
  /** Of the last failed step; undefined after a step that worked. */
  readonly lastError: string | undefined;
  /** Of this process, as `insertedRows`. */
  readonly shadow: ShadowStats & { readonly lastError?: string | undefined };
  /** Undefined where nothing is compared. */
  readonly parity?: ParityState | undefined;
}

export type ErrorName = 'AnalyticsUnavailable' | 'AnalyticsRefused' | 'InvalidCursor' | 'RangeError' | 'Error';

export type FromChild =
  | { readonly type: 'ready' }
  | { readonly type: 'report'; readonly report: SinkReport }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly name: ErrorName; readonly message: string };

const detailCharactersMax = 300;

/**
 * What may be told about an error outside the process that had it. The engine's own texts quote the rows they stumble over,
 * so of those only type and code are told.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'an error that is not an Error';
  const wrapped = error.name === 'AnalyticsUnavailable' || error.name === 'AnalyticsRefused';
  const cause = wrapped && error.cause instanceof Error ? error.cause : error;
  const { type, code } = cause as { type?: unknown; code?: unknown };
  if (typeof type === 'string' && typeof code === 'string') return `ClickHouse ${type} (${code})`;
  if (/DB::Exception/.test(cause.message)) return `ClickHouse ${cause.name}`;
  return `${cause.name}: ${cause.message}`.slice(0, detailCharactersMax);
}
