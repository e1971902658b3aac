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
const beforeDecidedAt = '","decidedAt":"';
/** With room for the time. */
const decidedAtKey = utf8.encode(`${beforeDecidedAt}${' '.repeat(timestampBytes)}","latencyMicros":`);
const decidedAtPlace = beforeDecidedAt.length;
const liveKey = ',"mode":"live","occurredAt":"';

/** What all decisions of a tenant by one release share, as bytes. */
interface Constants {
  readonly frame: Omit<DecisionFrame, 'decidedAtMs'>;
  readonly afterPayment: Uint8Array;
  readonly beforeProbability: Uint8Array | undefined;
  readonly release: Uint8Array;
  readonly bytes: number;
}

function encodeConstants(frame: Omit<DecisionFrame, 'decidedAtMs'>): Constants {
  const { model } = frame;
  const afterPayment = utf8.encode(`,"tenantId":${jsonString(frame.tenantId)},"action":"`);
  const beforeProbability =
    model === null
      ? undefined
      : utf8.encode(`,"model":{"id":${jsonString(model.id)},"version":"${model.version}","probability":`);
  const release = utf8.encode(`,"releaseId":"${frame.releaseId}","degraded":`);
  const bytes = afterPayment.length + (beforeProbability?.length ?? 0) + release.length;
  return { frame, afterPayment, beforeProbability, release, bytes };
}

/** Most batches are of the tenant and release of the one before. */
let latest: Constants | undefined;

function constantsOf({ tenantId, releaseId, model }: DecisionFrame): Constants {
  const known = latest?.frame;
  if (latest === undefined || known?.tenantId !== tenantId || known.releaseId !== releaseId || known.model !== model)
    latest = encodeConstants({ tenantId, releaseId, model });
  return latest;
}

export class DecisionWriter {
  readonly #writer: ByteWriter;
  readonly #tenantId: string;
  readonly #constants: Constants;
  readonly #decidedAt = decidedAtKey.slice();
  readonly #constantBytes: number;

  constructor(frame: DecisionFrame, decisions: number) {
    this.#writer = new ByteWriter(decisions * usualDecisionBytes);
    this.#tenantId = frame.tenantId;
    this.#constants = constantsOf(frame);
    writeTimestamp(this.#decidedAt, decidedAtPlace, frame.decidedAtMs);
    this.#constantBytes = this.#constants.bytes + this.#decidedAt.length + variableBytesMax;
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
    writer.constant(this.#constants.afterPayment);
    writer.constant(parts.action === 'hold' ? holdAndScore : allowAndScore);
    writer.fraction(parts.score, scoreScale, scorePlaces);
    this.#reasonsAndRules(parts);
    this.#model(parts.probability);
    writer.constant(this.#constants.release);
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
    const { beforeProbability } = this.#constants;
    if (beforeProbability === undefined || Number.isNaN(probability)) {
      writer.constant(noModel);
      return;
    }
    writer.constant(beforeProbability);
    writer.fraction(probability, probabilityScale, probabilityPlaces);
    writer.constant(closeObject);
  }
}
