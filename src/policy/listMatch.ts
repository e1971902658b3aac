import type { Reason } from '../domain/decision.ts';
import type { Payment } from '../domain/payment.ts';
import type { StringFact } from '../rules/facts.ts';
import type { ListMembers } from './lint.ts';
import type { PolicyDefinition } from './schema.ts';

/** A list of the policy on which a payment's field stands. */
export interface ListMatch extends Reason {
  readonly outcome: 'hold' | 'allow';
  /** Its place in the policy. */
  readonly place: number;
}

const noMatches: readonly ListMatch[] = [];

/** Fields of the lists, each with the matches of every value that is in one: one look-up a field, however many lists. */
function byField(
  definition: PolicyDefinition,
  lists: ListMembers,
): ReadonlyMap<StringFact, ReadonlyMap<string, ListMatch[]>> {
  const fields = new Map<StringFact, Map<string, ListMatch[]>>();
  definition.lists.forEach(({ list, field, outcome, code, text, weight }, place) => {
    const match: ListMatch = { code, text, weight, outcome, place };
    const values = fields.get(field) ?? new Map<string, ListMatch[]>();
    fields.set(field, values);
    for (const member of lists.get(list) ?? []) {
      const matches = values.get(member);
      if (matches === undefined) values.set(member, [match]);
      else matches.push(match);
    }
  });
  return fields;
}

/** @returns a function that finds the lists on which a payment stands, in the policy's order. */
export function bindLists(
  definition: PolicyDefinition,
  lists: ListMembers,
): (payment: Payment) => readonly ListMatch[] {
  const fields = [...byField(definition, lists)].filter(([, values]) => values.size > 0);
  return function matchLists(payment) {
    let found = noMatches;
    for (const [field, values] of fields) {
      const value = payment[field];
      const matches = value === undefined ? undefined : values.get(value);
      if (matches !== undefined) found = found === noMatches ? matches : [...found, ...matches];
    }
    return found.length < 2 ? found : [...found].sort((a, b) => a.place - b.place);
  };
}
