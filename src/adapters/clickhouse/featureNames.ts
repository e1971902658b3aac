import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Releases whose names are kept in memory; a log seldom has more than a few of them in a row. */
const releasesMax = 64;

/** Feature names by release id, from the release files in a directory (`<releaseId>.json`, `featureNames` at top level). */
export function createFeatureNames(directory: string): (releaseId: string) => readonly string[] | undefined {
  const known = new Map<string, readonly string[]>();
  return function featureNamesOf(releaseId) {
    const cached = known.get(releaseId);
    if (cached !== undefined) return cached;
    const names = readNames(directory, releaseId);
    if (names === undefined) return undefined;
    if (known.size >= releasesMax) known.delete(known.keys().next().value ?? '');
    known.set(releaseId, names);
    return names;
  };
}

function readNames(directory: string, releaseId: string): readonly string[] | undefined {
  if (!/^[0-9a-f]{64}$/.test(releaseId)) return undefined;
  let release: unknown;
  try {
    release = JSON.parse(readFileSync(join(directory, `${releaseId}.json`), 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof release !== 'object' || release === null || !('featureNames' in release)) return undefined;
  const names: unknown = release.featureNames;
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}
