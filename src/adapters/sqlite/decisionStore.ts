/** The durable decisions over the journal. */
import type { Label } from '../../domain/label.ts';
import { encodedRecordBytes, encodeRecord } from '../../pipeline/codec.ts';
import type { Commit, DecisionRecord, DecisionStore, RecordOutcome } from '../../pipeline/ports.ts';
import type { Flusher } from './flusher.ts';
import type { IdIndex } from './idIndex.ts';
import type { JournalClient, MessageOutcome } from './journalClient.ts';
import type { LabelRow, LabelsTail, RecordTail } from './protocol.ts';
import { codeExpired, messageType, rowHeadBytes, sharedClockMs } from './protocol.ts';
import type { JournalReader } from './reader.ts';
import type { StampLedger } from './stamps.ts';
import type { LabelStamps } from './velocity.ts';

export interface DecisionStoreParts {
  readonly journal: JournalClient;
  readonly reader: JournalReader;
  readonly index: IdIndex;
  readonly ledger: StampLedger;
  readonly labelStamps: LabelStamps;
  readonly flusher: Flusher;
  /** Told of rows that became durable: decisions and labels. */
  readonly onRecorded: () => void;
}

const expired: RecordOutcome = { status: 'expired', winner: undefined };

export class SqliteDecisionStore implements DecisionStore {
  readonly #parts: DecisionStoreParts;
  /** Hashes of rows that are on their way, by call. */
  readonly #unanswered = new Set<Float64Array>();
  /** What to add to `performance.now()` for the clock that the threads share. */
  readonly #clockShiftMs = sharedClockMs() - performance.now();

  constructor(parts: DecisionStoreParts) {
    this.#parts = parts;
  }

  lookup(tenantId: string, paymentIds: readonly string[]): Promise<readonly (DecisionRecord | undefined)[]> {
    const { index } = this.#parts;
    return Promise.resolve(paymentIds.map((paymentId) => index.find(tenantId, paymentId)));
  }

  /** Hashes that the index may not know yet. */
  *unansweredHashes(): Generator<number> {
    for (const hashes of this.#unanswered) yield* hashes;
  }

  async record(
    records: readonly DecisionRecord[],
    deadlinesMs: readonly number[],
    _batch: number,
    commits: readonly Commit[],
  ): Promise<readonly RecordOutcome[]> {
    if (records.length === 0 && commits.length === 0) return [];
    if (deadlinesMs.length !== records.length) throw new TypeError('one deadline for each record');
    const sizes = records.map(encodedRecordBytes);
    const hashes = new Float64Array(records.length);
    this.#unanswered.add(hashes);
    try {
      const outcome = await this.#parts.journal.send({
        type: messageType.record,
        count: records.length,
        bodyBytes: sizes.reduce((sum, size) => sum + size, rowHeadBytes * records.length),
        write: (data, view, offset) => this.#write(records, deadlinesMs, sizes, hashes, data, view, offset),
        tail: commits.length === 0 ? undefined : ({ commits } satisfies RecordTail),
      });
      return this.#settle(records, hashes, outcome);
    } finally {
      this.#unanswered.delete(hashes);
    }
  }

  async recordLabels(tenantId: string, labels: readonly Label[], batch: number): Promise<readonly boolean[]> {
    const { journal, labelStamps, ledger, flusher, onRecorded } = this.#parts;
    if (labels.length === 0) return [];
    const rows: LabelRow[] = labels.map(({ paymentId, label, source, labelledAtMs }) => {
      return {
        stamp: labelStamps.stampOf(tenantId, paymentId, batch),
        tenantId,
        paymentId,
        label,
        source,
        labelledAtMs,
      };
    });
    try {
      const tail = { labels: rows } satisfies LabelsTail;
      const outcome = await journal.send({
        type: messageType.labels,
        count: rows.length,
        bodyBytes: 0,
        write: () => {},
        tail,
      });
      const added = labels.map(() => true);
      for (let i = 0; i < outcome.exceptions.length; i += 2) added[outcome.exceptions[i] as number] = false;
      const recorded = labels.length - outcome.exceptions.length / 2;
      ledger.durable(outcome.first + recorded - 1);
      labelStamps.recorded(batch);
      if (recorded > 0) {
        flusher.recorded(recorded);
        onRecorded();
      }
      return added;
    } catch (error) {
      labelStamps.failed(batch);
      throw error;
    }
  }

  labelsOf(tenantId: string, paymentId: string): Promise<readonly Label[]> {
    return Promise.resolve(this.#parts.reader.labelsOf(tenantId, paymentId));
  }

  #write(
    records: readonly DecisionRecord[],
    deadlinesMs: readonly number[],
    sizes: readonly number[],
    hashes: Float64Array,
    data: Uint8Array,
    view: DataView,
    offset: number,
  ): void {
    const { index, ledger } = this.#parts;
    let at = offset + rowHeadBytes * records.length;
    for (let row = 0; row < records.length; row++) {
      const record = records[row] as DecisionRecord;
      const hash = index.hash(record.tenantId, record.paymentId);
      hashes[row] = hash;
      const head = offset + row * rowHeadBytes;
      view.setFloat64(head, hash, true);
      view.setFloat64(head + 8, (deadlinesMs[row] as number) + this.#clockShiftMs, true);
      view.setFloat64(head + 16, ledger.stampOf(record.tenantId, record.paymentId), true);
      view.setUint32(head + 24, sizes[row] as number, true);
      view.setUint32(head + 28, index.note(hash) ? 1 : 0, true);
      at = encodeRecord(record, data, view, at);
    }
  }

  #settle(
    records: readonly DecisionRecord[],
    hashes: Float64Array,
    { first, exceptions }: MessageOutcome,
  ): RecordOutcome[] {
    const { index, ledger, flusher, reader, onRecorded } = this.#parts;
    const outcomes: RecordOutcome[] = [];
    let seq = first;
    let exception = 0;
    for (let row = 0; row < records.length; row++) {
      const record = records[row] as DecisionRecord;
      if (exceptions[exception] === row) {
        const code = exceptions[exception + 1] as number;
        exception += 2;
        outcomes.push(code === codeExpired ? expired : { status: 'existing', winner: reader.recordAt(code) });
        if (code === codeExpired) continue;
      } else {
        index.hot.add(hashes[row] as number, seq);
        flusher.noteId(hashes[row] as number, seq);
        outcomes.push({ status: 'recorded', winner: record });
        seq++;
      }
      ledger.settlePayment(record.tenantId, record.paymentId);
    }
    if (seq > first) {
      ledger.durable(seq - 1);
      flusher.recorded(seq - first);
      onRecorded();
    }
    return outcomes;
  }
}
