/** A release is one immutable bundle; the SHA-256 of its canonical JSON (RFC 8785) is its id. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { ModelArtefact } from '../models/types.ts';

export const bundleVersion = 1;

/** Everything a decision depends on besides the payment and its recorded features. JSON, nothing else. */
export interface ReleaseBundle {
  readonly bundleVersion: typeof bundleVersion;
  /** Checked by the features, rules and policy rooms when the release is compiled. */
  readonly features: unknown;
  readonly rules: readonly unknown[];
  readonly lists: unknown;
  readonly policy: unknown;
  readonly model: ModelArtefact | null;
}

/** @returns 64 hexadecimal digits. */
export function releaseId(bundle: ReleaseBundle): string {
  const canonical = canonicalize(bundle);
  if (canonical === undefined) throw new Error('a release bundle must be JSON');
  return createHash('sha256').update(canonical).digest('hex');
}
