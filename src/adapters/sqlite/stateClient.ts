/** The main thread's end of the thread of state.db, and its own view of what is stored there. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { openReader, statePath } from './connection.ts';
import type { FromState, StateMeta, StateThreadData, ToState } from './stateProtocol.ts';

export class StateClient {
  readonly #worker: Worker;
  readonly #db: DatabaseSync;
  readonly #entity: StatementSync;
  readonly #stamp: StatementSync;
  readonly #meta: StatementSync;
  readonly #onFilled: (what: 'ids' | 'keys') => void;
  readonly #closed = Promise.withResolvers<void>();
  #pending: { resolve: (tookMs: number) => void; reject: (error: Error) => void } | undefined;
  #broken: Error | undefined;

  constructor(data: StateThreadData, onFilled: (what: 'ids' | 'keys') => void) {
    this.#onFilled = onFilled;
    this.#db = openReader(statePath(data.dataDir));
    this.#entity = this.#db.prepare('SELECT bytes FROM velocity WHERE key = ?');
    this.#stamp = this.#db.prepare('SELECT stamp FROM velocity WHERE key = ?');
    this.#meta = this.#db.prepare('SELECT value FROM meta WHERE name = ?');
    this.#worker = new Worker(new URL('../../../workers/state.ts', import.meta.url), {
      workerData: data,
      name: 'state',
    });
    this.#worker.on('message', (message: FromState) => this.#receive(message));
    this.#worker.on('error', (error) => this.#break(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => {
      this.#break(new Error('the state thread is closed'));
      this.#closed.resolve();
    });
  }

  get failure(): Error | undefined {
    return this.#broken;
  }

  /** One flush at a time. Resolves with the time it took when it is stored; rejects with nothing of it stored. */
  run(message: Extract<ToState, { type: 'flush' | 'dropVelocity' }>): Promise<number> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#pending !== undefined) return Promise.reject(new Error('a flush is under way'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      const transfer = message.type === 'flush' ? [message.ids.buffer, message.entities.buffer] : [];
      this.#worker.postMessage(message, transfer as ArrayBuffer[]);
    });
  }

  /** Has the index read into the filter's memory; `onFilled` is called when it is done. */
  fill(memory: SharedArrayBuffer): void {
    this.#worker.postMessage({ type: 'fill', memory } satisfies ToState);
  }

  /** The same for the keys of the stored entities. */
  fillKeys(memory: SharedArrayBuffer): void {
    this.#worker.postMessage({ type: 'fillKeys', memory } satisfies ToState);
  }

  entity(key: Uint8Array): Uint8Array | undefined {
    return this.#entity.get(key)?.bytes as Uint8Array | undefined;
  }

  /** The stamp of a stored entity, undefined when it is not stored. */
  stampOf(key: Uint8Array): number | undefined {
    return this.#stamp.get(key)?.stamp as number | undefined;
  }

  meta(name: StateMeta): string | undefined {
    return this.#meta.get(name)?.value as string | undefined;
  }

  async close(): Promise<void> {
    this.#db.close();
    if (this.#broken === undefined) this.#worker.postMessage({ type: 'close' } satisfies ToState);
    await this.#closed.promise;
  }

  #receive(message: FromState): void {
    if (message.type === 'filled' || message.type === 'keysFilled') {
      this.#onFilled(message.type === 'filled' ? 'ids' : 'keys');
      return;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    if (message.type === 'done') pending?.resolve(message.tookMs);
    else if (message.type === 'failed') pending?.reject(new Error(message.message));
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#pending?.reject(this.#broken);
    this.#pending = undefined;
  }
}
