import type { Event, RuleProperties } from 'json-rules-engine';
import { Engine, Fact } from 'json-rules-engine';
import type { Literal } from '../features/frame.ts';
import { attributePrefix } from './facts.ts';
import { isRecord, parseRules } from './parse.ts';

/** The values of facts by canonical name (`attributes.NAME`, features by their name); what is missing is not in it. */
export type FactValues = ReadonlyMap<string, Literal>;
type Lists = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Own properties only: the whole path as one name first, since attribute names may hold dots, then name by name.
 * json-rules-engine's own resolver is jsonpath-plus, which can be made to run code: it must never see a rule.
 */
export function ownPath(value: unknown, path: string): unknown {
  if (isRecord(value) && Object.hasOwn(value, path)) return value[path];
  let at: unknown = value;
  for (const name of path.split('.')) {
    if (!isRecord(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

function isRuleProperties(rule: unknown): rule is RuleProperties {
  return isRecord(rule) && isRecord(rule['conditions']) && isRecord(rule['event']);
}

function createEngine(definitions: readonly unknown[], lists: Lists): Engine {
  const engine = new Engine([], { allowUndefinedFacts: true, pathResolver: ownPath });
  const inList = (value: unknown, list: string): boolean =>
    typeof value === 'string' && (lists.get(list)?.has(value) ?? false);
  engine.addOperator('inList', inList);
  engine.addOperator('notInList', (value: unknown, list: string) => !inList(value, list));
  // The engine writes into the rules it is given.
  for (const rule of structuredClone(definitions)) {
    if (!isRuleProperties(rule)) throw new Error('malformed rule: lint rules before running them');
    engine.addRule(rule);
  }
  return engine;
}

function engineFacts(facts: FactValues): Record<string, unknown> {
  const attributes: Record<string, Literal> = Object.create(null) as Record<string, Literal>;
  const out: Record<string, unknown> = { attributes };
  for (const [name, value] of facts) {
    out[name] = value;
    if (name.startsWith(attributePrefix)) attributes[name.slice(attributePrefix.length)] = value;
  }
  out['feature'] = new Fact<unknown>('feature', (params: Record<string, unknown>) => facts.get(String(params['name'])));
  return out;
}

/**
 * json-rules-engine itself over our rules: the oracle of the compiler, some thousand times slower. An Engine drops rules
 * silently when two of its runs overlap, so runs wait for each other.
 */
export class ReferenceEngine {
  private readonly engine: Engine;
  private readonly order: ReadonlyMap<string, number>;
  private last: Promise<unknown> = Promise.resolve();

  constructor(definitions: readonly unknown[], lists: Lists) {
    this.engine = createEngine(definitions, lists);
    this.order = new Map(parseRules(definitions).map((rule, i) => [rule.id, i]));
  }

  /** Ids of the rules that fire, in the order in which hits are listed. */
  run(facts: FactValues): Promise<readonly string[]> {
    const run = this.last.then(() => this.runAlone(facts));
    this.last = run.catch(() => undefined);
    return run;
  }

  private async runAlone(facts: FactValues): Promise<readonly string[]> {
    const { results } = await this.engine.run(engineFacts(facts));
    const place = (id: string): number => this.order.get(id) ?? 0;
    return results.map((result: { name: string; event?: Event }) => result.name).sort((a, b) => place(a) - place(b));
  }
}
