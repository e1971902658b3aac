/** Histories that are the same up to a moment, as far as anybody could know at that moment, and different in everything else. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createVelocityMemory } from '../../src/adapters/memory/velocity.ts';
import { buildHistory, type History, trainingLayout } from '../../src/cli/history/history.ts';
import type { LabelledPayments } from '../../src/cli/history/labelled.ts';
import { Payment } from '../../src/domain/payment.ts';
import { compileFeatures } from '../../src/features/program.ts';

const delayDays = 7;
export const dayMs = 86_400_000;
/** All features of the default release. */
export const program = compileFeatures(
  JSON.parse(readFileSync(resolve(import.meta.dirname, '../../config/default/features.json'), 'utf8')),
);

export interface LabelledPayment {
  readonly payment: Payment;
  readonly fraud: boolean;
}

async function* inOne(rows: readonly LabelledPayment[]): AsyncGenerator<LabelledPayments> {
  yield {
    payments: rows.map(({ payment }) => payment),
    frauds: Uint8Array.from(rows, ({ fraud }) => (fraud ? 1 : 0)),
  };
}

/** Every payment's features, through the history that training and evaluation are given. */
export async function historyOf(rows: readonly LabelledPayment[], of = program): Promise<History> {
  const history = await buildHistory(inOne(rows), {
    memory: createVelocityMemory(of),
    layout: trainingLayout(of),
    facts: of.names,
    firstDay: Number.NEGATIVE_INFINITY,
    endDay: Number.POSITIVE_INFINITY,
    delayDays,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (history === undefined) throw new Error('stopped');
  return history;
}

/**
 * The first `kept` rows with every label turned over that is not known when the last of them is decided, then `later` instead of what came
 * after.
 */
export function altered(
  rows: readonly LabelledPayment[],
  kept: number,
  later: readonly LabelledPayment[],
): LabelledPayment[] {
  const decidedAtMs = rows[kept - 1]?.payment.occurredAtMs ?? 0;
  const past = rows.slice(0, kept).map(({ payment, fraud }) => {
    const known = payment.occurredAtMs + delayDays * dayMs <= decidedAtMs;
    return { payment, fraud: known ? fraud : !fraud };
  });
  return [...past, ...later];
}

/** A payment that differs from the given one in everything but its moment. */
export function another(payment: Payment): Payment {
  return Object.assign(new Payment(), payment, {
    paymentId: `${payment.paymentId}-other`,
    amountMinor: 7 * payment.amountMinor + 1,
    country: 'NG',
  });
}

/** The first feature of the first row, of the first `rows` ones, that is not the same in both; undefined where all are. */
export function firstDifference(a: History, b: History, rows: number, of = program): string | undefined {
  for (let row = 0; row < rows; row++) {
    for (let fact = 0; fact < a.facts.width; fact++) {
      const [one, other] = [a.facts.value(row, fact), b.facts.value(row, fact)];
      if (!Object.is(one, other)) return `row ${row}: ${of.names[fact]} is ${one}, and then ${other}`;
    }
  }
  return undefined;
}
