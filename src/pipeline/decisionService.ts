/** The pipeline as the API uses it: decide, read back with the explanation, label, and tell how it is. */
import { createPaymentDecoder } from '../domain/decode.ts';
import type { Label } from '../domain/label.ts';
import { Payment } from '../domain/payment.ts';
import type { CompiledRelease } from '../releases/compile.ts';
import { ReleaseUnknown } from '../releases/sharedReleases.ts';
import { viewDecision } from './decisionView.ts';
import { createExplainer } from './explainer.ts';
import type { Pipeline } from './pipeline.ts';
import type { DecisionStore, VelocityStore } from './ports.ts';
import type { DecisionService, DependencyState, RecordedDecisionView } from './service.ts';

export interface DecisionServiceOptions {
  readonly pipeline: Pipeline;
  readonly store: DecisionStore;
  readonly velocity: VelocityStore;
  /** The compiled release of a recorded decision. */
  readonly releaseOf: (id: string) => Promise<CompiledRelease>;
  readonly dependencies: () => readonly DependencyState[];
  /** Recorded labels come by their topic, and whoever reads it counts them, in its order: not done here as well. */
  readonly labelsByTopic?: true;
  /** Told why labels could not be recorded. */
  readonly onFailure: (error: unknown) => void;
}

type LabelOutcome = Awaited<ReturnType<DecisionService['label']>>[number];

interface Marked {
  readonly position: number;
  readonly label: Label;
  readonly payment: Payment;
  /** The label it replaces. */
  readonly before: Label | undefined;
}

const sameLabel = (a: Label, b: Label): boolean =>
  a.label === b.label && a.source === b.source && a.labelledAtMs === b.labelledAtMs;

export function createDecisionService(options: DecisionServiceOptions): DecisionService {
  const { pipeline, store, velocity, releaseOf } = options;
  const decoder = createPaymentDecoder();
  /** Never "none" for what cannot be told now. */
  const find = (tenantId: string, paymentIds: readonly string[]): ReturnType<DecisionStore['lookup']> =>
    store.find === undefined ? store.lookup(tenantId, paymentIds) : store.find(tenantId, paymentIds);
  /** Labels one after another: what is marked in memory and what is written keep one order. */
  let labelTurn: Promise<unknown> = Promise.resolve();

  /** Marks the labels that are new in memory, and adds them to `marked`; sets the outcome of the others. */
  async function markFresh(
    tenantId: string,
    labels: readonly Label[],
    outcomes: LabelOutcome[],
    marked: Marked[],
    batch: number,
  ): Promise<void> {
    const records = await find(
      tenantId,
      labels.map((label) => label.paymentId),
    );
    const known = new Map<string, Label[]>();
    for (const [i, label] of labels.entries()) {
      const record = records[i];
      if (record === undefined) {
        outcomes[i] = 'unknown';
        continue;
      }
      const earlier = known.get(label.paymentId) ?? [...(await store.labelsOf(tenantId, label.paymentId))];
      known.set(label.paymentId, earlier);
      if (earlier.some((other) => sameLabel(other, label))) {
        outcomes[i] = 'already';
        continue;
      }
      const payment = decoder.decode(record.payment, Number.POSITIVE_INFINITY);
      if (!(payment instanceof Payment)) throw new Error('a recorded payment no longer decodes');
      marked.push({ position: i, label, payment, before: earlier.at(-1) });
      earlier.push(label);
      if (options.labelsByTopic !== true) await velocity.markLabel(tenantId, payment, label.label === 'fraud', batch);
    }
  }

  /** Not durable: memory goes back to what is. What cannot go back now is put right when the label comes again. */
  async function markBack(tenantId: string, marked: readonly Marked[], batch: number): Promise<void> {
    if (options.labelsByTopic === true) return;
    for (const { payment, before } of marked.toReversed()) {
      try {
        await velocity.markLabel(tenantId, payment, before?.label === 'fraud', batch);
      } catch (error) {
        options.onFailure(error);
      }
    }
  }

  async function labelAll(tenantId: string, labels: readonly Label[]): Promise<LabelOutcome[]> {
    const outcomes: LabelOutcome[] = labels.map(() => 'recorded');
    const batch = pipeline.nextBatchNumber();
    const marked: Marked[] = [];
    try {
      await markFresh(tenantId, labels, outcomes, marked, batch);
      const fresh = marked.map(({ label }) => label);
      const recorded = await store.recordLabels(tenantId, fresh, batch);
      marked.forEach(({ position }, i) => {
        if (recorded[i] !== true) outcomes[position] = 'already';
      });
      return outcomes;
    } catch (error) {
      options.onFailure(error);
      await markBack(tenantId, marked, batch);
      return outcomes.map((outcome) => (outcome === 'recorded' ? 'unavailable' : outcome));
    }
  }

  async function get(tenantId: string, paymentId: string): Promise<RecordedDecisionView | undefined> {
    const [record] = await find(tenantId, [paymentId]);
    if (record === undefined) return undefined;
    const release = releaseOf(record.releaseId).catch((error: unknown) => {
      if (error instanceof ReleaseUnknown) return undefined;
      throw error;
    });
    const [known, labels] = await Promise.all([release, store.labelsOf(tenantId, paymentId)]);
    return viewDecision(record, known, labels);
  }

  return {
    decide: (tenantId, body, receivedAtMs, deadlineMs) => pipeline.decide(tenantId, body, receivedAtMs, deadlineMs),
    get,
    explain: createExplainer(find, releaseOf),
    label(tenantId, labels) {
      const outcomes = labelTurn.then(() => labelAll(tenantId, labels));
      labelTurn = outcomes.catch(() => {});
      return outcomes;
    },
    readiness() {
      const dependencies = options.dependencies();
      return { ready: dependencies.every(({ state }) => state !== 'down'), dependencies };
    },
  };
}
