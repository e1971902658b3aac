/** A store to which every block brings what the challengers say of its rows. */
import type { AnalyticsBlock } from './ports.ts';
import type { ShadowScorer } from './shadow.ts';

type Insert = 'insertBlock' | 'insertAgain' | 'insertAbsent' | 'insertNew';
type Inserting = { readonly [Name in Insert]?: (block: AnalyticsBlock) => Promise<void> };

/** The store, to which every block brings what the challengers say of its rows. */
export function withShadow<Store extends Inserting>(store: Store, scorer: Pick<ShadowScorer, 'score'>): Store {
  const adding =
    (insert: (block: AnalyticsBlock) => Promise<void>) =>
    async (block: AnalyticsBlock): Promise<void> => {
      const shadow = await scorer.score(block.rows);
      await insert(shadow.length === 0 ? block : { ...block, shadow });
    };
  const inserts: { [Name in Insert]?: (block: AnalyticsBlock) => Promise<void> } = {};
  for (const name of ['insertBlock', 'insertAgain', 'insertAbsent', 'insertNew'] as const) {
    const insert = store[name];
    if (insert !== undefined) inserts[name] = adding((block) => insert(block));
  }
  return { ...store, ...inserts };
}
