/** The feature programs of releases that a process over the topics knows of: those it was given, and those that roles stored. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compileFeatures } from '../../features/program.ts';
import type { FeatureProgram } from '../../features/types.ts';
import { releaseId } from '../../releases/bundle.ts';
import { ReleaseStore } from '../../releases/store.ts';
import { releaseNamed } from '../releaseNamed.ts';

/** Where roles on this machine keep the releases they decide with (roles/environment.ts). */
const folders = ['', 'serve', 'stream', 'sink'] as const;

/**
 * @param named ids in `dataDir`, or directories
 * @returns the features of a release; throws where it is not known
 */
export async function openPrograms(
  dataDir: string,
  named: readonly string[],
): Promise<(releaseId: string) => FeatureProgram> {
  const programs = new Map<string, FeatureProgram>();
  for (const name of named) {
    const bundle = await releaseNamed(name, dataDir);
    programs.set(releaseId(bundle), compileFeatures(bundle.features));
  }
  // Those that are there: opening a store makes its directory.
  const stores = folders
    .map((folder) => join(dataDir, folder))
    .filter((directory) => existsSync(join(directory, 'releases')))
    .map((directory) => new ReleaseStore(directory));
  return (id) => {
    const known = programs.get(id);
    if (known !== undefined) return known;
    const store = stores.find((each) => each.ids().includes(id));
    if (store === undefined) throw new Error(`release ${id} is not known here`);
    return compileFeatures(store.read(id).bundle.features);
  };
}
