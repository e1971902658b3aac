/** Releases as people name them on the command line, and sentences instead of stack traces for what is wrong with one. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { failed, wrongUsage } from '../config/exit.ts';
import type { ReleaseBundle } from '../releases/bundle.ts';
import { ReleaseRefused } from '../releases/compile.ts';
import { ModelAltered } from '../releases/models.ts';
import { readReleaseDirectory, ReleaseStore } from '../releases/store.ts';

const idBeginning = /^[0-9a-f]{6,64}$/;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function readDirectory(directory: string): Promise<ReleaseBundle> {
  try {
    return await readReleaseDirectory(directory);
  } catch (error) {
    throw wrongUsage(`${directory} is no release directory that can be read: ${messageOf(error)}`);
  }
}

/**
 * The release in a directory, or the stored one of an id or of an unambiguous beginning of one.
 * @param shared a further data directory, whose releases are looked at where the first has none of the name
 * @throws CommandError where there is none, or more than one.
 */
export async function releaseNamed(name: string, dataDirectory: string, shared?: string): Promise<ReleaseBundle> {
  if (existsSync(resolve(name)) || !idBeginning.test(name)) return readDirectory(resolve(name));
  const store = new ReleaseStore(dataDirectory);
  if (shared !== undefined && !store.ids().some((each) => each.startsWith(name))) return releaseNamed(name, shared);
  const [id, another] = store.ids().filter((each) => each.startsWith(name));
  if (id === undefined)
    throw wrongUsage(
      `No release in ${resolve(dataDirectory)} begins with ${name}; \`holdfast release show\` lists them.`,
    );
  if (another !== undefined) throw wrongUsage(`More than one release begins with ${name}: give more digits.`);
  try {
    return store.read(id).bundle;
  } catch (error) {
    throw failed(messageOf(error));
  }
}

/** What a release command says of an error: a refused release, or a model's altered file, is the user's to mend. */
export function releaseFailure(error: unknown): unknown {
  return error instanceof ReleaseRefused || error instanceof ModelAltered ? failed(error.message) : error;
}
