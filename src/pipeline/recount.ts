/**
 * Counts the payments of the decisions topic again: for a velocity store that came back empty, or that missed what a process which
 * died was still to tell it. Appending is idempotent by payment, so that what is counted stays as it is, whoever else is at work.
 */
import { createFeatureMatrix } from '../features/frame.ts';
import type { FeatureProgram } from '../features/types.ts';
import type { Payment } from '../domain/payment.ts';
import { decodeLabel } from '../domain/decodeLabel.ts';
import { isRefusal } from '../domain/refusal.ts';
import { bounds } from './bounds.ts';
import { decodeDecisionMessage, DecisionMessageError } from './decisionMessage.ts';
import type { DecisionRecord, EventLog, VelocityStore } from './ports.ts';
import { topics } from './ports.ts';
import { RecordedPayments } from './recordedPayments.ts';

/** Labels that are remembered while the decisions are read. */
const labelsMax = 5_000_000;

export interface RecountOptions {
  readonly log: Pick<EventLog, 'read'>;
  readonly velocity: Pick<VelocityStore, 'appendAndRead' | 'markLabel'>;
  readonly program: FeatureProgram;
  /** Payments before that are left out, Unix epoch. */
  readonly sinceMs: number;
  readonly onProgress: (recount: Recount) => void;
}

export interface Recount {
  /** Decisions read, those left out or unreadable included. */
  readonly decisions: number;
  readonly payments: number;
  readonly labels: number;
  readonly unreadable: number;
}

/** More labels than can be remembered at a time. */
export class TooManyLabels extends Error {
  override readonly name = 'TooManyLabels';
}

/** The label that stands for each payment: the last. @throws TooManyLabels */
async function readLabels(log: RecountOptions['log']): Promise<Map<string, boolean>> {
  const frauds = new Map<string, boolean>();
  for await (const page of log.read(topics.labels)) {
    for (const { value } of page) {
      const label = decodeLabel(value, Number.MAX_SAFE_INTEGER);
      if (!isRefusal(label)) frauds.set(label.paymentId, label.label === 'fraud');
    }
    if (frauds.size > labelsMax) throw new TooManyLabels(`more than ${labelsMax} labels`);
  }
  return frauds;
}

function recordOf(value: Uint8Array): DecisionRecord | undefined {
  try {
    return decodeDecisionMessage(value).record;
  } catch (error) {
    if (error instanceof DecisionMessageError) return undefined;
    throw error;
  }
}

/**
 * Reads the topics to where they end now. Rejects as the log and the store do; called again, it counts nothing twice.
 * A payment that was decided twice (see docs/roles.md) is counted as each.
 */
export async function recount(options: RecountOptions): Promise<Recount> {
  const { log, velocity, program, sinceMs, onProgress } = options;
  const recorded = new RecordedPayments();
  const frauds = await readLabels(log);
  const out = createFeatureMatrix(program.names.length, bounds.batchRowsMax);
  const done = { decisions: 0, payments: 0, labels: 0, unreadable: 0 };

  async function count(tenantId: string, payments: readonly Payment[]): Promise<void> {
    await velocity.appendAndRead(tenantId, payments, out, 0, () => false);
    done.payments += payments.length;
    for (const payment of payments) {
      const fraud = frauds.get(payment.paymentId);
      if (fraud === undefined) continue;
      await velocity.markLabel(tenantId, payment, fraud, 0);
      done.labels++;
    }
  }

  for await (const page of log.read(topics.decisions)) {
    const byTenant = new Map<string, Map<string, Payment>>();
    for (const { value } of page) {
      done.decisions++;
      const record = recordOf(value);
      const payment = record === undefined ? undefined : recorded.of(record);
      if (record === undefined || payment === undefined) done.unreadable++;
      else if (payment.occurredAtMs >= sinceMs) {
        const own = byTenant.get(record.tenantId) ?? new Map<string, Payment>();
        byTenant.set(record.tenantId, own.set(payment.paymentId, payment));
      }
    }
    for (const [tenantId, own] of byTenant) {
      const payments = [...own.values()];
      for (let from = 0; from < payments.length; from += bounds.batchRowsMax)
        await count(tenantId, payments.slice(from, from + bounds.batchRowsMax));
    }
    onProgress({ ...done });
  }
  return done;
}
