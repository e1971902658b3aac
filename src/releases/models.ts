/**
 * The registry of models: content-addressed files in the data directory, each a model with its card, never changed. Its key
 * is the hash of all of it, card included; its version (models/version.ts) says what it computes, and is what decisions name.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import { Compile } from 'typebox/compile';
import { modelSchema } from '../models/schema.ts';
import type { ModelArtefact } from '../models/types.ts';
import { modelVersion } from '../models/version.ts';

const keyPattern = /^[0-9a-f]{64}$/;
const shape = Compile(modelSchema);

export interface RegisteredModel {
  /** SHA-256 of the whole artefact as canonical JSON (RFC 8785). */
  readonly key: string;
  readonly id: string;
  /** What decisions made with it name. */
  readonly version: string;
  readonly artefact: ModelArtefact;
}

function registered(artefact: ModelArtefact): RegisteredModel {
  const key = createHash('sha256')
    .update(canonicalize(artefact) ?? '')
    .digest('hex');
  return { key, id: artefact.card.id, version: modelVersion(artefact), artefact };
}

export const isModel = (value: unknown): value is ModelArtefact => shape.Check(value);

/** A file of the registry that is not what it was. */
export class ModelAltered extends Error {
  override readonly name = 'ModelAltered';
}

export class ModelStore {
  readonly #directory: string;

  constructor(dataDirectory: string) {
    this.#directory = join(dataDirectory, 'models');
  }

  /** Keys of all models, sorted. */
  keys(): readonly string[] {
    if (!existsSync(this.#directory)) return [];
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith('.json') && keyPattern.test(name.slice(0, -5)))
      .map((name) => name.slice(0, -5))
      .sort();
  }

  /** Keeps the model as it is; the same again is the same file. Whether it fits a release is the release's to say. */
  add(artefact: ModelArtefact): RegisteredModel {
    const model = registered(artefact);
    const path = this.#path(model.key);
    if (existsSync(path)) return model;
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(`${path}.tmp`, JSON.stringify(artefact), { flush: true });
    renameSync(`${path}.tmp`, path);
    return model;
  }

  /** @throws where there is no such model, or where its bytes no longer have its hash. */
  read(key: string): RegisteredModel {
    const path = this.#path(key);
    if (!existsSync(path)) throw new Error(`no model ${key} in the data directory`);
    let stored: unknown;
    try {
      stored = JSON.parse(readFileSync(path, 'utf8'));
    } catch {
      stored = undefined;
    }
    if (!isModel(stored)) throw new ModelAltered(`model ${key} was altered on disk: it is no model`);
    const model = registered(stored);
    if (model.key !== key) throw new ModelAltered(`model ${key} was altered on disk: its content has another hash`);
    return model;
  }

  /** Models whose key or version begins so, or whose id it is. */
  find(name: string): readonly RegisteredModel[] {
    return this.keys()
      .map((key) => this.read(key))
      .filter(({ key, id, version }) => key.startsWith(name) || version.startsWith(name) || id === name);
  }

  #path(key: string): string {
    if (!keyPattern.test(key)) throw new Error('the key of a model is 64 hexadecimal digits');
    return join(this.#directory, `${key}.json`);
  }
}
