import type { CellSpace } from './cells.ts';
import { cellSpace, subjectOf } from './cells.ts';
import type { ConditionNode, RuleNode } from './parse.ts';
import { conditionsOf } from './parse.ts';
import type { ColumnTest, Predicate } from './predicate.ts';

/** A place in a rule that is decided before any payment is seen. */
export interface Certainty {
  readonly pointer: string;
  readonly always: boolean;
  /** What cannot be met, or is always met: the column, or the compared pair. */
  readonly subject: string;
}

type ToPredicate = (condition: ConditionNode) => Predicate;

interface Leaf {
  readonly pointer: string;
  readonly space: CellSpace;
  readonly mask: bigint;
}
/** `positive` conjunctions are `all` and negated `any`; the others are disjunctions. Leaves have `not` folded in. */
type Normal =
  | { readonly kind: 'leaf'; readonly leaf: Leaf }
  | { readonly kind: 'and' | 'or'; readonly pointer: string; readonly children: readonly Normal[] };

function spacesOf(root: RuleNode, toPredicate: ToPredicate): Map<string, CellSpace> {
  const tests = new Map<string, ColumnTest[]>();
  for (const condition of conditionsOf(root)) {
    const { test } = toPredicate(condition);
    const subject = subjectOf(test);
    tests.set(subject, [...(tests.get(subject) ?? []), test]);
  }
  return new Map([...tests].map(([subject, list]) => [subject, cellSpace(subject, list)]));
}

function everything(space: CellSpace): bigint {
  return space.possible | space.present;
}

function normalise(
  node: RuleNode,
  negated: boolean,
  spaces: ReadonlyMap<string, CellSpace>,
  toPredicate: ToPredicate,
): Normal {
  if (node.kind === 'not') return normalise(node.child, !negated, spaces, toPredicate);
  if (node.kind === 'condition') {
    const predicate = toPredicate(node);
    const space = spaces.get(subjectOf(predicate.test)) as CellSpace;
    const holds = space.maskOf(predicate.test) & everything(space);
    const mask = predicate.negated !== negated ? everything(space) & ~holds : holds;
    return { kind: 'leaf', leaf: { pointer: node.pointer, space, mask } };
  }
  const kind = (node.kind === 'all') !== negated ? 'and' : 'or';
  const children = node.children
    .map((child) => normalise(child, negated, spaces, toPredicate))
    // all inside all, any inside any: one group.
    .flatMap((child) => (child.kind === kind ? child.children : [child]));
  return { kind, pointer: node.pointer, children };
}

/** Cells still open for each subject, given what the enclosing conjunctions demand. */
type Context = ReadonlyMap<string, bigint>;

function open(context: Context, space: CellSpace): bigint {
  return context.get(space.subject) ?? space.possible;
}

class Search {
  readonly found: Certainty[] = [];

  /** @returns whether the node can still be true in the context; what is certain is noted once, at its smallest place. */
  canHold(node: Normal, context: Context): boolean {
    if (node.kind === 'leaf') return this.leafCanHold(node.leaf, context);
    return node.kind === 'and' ? this.andCanHold(node, context) : this.orCanHold(node, context);
  }

  private note(pointer: string, always: boolean, subject: string): void {
    this.found.push({ pointer, always, subject });
  }

  private leafCanHold({ pointer, space, mask }: Leaf, context: Context): boolean {
    if ((mask & open(context, space)) === 0n) {
      this.note(pointer, false, space.subject);
      return false;
    }
    if ((space.present & ~mask) === 0n) this.note(pointer, true, space.subject);
    return true;
  }

  private andCanHold(node: Normal & { kind: 'and' | 'or' }, outer: Context): boolean {
    const context = new Map(outer);
    for (const child of node.children) {
      if (child.kind !== 'leaf') continue;
      // Each by itself first, against what encloses the group: then the message names the condition, not the group.
      if (!this.leafCanHold(child.leaf, outer)) return false;
      const { space, mask } = child.leaf;
      const left = open(context, space) & mask;
      if (left === 0n) {
        this.note(node.pointer, false, space.subject);
        return false;
      }
      context.set(space.subject, left);
    }
    return node.children.every((child) => child.kind === 'leaf' || this.canHold(child, context));
  }

  private orCanHold(node: Normal & { kind: 'and' | 'or' }, context: Context): boolean {
    const union = new Map<CellSpace, bigint>();
    let can = false;
    const before = this.found.length;
    for (const child of node.children) {
      if (this.canHold(child, context)) can = true;
      if (child.kind !== 'leaf') continue;
      const { space, mask } = child.leaf;
      union.set(space, (union.get(space) ?? 0n) | mask);
    }
    if (this.found.length > before) return can;
    for (const [space, mask] of union) {
      if ((space.present & ~mask) !== 0n) continue;
      this.note(node.pointer, true, space.subject);
      break;
    }
    return can;
  }
}

/**
 * Conditions that no payment can meet, or that every payment with the fact meets: single ones against what the fact can
 * be at all, groups against each other. Sound, not complete: it judges fact by fact and knows no relation between facts.
 */
export function findCertainties(root: RuleNode, toPredicate: ToPredicate): readonly Certainty[] {
  const spaces = spacesOf(root, toPredicate);
  const search = new Search();
  search.canHold(normalise(root, false, spaces, toPredicate), new Map());
  return search.found;
}
