/**
 * Features that differ in the probable order of what was counted, tried again in every order that what was counted at the very
 * time of the payment allows: with each subset of it before the payment. Features of one set of kinds are tried together, and
 * only with what shares an entity of those kinds with the payment.
 */
import { createFeatureMatrix } from '../features/frame.ts';
import type { FeatureProgram, VelocityMemory } from '../features/types.ts';
import type { FeatureSource } from './featureSources.ts';
import {
  byEntity,
  candidatesOf,
  type Counted,
  type Neighbours,
  neighboursOf,
  type Placed,
} from './parityNeighbours.ts';
import { agreement, type ParityTally, readBy, type Sampled } from './parityTally.ts';
import { parityBounds } from './parityTypes.ts';
import type { SharedPayment } from './relatedPayments.ts';
import type { SharedHistory } from './sharedHistory.ts';
import { sharedParityBounds, type SharedParityOptions } from './sharedParityTypes.ts';

/** A sampled payment with features that differ. */
export interface Differing extends Sampled {
  readonly program: FeatureProgram;
  readonly sources: readonly FeatureSource[];
  readonly counted: SharedPayment;
  readonly features: readonly number[];
  /** All its features in the probable order. */
  readonly natural: Float64Array;
}

/** Features of one payment that are tried together: of the same kinds of entity. */
interface Task {
  readonly one: Differing;
  readonly features: readonly number[];
  readonly plans: FeatureProgram['entities'];
  readonly candidates: number;
}

type TrialOptions = Pick<SharedParityOptions, 'createMemory' | 'pause' | 'trialAppendsMax'>;

/** What one memory counts before another takes its place: it keeps every trial's entities. */
const memoryAppendsMax = 20_000;
/** What a trial takes besides the payments that are counted in it, in appends. */
const trialAppends = 10;

function* subsets(candidates: readonly Counted[]): Generator<readonly Counted[]> {
  for (let order = 0; order < 2 ** candidates.length; order++) {
    yield candidates.filter((_, i) => (order >> i) % 2 === 1);
  }
}

/** So many of the first, in the order of the log and of event times. */
function* beginnings(candidates: readonly Counted[]): Generator<readonly Counted[]> {
  const occurredAtMs = (one: Counted): number => ('payment' in one ? one.payment : one.label.of).payment.occurredAtMs;
  for (const order of [candidates, candidates.toSorted((a, b) => occurredAtMs(a) - occurredAtMs(b))]) {
    for (let first = 0; first <= candidates.length; first++) yield order.slice(0, first);
  }
}

/** What is likely first: as a rule one of these is what happened. */
function* orders(candidates: readonly Counted[], all: boolean): Generator<readonly Counted[]> {
  yield* beginnings(candidates);
  if (all) yield* subsets(candidates);
}

export class OrderTrials {
  readonly #options: TrialOptions;
  readonly #tally: ParityTally;
  readonly #index: ReadonlyMap<string, readonly Placed[]>;
  #leftAppends: number;
  #memory: VelocityMemory | undefined;
  #memoryAppends = 0;
  #trials = 0;
  #sinceTurn = 0;

  constructor(options: TrialOptions, tally: ParityTally, history: SharedHistory) {
    this.#options = options;
    this.#leftAppends = options.trialAppendsMax;
    this.#tally = tally;
    this.#index = byEntity(history);
  }

  /** Counts each differing feature as a mismatch or as what it is instead; first those of which there are the fewest orders. */
  async settle(differing: readonly Differing[]): Promise<void> {
    const tasks: Task[] = [];
    for (const one of differing) {
      tasks.push(...this.#tasksOf(one));
      await this.#options.pause();
    }
    tasks.sort((a, b) => a.candidates - b.candidates);
    for (const task of tasks) {
      await this.#settle(task);
      await this.#options.pause();
    }
  }

  #tasksOf(one: Differing): Task[] {
    const { program, sources, counted } = one;
    const byKinds = Map.groupBy(one.features, (feature) => JSON.stringify(sources[feature]?.kinds));
    return [...byKinds.values()].map((features) => {
      const kinds = sources[features[0] ?? 0]?.kinds ?? [];
      const plans = readBy(program).filter(({ kind }) => kinds.includes(kind));
      // Only how many: all neighbours of all of them would be a lot to keep.
      return { one, features, plans, candidates: candidatesOf(counted, plans, this.#index) };
    });
  }

  async #settle({ one, features, plans }: Task): Promise<void> {
    const { program, record, natural } = one;
    const neighbours = neighboursOf(one.counted, plans, this.#index);
    const unexplained = await this.#unexplained(one, new Set(features), neighbours);
    if (unexplained === undefined) {
      this.#tally.orderUnknown += features.length;
      return;
    }
    this.#tally.otherOrder += features.length - unexplained.size;
    for (const i of unexplained) {
      this.#tally.mismatch(record, program.names[i] ?? '', record.features[i] as number, natural[i] as number);
    }
  }

  /** Features that no order gives; undefined where not every order was tried, and none that was gives them all. */
  async #unexplained(
    one: Differing,
    features: Set<number>,
    { before, candidates }: Neighbours,
  ): Promise<ReadonlySet<number> | undefined> {
    // The probable order is the only one.
    if (candidates.length === 0) return features;
    const all = candidates.length <= sharedParityBounds.candidatesMax;
    for (const chosen of orders(candidates, all)) {
      if (features.size === 0) break;
      const appends = before.length + chosen.length + trialAppends;
      // Too long a history of one payment leaves what is left to the others.
      if (appends > this.#leftAppends) return undefined;
      this.#leftAppends -= appends;
      const again = await this.#count(one, [...before, ...chosen]);
      for (const i of features) if (agreement(one.record, i, again) !== 'differs') features.delete(i);
    }
    return all || features.size === 0 ? features : undefined;
  }

  async #count({ counted, program }: Differing, events: readonly Counted[]) {
    const { memory, tenant } = this.#blank(program, events.length);
    const again = createFeatureMatrix(program.names.length, 1);
    // A label finds its payment only where that is counted.
    const labels = events.flatMap((event) => ('label' in event ? [event.label] : []));
    let turn = 0;
    for (const event of events) {
      await this.#pauseAfter(1);
      if ('payment' in event) memory.appendAndRead(tenant, [event.payment.payment], again, ++turn);
    }
    for (const { of, fraud } of labels) {
      await this.#pauseAfter(1);
      memory.markLabel(tenant, { payment: of.payment, fraud }, ++turn);
    }
    await this.#pauseAfter(trialAppends);
    memory.appendAndRead(tenant, [counted.payment], again, turn + 1);
    return again;
  }

  /** Others get their turn after as much work as a slice of the log takes. */
  async #pauseAfter(appends: number): Promise<void> {
    this.#sinceTurn += appends;
    if (this.#sinceTurn < parityBounds.sliceEntries) return;
    this.#sinceTurn = 0;
    await this.#options.pause();
  }

  /** A tenant of whom nothing is counted: a new memory for each trial would take longer than the trial. */
  #blank(program: FeatureProgram, appends: number): { readonly memory: VelocityMemory; readonly tenant: string } {
    if (this.#memory?.program !== program || this.#memoryAppends + appends > memoryAppendsMax) {
      this.#memory = this.#options.createMemory(program);
      this.#memoryAppends = 0;
      this.#trials = 0;
    }
    this.#memoryAppends += appends + trialAppends;
    return { memory: this.#memory, tenant: `trial ${++this.#trials}` };
  }
}
