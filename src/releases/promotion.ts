/** Other models for a release: always a new release, never an edit. */
import type { ModelArtefact } from '../models/types.ts';
import { modelVersion } from '../models/version.ts';
import type { ReleaseBundle } from './bundle.ts';
import { withModels } from './bundle.ts';

const isSame = (a: ModelArtefact, b: ModelArtefact): boolean => modelVersion(a) === modelVersion(b);

/**
 * The release with `model` as its champion. It is a challenger no longer; the champion of before becomes one where it is to be
 * kept (first, so that the others keep their order).
 */
export function promoted(bundle: ReleaseBundle, model: ModelArtefact, keepChampion: boolean): ReleaseBundle {
  const others = (bundle.challengers ?? []).filter((challenger) => !isSame(challenger, model));
  const { model: champion } = bundle;
  const kept = keepChampion && champion !== null && !isSame(champion, model) ? [champion] : [];
  return withModels(bundle, model, [...kept, ...others]);
}

/** The release with one challenger more, or, where it has it, the same. */
export function challenged(bundle: ReleaseBundle, model: ModelArtefact): ReleaseBundle {
  const challengers = bundle.challengers ?? [];
  if (challengers.some((challenger) => isSame(challenger, model))) return bundle;
  return withModels(bundle, bundle.model, [...challengers, model]);
}

/** The release without this challenger. */
export function withdrawn(bundle: ReleaseBundle, model: ModelArtefact): ReleaseBundle {
  const left = (bundle.challengers ?? []).filter((challenger) => !isSame(challenger, model));
  return withModels(bundle, bundle.model, left);
}
