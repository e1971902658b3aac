/** Writes decisions as JSON bytes, many into one buffer. On the path of every payment; a test holds it to JSON.stringify. */
import type { Decision } from '../domain/decision.ts';
import { idBytes, writeDeterministicId } from '../domain/ids.ts';
import { timestampBytes, writeTimestamp } from '../domain/timestamp.ts';
import { ByteWriter } from './byteWriter.ts';
import { jsonString } from './serialise.ts';

/** Scores are multiples of 10^−6 (policy), probabilities of 10^−9 (score.ts). */
const scorePlaces = 6;
const scoreScale = 10 ** scorePlaces;
const probabilityPlaces = 9;
export const probabilityScale = 10 ** probabilityPlaces;
/** Room for every part of bounded length: ids, times, numbers. */
const variableBytesMax = 256;
/** Usual bytes of one decision; only a first guess, the buffer grows. */
const usualDecisionBytes = 640;

/** What all decisions of a batch share. */
export interface DecisionFrame {
  readonly tenantId: string;
  readonly releaseId: string;
  /** Identity of the release's model, or null. */
  readonly model: { readonly id: string; readonly version: string } | null;
  readonly decidedAtMs: number;
}

/** What each decision has of its own. */
export type DecisionParts = Pick<
  Decision,
  'paymentId' | 'action' | 'score' | 'reasons' | 'rules' | 'degraded' | 'latencyMicros'
> & {
  readonly occurredAtMs: number;
  /** NaN where the model did not score. */
  readonly probability: number;
};

const utf8 = new TextEncoder();
const open = utf8.encode('{"decisionId":"');
const paymentKey = utf8.encode('","paymentId":');
const allowAndScore = utf8.encode('allow","score":');
const holdAndScore = utf8.encode('hold","score":');
const noReasonsNorRules = utf8.encode(',"reasons":[],"rules":[]');
const noModel = utf8.encode(',"model":null');
const closeObject = utf8.encode('}');
const notDegraded = utf8.encode('[],"mode":"live","occurredAt":"');
const liveKey = ',"mode":"live","occurredAt":"';

export class DecisionWriter {
  readonly #writer: ByteWriter;
  readonly #tenantId: string;
  readonly #afterPayment: Uint8Array;
  readonly #beforeProbability: Uint8Array | undefined;
  readonly #release: Uint8Array;
  readonly #decidedAt: Uint8Array;
  readonly #constantBytes: number;

  constructor(frame: DecisionFrame, decisions: number) {
    const { model } = frame;
    this.#writer = new ByteWriter(decisions * usualDecisionBytes);
    this.#tenantId = frame.tenantId;
    this.#afterPayment = utf8.encode(`,"tenantId":${jsonString(frame.tenantId)},"action":"`);
    this.#beforeProbability =
      model === null
        ? undefined
        : utf8.encode(`,"model":{"id":${jsonString(model.id)},"version":"${model.version}","probability":`);
    this.#release = utf8.encode(`,"releaseId":"${frame.releaseId}","degraded":`);
    const decidedAt = new Uint8Array(timestampBytes);
    writeTimestamp(decidedAt, 0, frame.decidedAtMs);
    this.#decidedAt = utf8.encode(`","decidedAt":"${new TextDecoder().decode(decidedAt)}","latencyMicros":`);
    this.#constantBytes =
      this.#afterPayment.length +
      (this.#beforeProbability?.length ?? 0) +
      this.#release.length +
      this.#decidedAt.length +
      variableBytesMax;
  }

  /** All decisions written so far. */
  get bytes(): Uint8Array {
    return this.#writer.bytes;
  }

  /** Appends one decision, fields in the contract's order; returns where it ends in `bytes`. */
  write(parts: DecisionParts): number {
    const writer = this.#writer;
    writer.reserve(this.#constantBytes);
    writer.constant(open);
    writeDeterministicId(writer.bytes, writer.at, this.#tenantId, parts.paymentId);
    writer.at += idBytes;
    writer.constant(paymentKey);
    writer.quoted(parts.paymentId);
    writer.reserve(this.#constantBytes);
    writer.constant(this.#afterPayment);
    writer.constant(parts.action === 'hold' ? holdAndScore : allowAndScore);
    writer.fraction(parts.score, scoreScale, scorePlaces);
    this.#reasonsAndRules(parts);
    this.#model(parts.probability);
    writer.constant(this.#release);
    if (parts.degraded.length === 0) writer.constant(notDegraded);
    else writer.raw(JSON.stringify(parts.degraded) + liveKey);
    writer.reserve(this.#constantBytes);
    writeTimestamp(writer.bytes, writer.at, parts.occurredAtMs);
    writer.at += timestampBytes;
    writer.constant(this.#decidedAt);
    writer.integer(parts.latencyMicros);
    writer.constant(closeObject);
    return writer.at;
  }

  #reasonsAndRules({ reasons, rules }: DecisionParts): void {
    if (reasons.length === 0 && rules.length === 0) {
      this.#writer.constant(noReasonsNorRules);
      return;
    }
    const named = rules.map(({ id, version }) => ({ id, version }));
    this.#writer.raw(`,"reasons":${JSON.stringify(reasons)},"rules":${JSON.stringify(named)}`);
    this.#writer.reserve(this.#constantBytes);
  }

  #model(probability: number): void {
    const writer = this.#writer;
    if (this.#beforeProbability === undefined || Number.isNaN(probability)) {
      writer.constant(noModel);
      return;
    }
    writer.constant(this.#beforeProbability);
    writer.fraction(probability, probabilityScale, probabilityPlaces);
    writer.constant(closeObject);
  }
}
