/** The live line of `up`: on a terminal one line that is rewritten, elsewhere one line now and then. */
import type { LiveFigures } from '../../pipeline/metrics.ts';

const terminalIntervalMs = 1000;
const logIntervalMs = 10_000;

export interface LiveSources {
  readonly figures: () => LiveFigures;
  /** Payments accepted but not yet decided. */
  readonly backlog: () => number;
}

function lineOf(figures: LiveFigures, decisionsPerSecond: number, backlog: number): string {
  const p99 = Number.isNaN(figures.p99Ms) ? '–' : `${figures.p99Ms.toFixed(1)} ms`;
  const holds = figures.decisions === 0 ? '' : ` (${((100 * figures.holds) / figures.decisions).toFixed(1)} %)`;
  return (
    `${decisionsPerSecond.toFixed(0)} decisions/s · ${figures.decisions} decided · ` +
    `${figures.holds} holds${holds} · p99 ${p99} · backlog ${backlog}`
  );
}

/** @returns a function that stops it. */
export function startLiveLine(stream: NodeJS.WriteStream, sources: LiveSources): () => void {
  const intervalMs = stream.isTTY ? terminalIntervalMs : logIntervalMs;
  let before = sources.figures().decisions;
  let atMs = performance.now();
  const timer = setInterval(() => {
    const figures = sources.figures();
    const nowMs = performance.now();
    const line = lineOf(figures, ((figures.decisions - before) * 1000) / (nowMs - atMs), sources.backlog());
    before = figures.decisions;
    atMs = nowMs;
    stream.write(stream.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
  }, intervalMs);
  return () => {
    clearInterval(timer);
    if (stream.isTTY) stream.write('\n');
  };
}
