/**
 * API keys. A key is 256 random bits, so that a plain SHA-256 is enough to store it: there is nothing to guess that salt
 * or stretching would slow down. Only hashes are kept; who reads the store learns no key.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

export const scopes = ['decide', 'read', 'label'] as const;
export type Scope = (typeof scopes)[number];

/** A key as it is stored. */
export interface ApiKeyEntry {
  /** SHA-256 of the key's text, hexadecimal. */
  readonly sha256: string;
  readonly tenantId: string;
  /** What the key may do; everything where it is absent. */
  readonly scopes?: readonly Scope[];
}

/** Who calls. */
export interface Caller {
  /** Names the key without giving it away: the first characters of its hash. */
  readonly keyId: string;
  readonly tenantId: string;
  readonly scopes: ReadonlySet<Scope>;
}

export interface ApiKeyVerifier {
  /** The caller whose key this is, or undefined. */
  verify(key: string): Caller | undefined;
}

const prefix = 'hf_';
const keyBytes = 32;
const keyIdCharacters = 12;
/** Longer texts are no key of ours; hashing them would be work for nothing. */
const keyCharactersMax = 512;

/** A new key: `hf_` and 256 random bits as base64url. */
export function generateApiKey(): string {
  return `${prefix}${randomBytes(keyBytes).toString('base64url')}`;
}

/** SHA-256 of the key's UTF-8 text, hexadecimal. */
export function hashApiKey(key: string): string {
  return hash('sha256', key, 'hex');
}

interface Known {
  readonly hash: Buffer;
  readonly caller: Caller;
}

export function createApiKeyVerifier(entries: readonly ApiKeyEntry[]): ApiKeyVerifier {
  const known = new Map<string, Known>();
  for (const entry of entries) {
    if (!/^[\da-f]{64}$/.test(entry.sha256)) throw new Error('an API key’s hash must be 64 hexadecimal digits');
    known.set(entry.sha256, {
      hash: Buffer.from(entry.sha256, 'hex'),
      caller: {
        keyId: entry.sha256.slice(0, keyIdCharacters),
        tenantId: entry.tenantId,
        scopes: new Set(entry.scopes ?? scopes),
      },
    });
  }
  return {
    verify(key) {
      if (key.length > keyCharactersMax) return undefined;
      const hashed = hashApiKey(key);
      // How long the lookup takes tells about hashes, which a caller cannot choose; the decision itself is constant-time.
      const found = known.get(hashed);
      return found !== undefined && timingSafeEqual(found.hash, Buffer.from(hashed, 'hex')) ? found.caller : undefined;
    },
  };
}
