/** What a replay adds up to. */
export interface RefusedLine {
  readonly line: number;
  readonly code: string;
}

/** Refused lines that are kept with their number; all are counted by code. */
const refusedLinesMax = 100;

export interface ReplaySummary {
  readonly rows: number;
  readonly decisions: number;
  readonly holds: number;
  readonly refused: number;
  readonly refusedByCode: Readonly<Record<string, number>>;
  readonly refusedLines: readonly RefusedLine[];
  /** Answers that were a decision recorded before this run. */
  readonly repeated: number;
  readonly degraded: number;
  readonly labelsSent: number;
  readonly labelsRefused: number;
  readonly seconds: number;
  readonly decisionsPerSecond: number;
  /** Of the holds, the share that the file calls fraud, and of the file's frauds, the share held; null where the file has no labels. */
  readonly precision: number | null;
  readonly recall: number | null;
  readonly frauds: number;
}

/** Counts in constant memory but for the ids of held payments, which labels further down an NDJSON file refer to. */
export class Tally {
  rows = 0;
  decisions = 0;
  holds = 0;
  refused = 0;
  repeated = 0;
  degraded = 0;
  labelsSent = 0;
  labelsRefused = 0;
  #frauds = 0;
  #fraudsHeld = 0;
  #labelled = false;
  readonly #held = new Set<string>();
  readonly #refusedByCode = new Map<string, number>();
  readonly #refusedLines: RefusedLine[] = [];

  refuse(line: number, code: string): void {
    this.refused += 1;
    this.#refusedByCode.set(code, (this.#refusedByCode.get(code) ?? 0) + 1);
    if (this.#refusedLines.length < refusedLinesMax) this.#refusedLines.push({ line, code });
  }

  decide(paymentId: string, held: boolean, degraded: boolean, repeated: boolean): void {
    this.decisions += 1;
    if (degraded) this.degraded += 1;
    if (repeated) this.repeated += 1;
    if (!held) return;
    this.holds += 1;
    this.#held.add(paymentId);
  }

  /** The file's own word on a decided payment. */
  truth(paymentId: string, fraud: boolean): void {
    this.#labelled = true;
    if (!fraud) return;
    this.#frauds += 1;
    if (this.#held.has(paymentId)) this.#fraudsHeld += 1;
  }

  summary(seconds: number): ReplaySummary {
    const ratio = (part: number, whole: number): number | null => (this.#labelled && whole > 0 ? part / whole : null);
    return {
      rows: this.rows,
      decisions: this.decisions,
      holds: this.holds,
      refused: this.refused,
      refusedByCode: Object.fromEntries(this.#refusedByCode),
      refusedLines: this.#refusedLines,
      repeated: this.repeated,
      degraded: this.degraded,
      labelsSent: this.labelsSent,
      labelsRefused: this.labelsRefused,
      seconds: Math.round(seconds * 1000) / 1000,
      decisionsPerSecond: seconds > 0 ? Math.round(this.decisions / seconds) : 0,
      precision: ratio(this.#fraudsHeld, this.holds),
      recall: ratio(this.#fraudsHeld, this.#frauds),
      frauds: this.#frauds,
    };
  }
}

const percent = (value: number | null): string => (value === null ? 'unknown' : `${(value * 100).toFixed(1)} %`);

export function summaryText(summary: ReplaySummary): string {
  const lines = [
    `rows        ${summary.rows}`,
    `decisions   ${summary.decisions} (${summary.decisionsPerSecond}/s over ${summary.seconds.toFixed(1)} s${summary.repeated > 0 ? `, ${summary.repeated} decided before` : ''}${summary.degraded > 0 ? `, ${summary.degraded} degraded` : ''})`,
    `holds       ${summary.holds}`,
    `refused     ${summary.refused}${
      summary.refused > 0
        ? ` (${Object.entries(summary.refusedByCode)
            .map(([code, count]) => `${code} ${count}`)
            .join(', ')})`
        : ''
    }`,
    `labels sent ${summary.labelsSent}${summary.labelsRefused > 0 ? `, ${summary.labelsRefused} refused` : ''}`,
  ];
  if (summary.precision !== null || summary.recall !== null) {
    lines.push(
      `precision   ${percent(summary.precision)} of the holds are fraud`,
      `recall      ${percent(summary.recall)} of the ${summary.frauds} frauds are held`,
    );
  }
  return lines.join('\n');
}
