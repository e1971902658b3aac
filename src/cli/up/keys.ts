/** API keys of an embedded data directory: hashes in a file, and the made key of a demonstration beside it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiKeyVerifier } from '../../api/keys.ts';
import { createApiKeyVerifier, generateApiKey, hashApiKey } from '../../api/keys.ts';
import type { ApiKeyEntry } from '../../api/keys.ts';

const hashesFile = 'keys.json';
const madeKeyFile = 'first-key';
const ownerOnly = 0o600;

export interface Keys {
  readonly verifier: ApiKeyVerifier;
  /** How the person at the terminal logs in: the made key, or undefined where they gave their own or took it away. */
  readonly madeKey: string | undefined;
}

function write(path: string, text: string): void {
  writeFileSync(path, text, { mode: ownerOnly, flush: true });
}

/**
 * The keys of the directory. A fresh one gets `bootstrapKey`, or a made key that stays readable to its owner in
 * `first-key`, so that a second start can print it again; delete the file once the key is kept elsewhere.
 */
export function openKeys(dataDirectory: string, bootstrapKey: string | undefined): Keys {
  const path = join(dataDirectory, hashesFile);
  const madePath = join(dataDirectory, madeKeyFile);
  if (!existsSync(path)) {
    const key = bootstrapKey ?? generateApiKey();
    if (bootstrapKey === undefined) write(madePath, `${key}\n`);
    const entry: ApiKeyEntry = { sha256: hashApiKey(key), tenantId: 'default' };
    write(path, JSON.stringify({ keys: [entry] }));
  }
  const stored = JSON.parse(readFileSync(path, 'utf8')) as { readonly keys: readonly ApiKeyEntry[] };
  return {
    verifier: createApiKeyVerifier(stored.keys),
    madeKey: existsSync(madePath) ? readFileSync(madePath, 'utf8').trim() : undefined,
  };
}
