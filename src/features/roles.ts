/**
 * An entity read in another role: `account` as `counterpartyAccount` is what the payment's account was paid, told by the
 * payments that name it as their counterparty. Events are kept once, by the fields of the role; the payment's own fields
 * only say whose they are, so a role costs no state.
 */
import type { FeatureDefinition } from './definitions.ts';

type Roles = Pick<FeatureDefinition, 'entity' | 'as'>;

/** What stands first in a feature's name: `account`, or `accountAsCounterpartyAccount`. */
export function entityName({ entity, as }: Roles): string {
  return as === undefined ? entity : `${entity}As${as.charAt(0).toUpperCase()}${as.slice(1)}`;
}

/** The entity kind whose events are looked at. */
export function stateKind({ entity, as }: Roles): string {
  return as ?? entity;
}

/** What is wrong with the roles of a definition, undefined when nothing is. */
export function roleProblem({ entity, as }: Roles): string | undefined {
  if (as === undefined) return undefined;
  if (as === entity) return `"${as}" is the entity itself: leave "as" out`;
  const [own, role] = [entity.split('+'), as.split('+')];
  if (own.length !== role.length) {
    return `"${entity}" is of ${own.length === 1 ? 'one field' : 'two fields'}, so "as" must be too, not "${as}"`;
  }
  return new Set(role).size === role.length ? undefined : `"${as}" pairs a field with itself`;
}
