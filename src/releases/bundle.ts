/** A release is one immutable bundle; the SHA-256 of its canonical JSON (RFC 8785) is its id. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { ModelArtefact } from '../models/types.ts';
import type { bundleVersion, releaseSchema } from './schema.ts';

/** What reading a bundle has seen to already; the other parts are `unknown` until their rooms have checked them (compile.ts). */
interface KnownParts {
  readonly bundleVersion: typeof bundleVersion;
  readonly rules: readonly unknown[];
  readonly model: ModelArtefact | null;
}

/** Absent where there are none, never an empty list: so a bundle without them keeps the id that it always had. */
interface OptionalParts {
  readonly challengers?: readonly ModelArtefact[];
}

type Part = Exclude<keyof (typeof releaseSchema)['properties'], keyof OptionalParts>;

/** A release's parts, those of its schema and no others. JSON, nothing else. */
export type ReleaseBundle = {
  readonly [Name in Part]: Name extends keyof KnownParts ? KnownParts[Name] : unknown;
} & OptionalParts;

/** @returns 64 hexadecimal digits. */
export function releaseId(bundle: ReleaseBundle): string {
  const canonical = canonicalize(bundle);
  if (canonical === undefined) throw new Error('a release bundle must be JSON');
  return createHash('sha256').update(canonical).digest('hex');
}

/** The same release with other models. Feature definitions, rules, lists and policy stay as they are. */
export function withModels(
  bundle: ReleaseBundle,
  model: ModelArtefact | null,
  challengers: readonly ModelArtefact[],
): ReleaseBundle {
  const { challengers: _before, ...rest } = bundle;
  return { ...rest, model, ...(challengers.length === 0 ? {} : { challengers }) };
}
