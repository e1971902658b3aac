/** Releases on disk: a directory of parts to build one from, and the content-addressed store in the data directory. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Static } from 'typebox';
import Value from 'typebox/value';
import { readModelDirectory } from '../models/directory.ts';
import type { BindOptions } from '../models/types.ts';
import type { ReleaseBundle } from './bundle.ts';
import { releaseId } from './bundle.ts';
import type { CompiledRelease } from './compile.ts';
import { compileChallengers, compileRelease } from './compile.ts';
import { ModelStore } from './models.ts';
import { bundleVersion, storedReleaseSchema } from './schema.ts';

const idPattern = /^[0-9a-f]{64}$/;
/** Compiled releases kept in memory besides the live one, to explain old decisions. */
const compiledMax = 8;

/** A stored release: `featureNames` name the feature values that its decisions recorded. */
interface StoredRelease extends Pick<Static<typeof storedReleaseSchema>, 'id'> {
  readonly featureNames: readonly string[];
  readonly bundle: ReleaseBundle;
}

function isStoredRelease(value: unknown): value is StoredRelease {
  return Value.Check(storedReleaseSchema, value);
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** Reads features.json, rules.json, lists.json, policy.json and, where it is, model/ of a release directory. */
export async function readReleaseDirectory(directory: string): Promise<ReleaseBundle> {
  const rules = readJson(join(directory, 'rules.json'));
  if (!Array.isArray(rules)) throw new Error('rules.json must hold a list of rules');
  const modelDirectory = join(directory, 'model');
  return {
    bundleVersion,
    features: readJson(join(directory, 'features.json')),
    rules,
    lists: readJson(join(directory, 'lists.json')),
    policy: readJson(join(directory, 'policy.json')),
    model: existsSync(join(modelDirectory, 'model.json')) ? await readModelDirectory(modelDirectory) : null,
  };
}

/** The text of a stored release, wherever it comes from. @returns what is wrong with it, in words, where it is not that release */
export function storedIn(id: string, text: string): StoredRelease | string {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    stored = undefined;
  }
  if (!isStoredRelease(stored)) return 'it is no release';
  return releaseId(stored.bundle) === id ? stored : 'its content has another hash';
}

export class ReleaseStore {
  readonly #directory: string;
  readonly #compiled = new Map<string, Promise<CompiledRelease>>();

  readonly #models: ModelStore;
  readonly #binding: BindOptions;

  /** @param binding how the models of its releases are bound */
  constructor(dataDirectory: string, binding: BindOptions = {}) {
    this.#models = new ModelStore(dataDirectory);
    this.#binding = binding;
    this.#directory = join(dataDirectory, 'releases');
    mkdirSync(this.#directory, { recursive: true });
  }

  ids(): readonly string[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith('.json') && idPattern.test(name.slice(0, -5)))
      .map((name) => name.slice(0, -5))
      .sort();
  }

  /** Compiles (and so checks) the bundle with its challengers, and keeps it and its models. The same bundle again is the same file. */
  async add(bundle: ReleaseBundle): Promise<CompiledRelease> {
    const release = await compileRelease(bundle, this.#binding);
    const path = this.#path(release.id);
    if (!existsSync(path)) {
      await compileChallengers(bundle, this.#binding);
      for (const model of [bundle.model, ...(bundle.challengers ?? [])]) if (model !== null) this.#models.add(model);
      const stored: StoredRelease = { id: release.id, featureNames: release.features.names, bundle };
      // Whole or not at all: a torn file would be a release that no decision of its can be explained by.
      writeFileSync(`${path}.tmp`, JSON.stringify(stored), { flush: true });
      renameSync(`${path}.tmp`, path);
    }
    this.#remember(release.id, Promise.resolve(release));
    return release;
  }

  has(id: string): boolean {
    return idPattern.test(id) && existsSync(this.#path(id));
  }

  /** @throws where there is no such release, or where its bytes no longer have its hash. */
  read(id: string): StoredRelease {
    const stored = storedIn(id, this.text(id));
    if (typeof stored === 'string') throw new Error(`release ${id} was altered on disk: ${stored}`);
    return stored;
  }

  /** A release as it is stored. @throws where there is no such release */
  text(id: string): string {
    const path = this.#path(id);
    if (!existsSync(path)) throw new Error(`no release ${id} in the data directory`);
    return readFileSync(path, 'utf8');
  }

  /** The compiled release of a recorded decision. */
  compiled(id: string): Promise<CompiledRelease> {
    const known = this.#compiled.get(id);
    if (known !== undefined) return known;
    const compiled = Promise.resolve().then(() => compileRelease(this.read(id).bundle, this.#binding));
    compiled.catch(() => this.#compiled.delete(id));
    this.#remember(id, compiled);
    return compiled;
  }

  #remember(id: string, release: Promise<CompiledRelease>): void {
    this.#compiled.delete(id);
    this.#compiled.set(id, release);
    const oldest = this.#compiled.keys().next().value;
    if (this.#compiled.size > compiledMax && oldest !== undefined) this.#compiled.delete(oldest);
  }

  #path(id: string): string {
    if (!idPattern.test(id)) throw new Error('a release id is 64 hexadecimal digits');
    return join(this.#directory, `${id}.json`);
  }
}
