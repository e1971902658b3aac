/** What differs between two releases, part by part: what a reviewer reads before one replaces the other. */
import { isDeepStrictEqual } from 'node:util';
import { modelVersion } from '../models/version.ts';
import type { ReleaseBundle } from './bundle.ts';

export interface ReleaseDifference {
  readonly part: 'features' | 'rules' | 'lists' | 'policy' | 'model' | 'challengers';
  readonly change: 'added' | 'removed' | 'changed';
  /** A rule's id, a feature's name, a list's name, or a top-level key of the policy. */
  readonly name: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

type Named = ReadonlyMap<string, unknown>;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Entries by the name they are known by; lists of named things and plain objects both. */
function byName(value: unknown): Named {
  if (Array.isArray(value)) {
    return new Map(value.map((item: unknown, i) => [isObject(item) ? nameOf(item, i) : String(item), item]));
  }
  if (!isObject(value)) return new Map();
  const entries = Object.entries(value);
  const nested = entries.flatMap(([key, inner]) =>
    Array.isArray(inner) && inner.some(isObject)
      ? [...byName(inner)].map(([name, item]) => [`${key}/${name}`, item] as const)
      : [[key, inner] as const],
  );
  return new Map(nested);
}

function nameOf(item: Record<string, unknown>, position: number): string {
  const name = item['id'] ?? item['name'];
  return typeof name === 'string' ? name : `#${position}`;
}

function differences(part: ReleaseDifference['part'], before: Named, after: Named): ReleaseDifference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name): ReleaseDifference[] => {
    const old = before.get(name);
    const now = after.get(name);
    if (!before.has(name)) return [{ part, change: 'added', name, after: now }];
    if (!after.has(name)) return [{ part, change: 'removed', name, before: old }];
    return isDeepStrictEqual(old, now) ? [] : [{ part, change: 'changed', name, before: old, after: now }];
  });
}

function modelNames(bundle: ReleaseBundle): Named {
  const { model } = bundle;
  if (model === null) return new Map();
  return new Map<string, unknown>([
    ['card', model.card],
    ['topology', model.modelTopology],
    ['weights', model.weightData],
  ]);
}

/** Challengers by version: a model is another one, or it is the same. */
const challengerNames = ({ challengers }: ReleaseBundle): Named =>
  new Map((challengers ?? []).map((model) => [`${model.card.id} ${modelVersion(model)}`, model.card]));

export function diffReleases(before: ReleaseBundle, after: ReleaseBundle): readonly ReleaseDifference[] {
  return [
    ...differences('features', byName(before.features), byName(after.features)),
    ...differences('rules', byName(before.rules), byName(after.rules)),
    ...differences('lists', byName(before.lists), byName(after.lists)),
    ...differences('policy', byName(before.policy), byName(after.policy)),
    ...differences('model', modelNames(before), modelNames(after)),
    ...differences('challengers', challengerNames(before), challengerNames(after)),
  ];
}
