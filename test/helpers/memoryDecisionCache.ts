/** A decision cache in plain memory, shared by the "processes" of a test. */
import type { Label } from '../../src/domain/label.ts';
import { decodeRecord, encodeRecordBytes } from '../../src/pipeline/codec.ts';
import type { Claim, ClaimOutcome, DecisionCache, DecisionRecord } from '../../src/pipeline/ports.ts';

const keyOf = (tenantId: string, paymentId: string): string => `${tenantId}/${paymentId}`;

export class MemoryDecisionCache implements DecisionCache {
  readonly #claims = new Map<string, { bytes: Buffer; published: boolean }>();
  readonly #labels = new Map<string, Label[]>();

  /** As a restart without persistence. */
  empty(): void {
    this.#claims.clear();
    this.#labels.clear();
  }

  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (Claim | undefined)[]> {
    return Promise.resolve(
      paymentIds.map((id) => {
        const claim = this.#claims.get(keyOf(tenantId, id));
        return claim === undefined ? undefined : { record: decodeRecord(claim.bytes), published: claim.published };
      }),
    );
  }

  claim(records: readonly DecisionRecord[], write: readonly boolean[]): Promise<readonly (ClaimOutcome | undefined)[]> {
    return Promise.resolve(
      records.map((record, i) => {
        const key = keyOf(record.tenantId, record.paymentId);
        const bytes = Buffer.from(encodeRecordBytes(record));
        const known = this.#claims.get(key);
        if (known === undefined && write[i] !== true) return undefined;
        if (known === undefined) this.#claims.set(key, { bytes, published: false });
        const claim = this.#claims.get(key) ?? { bytes, published: false };
        return { won: claim.bytes.equals(bytes), record: decodeRecord(claim.bytes), published: claim.published };
      }),
    );
  }

  markPublished(records: readonly DecisionRecord[]): Promise<void> {
    for (const { tenantId, paymentId } of records) {
      const claim = this.#claims.get(keyOf(tenantId, paymentId));
      if (claim !== undefined) claim.published = true;
    }
    return Promise.resolve();
  }

  recordLabels(tenantId: string, labels: readonly Label[]): Promise<readonly boolean[]> {
    return Promise.resolve(
      labels.map((label) => {
        const key = keyOf(tenantId, label.paymentId);
        const known = this.#labels.get(key) ?? [];
        const isNew = !known.some((each) => JSON.stringify(each) === JSON.stringify(label));
        if (isNew) this.#labels.set(key, [...known, label]);
        return isNew;
      }),
    );
  }

  labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]> {
    return Promise.resolve(this.#labels.get(keyOf(tenantId, paymentId)) ?? []);
  }
}
