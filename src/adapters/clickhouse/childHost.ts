/** The analytics process from the inside: answers the main process's calls and runs the sink beside them. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelAnalytics } from '../../pipeline/modelAnalytics.ts';
import type { AnalyticsStore } from '../../pipeline/ports.ts';
import { journalCheck, type OpenParity, type ParityJobOptions, startParityJob } from '../../pipeline/parityJob.ts';
import type { JournalSource, Sink } from '../../pipeline/sink.ts';
import { createSink, runSink } from '../../pipeline/sink.ts';
import { cpuMs, createShadowScorer, type ShadowScorer } from '../../pipeline/shadow.ts';
import { withShadow } from '../../pipeline/shadowStore.ts';
import type { BlockStore } from '../../pipeline/sinkBlock.ts';
import { compileChallengers } from '../../releases/compile.ts';
import { ReleaseStore } from '../../releases/store.ts';
import {
  type ChildOptions,
  describeError,
  type ErrorName,
  type FromChild,
  type StoreCall,
  type ToChild,
} from './childProtocol.ts';
import { createFeatureNames } from './featureNames.ts';
import { openServer } from './server.ts';
import { openSinkPositions } from './sinkPositions.ts';
import { createClickHouseStore } from './store.ts';

const reportIntervalMs = 500;
/**
 * Time between two blocks at the end of the journal. Twice what the sink would do by itself: each block is some forty new
 * files on the disk that the journal fsyncs, and lists may be two seconds behind.
 */
const blockIntervalMs = 2_000;

/** The channel to the main process; sending into a closed one is no error, the process is about to end. */
export interface Channel {
  send(message: FromChild): void;
}

/** The journal for the parity check, opened anew for each. */
export type OpenParityOf = (dataDir: string) => OpenParity;

export type OpenSource = (dataDir: string) => JournalSource & { close(): void };

export interface ChildHost {
  receive(message: ToChild): void;
  /** Finishes the block and the calls under way and closes the store. */
  stop(): Promise<void>;
}

const waitUntil = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal }).catch(() => undefined);
};

function invoke(store: AnalyticsStore & ModelAnalytics, call: StoreCall): Promise<unknown> {
  switch (call.method) {
    case 'migrate':
      return store.migrate();
    case 'insertBlock':
      return store.insertBlock(...call.args);
    case 'findDecisions':
      return store.findDecisions(...call.args);
    case 'summary':
      return store.summary(...call.args);
    case 'modelHealth':
      return store.modelHealth(...call.args);
    case 'modelComparison':
      return store.modelComparison(...call.args);
    case 'recordHealth':
      return store.recordHealth(...call.args);
    case 'recordParity':
      return store.recordParity(...call.args);
    case 'parityOf':
      return store.parityOf(...call.args);
  }
}

function nameOf(error: unknown): ErrorName {
  const name = error instanceof Error ? error.name : 'Error';
  return name === 'AnalyticsUnavailable' ||
    name === 'AnalyticsRefused' ||
    name === 'InvalidCursor' ||
    name === 'RangeError'
    ? name
    : 'Error';
}

interface OpenStore {
  readonly store: AnalyticsStore & ModelAnalytics & BlockStore;
  /** Where the sink's positions are: those of another store say nothing about this one. */
  readonly positionsPath: string;
}

async function openStore({ dataDir, server, retention }: ChildOptions): Promise<OpenStore> {
  if (server !== undefined) {
    const { client, database } = openServer(server);
    const place = createHash('sha256')
      .update(`${URL.parse(server.url)?.host}/${database}`)
      .digest('hex')
      .slice(0, 16);
    return {
      store: createClickHouseStore(client, { database, place: 'server', retention }),
      positionsPath: join(dataDir, `sink-${place}.db`),
    };
  }
  const path = join(dataDir, 'analytics');
  mkdirSync(path, { recursive: true });
  const { openChdb } = await import('./chdb.ts');
  return { store: createClickHouseStore(openChdb(path), { retention }), positionsPath: join(dataDir, 'sink.db') };
}

/** Scores the challengers of the releases in the data directory. */
function challengersIn({ dataDir, shadowShare }: ChildOptions, onFailure: (error: unknown) => void): ShadowScorer {
  let releases: ReleaseStore | undefined;
  return createShadowScorer({
    async challengersOf(releaseId) {
      releases ??= new ReleaseStore(dataDir);
      return await compileChallengers(releases.read(releaseId).bundle);
    },
    share: shadowShare ?? 1,
    spentMs: cpuMs,
    onFailure,
  });
}

/** Compares recorded features with the journal of the data directory, where that is asked for. */
function parityIn(
  { parity: timing, dataDir }: ChildOptions,
  openParity: OpenParityOf,
  store: Pick<ModelAnalytics, 'recordParity'>,
  signal: AbortSignal,
): ReturnType<typeof startParityJob> | undefined {
  if (timing === undefined) return undefined;
  const check = journalCheck(() => openParity(dataDir));
  // A history: what is missing of it is missing where the store was away.
  const onReport: ParityJobOptions['onReport'] = (report, atMs) =>
    void store.recordParity({ atMs, report }).catch(() => {});
  const job = { timing, nowMs: Date.now, wait: waitUntil, check, describe: describeError, onReport };
  return startParityJob(job, signal);
}

/** Opens the store (`dataDir/analytics`, or the server), brings it to the newest schema and starts the sink. Rejects when it cannot. */
export async function startChildHost(
  options: ChildOptions,
  channel: Channel,
  openSource: OpenSource,
  openParity?: OpenParityOf,
): Promise<ChildHost> {
  const { store, positionsPath } = await openStore(options);
  await store.migrate();

  const stopping = new AbortController();
  const calls = new Set<Promise<void>>();
  const shadow = challengersIn(options, (error) => {
    lastShadowError = describeError(error);
  });
  const shadowed = withShadow(store, shadow);
  let insertedRows = 0;
  let lastShadowError: string | undefined;
  let lastError: string | undefined;
  let lagRows = (): number => 0;

  /** Opens journal and positions, runs until told to stop; what cannot be opened is tried again like any failed step. */
  async function tail(): Promise<void> {
    let source: ReturnType<OpenSource> | undefined;
    let positions: ReturnType<typeof openSinkPositions> | undefined;
    let sink: Sink | undefined;
    const opening: Pick<Sink, 'step'> = {
      async step() {
        positions ??= openSinkPositions(positionsPath);
        source ??= openSource(options.dataDir);
        sink ??= createSink({
          source,
          positions,
          store: shadowed,
          featureNamesOf: createFeatureNames(join(options.dataDir, 'releases')),
        });
        lagRows = () => sink?.lagRows() ?? 0;
        return await sink.step();
      },
    };
    await runSink(
      opening,
      {
        wait: waitUntil,
        onStep(step) {
          insertedRows += step.rows;
          lastError = undefined;
        },
        onError(error) {
          lastError = describeError(error);
        },
      },
      stopping.signal,
      blockIntervalMs,
    );
    lagRows = () => 0;
    source?.close();
    positions?.close();
  }

  async function answer(call: StoreCall): Promise<void> {
    try {
      channel.send({ type: 'result', id: call.id, value: await invoke(store, call) });
    } catch (error) {
      channel.send({ type: 'error', id: call.id, name: nameOf(error), message: describeError(error) });
    }
  }

  const parity = openParity === undefined ? undefined : parityIn(options, openParity, store, stopping.signal);
  const tailing = options.sink ? tail() : Promise.resolve();
  const report = () => ({
    lagRows: 0,
    insertedRows,
    lastError,
    shadow: { ...shadow.stats(), lastError: lastShadowError },
    parity: parity?.state(),
  });
  /** Asked at the time of the report: the lag grows while a block is under way or fails. */
  function sendReport(): void {
    try {
      channel.send({ type: 'report', report: { ...report(), lagRows: lagRows() } });
    } catch (error) {
      channel.send({ type: 'report', report: { ...report(), lastError: describeError(error) } });
    }
  }
  const reporting = setInterval(sendReport, reportIntervalMs);
  channel.send({ type: 'ready' });

  return {
    receive(message) {
      if (message.type !== 'call') return;
      const call = answer(message).finally(() => calls.delete(call));
      calls.add(call);
    },
    async stop() {
      stopping.abort();
      await Promise.all([tailing, parity?.ended, ...calls]);
      clearInterval(reporting);
      await store.close();
    },
  };
}
