/**
 * The AnalyticsStore as the main process sees it: calls to a process of its own that holds the embedded ClickHouse and the
 * sink. While that process is away, calls reject with AnalyticsUnavailable; nothing else happens, and the sink catches up.
 */
import { AnalyticsRefused, AnalyticsUnavailable, InvalidCursor } from '../../pipeline/analyticsErrors.ts';
import type { ModelAnalytics } from '../../pipeline/modelAnalytics.ts';
import type { AnalyticsBlock, AnalyticsStore } from '../../pipeline/ports.ts';
import { superviseChild } from './childProcess.ts';
import type {
  ChildOptions,
  ErrorName,
  FromChild,
  SinkReport,
  StoreArguments,
  StoreCall,
  StoreMethod,
  StoreValue,
} from './childProtocol.ts';

/** Calls waiting for an answer; the next one is refused at once. */
export const callsInFlightMax = 32;
/** Beyond the engine's own limit on a query (`querySecondsMax`), within the API's on a request. */
const callMs: Readonly<Record<StoreMethod, number>> = {
  migrate: 30_000,
  insertBlock: 120_000,
  findDecisions: 7_000,
  summary: 9_000,
  // Several queries, and the resamples.
  modelHealth: 9_000,
  modelComparison: 9_000,
  recordHealth: 30_000,
  recordParity: 30_000,
  parityOf: 7_000,
};

export interface AnalyticsChildState extends SinkReport {
  /** `up`: it answers. `starting`: the first process is not ready yet. `restarting`: it died and comes back. */
  readonly state: 'starting' | 'up' | 'restarting' | 'closed';
  readonly restarts: number;
  readonly pid: number | undefined;
}

export interface AnalyticsChild extends AnalyticsStore, ModelAnalytics {
  state(): AnalyticsChildState;
  /** Resolves when the process is up; rejects with AnalyticsUnavailable after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
}

const noShadow = { scored: 0, dropped: 0, failed: 0 };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

function errorOf(name: ErrorName, message: string): Error {
  if (name === 'AnalyticsUnavailable') return new AnalyticsUnavailable(message);
  if (name === 'AnalyticsRefused') return new AnalyticsRefused(message);
  if (name === 'InvalidCursor') return new InvalidCursor(message);
  return name === 'RangeError' ? new RangeError(message) : new Error(message);
}

/** Starts the process in the background and answers at once; the store is used like any other. */
export function startAnalyticsChild(options: ChildOptions, entry?: string): AnalyticsChild {
  const waiting = new Map<number, Waiting>();
  const whenUp = new Set<() => void>();
  let state: AnalyticsChildState['state'] = 'starting';
  let report: SinkReport = { lagRows: 0, insertedRows: 0, lastError: undefined, shadow: noShadow };
  let failure: string | undefined;
  let nextId = 1;

  function settle(id: number, settleOne: (call: Waiting) => void): void {
    const call = waiting.get(id);
    if (call === undefined) return;
    waiting.delete(id);
    clearTimeout(call.timer);
    settleOne(call);
  }

  function onMessage(message: FromChild): void {
    switch (message.type) {
      case 'ready':
        if (state !== 'closed') state = 'up';
        failure = undefined;
        for (const resolve of whenUp) resolve();
        return;
      case 'report':
        report = message.report;
        return;
      case 'failed':
        failure = message.message;
        return;
      case 'result':
        settle(message.id, (call) => call.resolve(message.value));
        return;
      case 'error':
        settle(message.id, (call) => call.reject(errorOf(message.name, message.message)));
    }
  }

  function onEnd(reason: string): void {
    for (const id of [...waiting.keys()]) {
      settle(id, (call) => call.reject(new AnalyticsUnavailable('the analytics process ended')));
    }
    if (state === 'closed') return;
    state = 'restarting';
    failure ??= reason;
  }

  const child = superviseChild(options, { onMessage, onEnd }, entry);

  function call<Method extends StoreMethod>(method: Method, args: StoreArguments[Method]): Promise<StoreValue<Method>> {
    if (state !== 'up') return Promise.reject(new AnalyticsUnavailable(`the analytics process is ${state}`));
    if (waiting.size >= callsInFlightMax) {
      return Promise.reject(new AnalyticsUnavailable('too many analytics calls in flight'));
    }
    const id = nextId;
    nextId += 1;
    return new Promise<StoreValue<Method>>((resolve, reject) => {
      const fail = (message: string): void => settle(id, (lost) => lost.reject(new AnalyticsUnavailable(message)));
      const timer = setTimeout(() => fail('the analytics store took too long'), callMs[method]);
      waiting.set(id, { resolve: (value) => resolve(value as StoreValue<Method>), reject, timer });
      child.send({ type: 'call', id, method, args } as StoreCall, () => fail('the analytics process ended'));
    });
  }

  function ready(timeoutMs: number): Promise<void> {
    if (state === 'up') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(timer);
        whenUp.delete(settled);
        resolve();
      };
      const timer = setTimeout(() => {
        whenUp.delete(settled);
        reject(new AnalyticsUnavailable('the analytics process is not up'));
      }, timeoutMs);
      whenUp.add(settled);
    });
  }

  return {
    migrate: () => call('migrate', []),
    insertBlock: (block) => call('insertBlock', [plainBlock(block)]),
    findDecisions: (filter) => call('findDecisions', [filter]),
    summary: (...args) => call('summary', args),
    modelHealth: (query) => call('modelHealth', [query]),
    modelComparison: (query) => call('modelComparison', [query]),
    recordHealth: (record) => call('recordHealth', [record]),
    recordParity: (record) => call('recordParity', [record]),
    parityOf: (window) => call('parityOf', [window]),
    async close() {
      state = 'closed';
      await child.close();
    },
    state: () => ({
      ...report,
      lastError: failure ?? report.lastError,
      state,
      restarts: child.restarts,
      pid: child.pid,
    }),
    ready,
  };
}

/** Records from the journal decode themselves when asked; a message can only carry plain ones. */
function plainBlock(block: AnalyticsBlock): AnalyticsBlock {
  const rows = block.rows.map(({ record, featureNames }) => {
    const { tenantId, paymentId, occurredAtMs, decision, payment, releaseId, features, bounds } = record;
    return {
      featureNames,
      record: { tenantId, paymentId, occurredAtMs, decision, payment, releaseId, features, bounds },
    };
  });
  return { ...block, rows };
}
