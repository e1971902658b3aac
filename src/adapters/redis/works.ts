/** What a batch asks of each entity, and how that is put into script calls. */
import type { PaymentFacts } from '../../features/facts.ts';
import type { EntityPlan } from '../../features/plan.ts';
import type { RoleReader } from '../../features/roleReader.ts';
import type { KeyWork } from './appendCall.ts';
import type { Copies } from './copies.ts';
import { entityKey, hasKey, shardOf } from './keys.ts';

/** Keys in one script call where any keys may stand in one: long enough to be cheap, short enough not to hold Redis up. */
const keysPerCallMax = 64;

/** The entities of a batch, each once. */
export class Works {
  readonly #copies: Copies;
  readonly #tenantPart: string;
  readonly #refreshBeforeMs: number;
  readonly #works = new Map<string, KeyWork>();

  /** @param refreshBeforeMs the expiry of what was last put off before this is put off again */
  constructor(copies: Copies, tenantPart: string, refreshBeforeMs: number) {
    this.#copies = copies;
    this.#tenantPart = tenantPart;
    this.#refreshBeforeMs = refreshBeforeMs;
  }

  /** Rows come in order. A row reads in roles before it is counted itself. */
  add(row: number, facts: PaymentFacts, plans: readonly EntityPlan[], roles: readonly RoleReader[]): void {
    for (let role = 0; role < roles.length; role++) {
      const { plan } = roles[role] as RoleReader;
      if (!hasKey(facts, plan)) continue;
      const work = this.#workOf(facts, plan);
      work.reads.push({ row, role, after: work.rows.length });
    }
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i] as EntityPlan;
      if (hasKey(facts, plan)) this.#workOf(facts, plan).rows.push(row);
    }
  }

  all(): KeyWork[] {
    return [...this.#works.values()];
  }

  #workOf(facts: PaymentFacts, plan: EntityPlan): KeyWork {
    const shard = shardOf(facts, plan);
    const key = entityKey(facts, plan, this.#tenantPart, shard);
    const known = this.#works.get(key);
    if (known !== undefined) return known;
    const copy = this.#copies.get(key);
    const knownBytes = copy?.rawLength ?? 0;
    const refresh = copy === undefined || copy.refreshedAtMs <= this.#refreshBeforeMs;
    const work = { key, shard, planIndex: plan.index, rows: [], reads: [], copy, knownBytes, refresh, recordsAt: 0 };
    this.#works.set(key, work);
    return work;
  }
}

/** On a cluster one call has the keys of one shard; elsewhere as many as fit. */
export function callsOf(works: KeyWork[], cluster: boolean): KeyWork[][] {
  const calls: KeyWork[][] = [];
  if (cluster) works.sort((a, b) => a.shard - b.shard);
  let call: KeyWork[] = [];
  for (const work of works) {
    const full = call.length === keysPerCallMax || (cluster && call[0]?.shard !== work.shard);
    if (call.length > 0 && full) {
      calls.push(call);
      call = [];
    }
    call.push(work);
  }
  if (call.length > 0) calls.push(call);
  return calls;
}
