/** What a model is, as one hash. */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { ModelArtefact } from './types.ts';
import { weightBytes } from './weights.ts';

/** SHA-256, hexadecimal, of topology, weight specification and inputs as canonical JSON (RFC 8785), then the weights' bytes. */
export function modelVersion(artefact: ModelArtefact): string {
  const { modelTopology, weightSpecs, card } = artefact;
  const specs = weightSpecs.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
  return createHash('sha256')
    .update(canonicalize({ modelTopology, weightSpecs: specs, inputs: card.inputs }) ?? '')
    .update(weightBytes(artefact.weightData))
    .digest('hex');
}

/** SHA-256, hexadecimal, of the weights' bytes alone. */
export function weightsHash(artefact: ModelArtefact): string {
  return createHash('sha256').update(weightBytes(artefact.weightData)).digest('hex');
}
