/** Windows and delays of feature definitions, as `5m`, `1h`, `24h`, `7d`: parsed to milliseconds and back. */
const unitsMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const windowMsMin = 60_000;
export const windowMsMax = 90 * unitsMs.d;

/** Milliseconds of `30m`, `24h`, `7d`; undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([1-9]\d{0,5})([mhd])$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs];
}

/** The one spelling used in feature names: days from two on, then hours (a day is `24h`), then minutes. */
export function formatDuration(ms: number): string {
  if (ms % unitsMs.d === 0 && ms > unitsMs.d) return `${ms / unitsMs.d}d`;
  if (ms % unitsMs.h === 0) return `${ms / unitsMs.h}h`;
  return `${ms / unitsMs.m}m`;
}
