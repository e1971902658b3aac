import type { RuleNode } from './parse.ts';
import type { ColumnTest, Predicate } from './predicate.ts';
import { testKey } from './predicate.ts';

/**
 * All rules of a release as one graph of conjunctions, each distinct one held once. A reference is `node * 2`, plus 1
 * for its complement; `any` is the complement of a conjunction of complements, so one kind of node is enough.
 * Nodes 0 … tests.length − 1 are column tests; the conjunctions follow, children before parents.
 */
export interface RuleGraph {
  readonly tests: readonly ColumnTest[];
  readonly conjunctions: readonly (readonly number[])[];
  /** One reference a rule, in the rules' order. */
  readonly roots: readonly number[];
}

/** During building, tests and conjunctions have separate numbers; conjunction c is reference `conjunctionBase + c * 2`. */
const conjunctionBase = 2 ** 31;

class GraphBuilder {
  readonly tests: ColumnTest[] = [];
  readonly conjunctions: (readonly number[])[] = [];
  private readonly testIds = new Map<string, number>();
  private readonly conjunctionIds = new Map<string, number>();
  private readonly toPredicate: (condition: RuleNode & { kind: 'condition' }) => Predicate;

  constructor(toPredicate: (condition: RuleNode & { kind: 'condition' }) => Predicate) {
    this.toPredicate = toPredicate;
  }

  reference(node: RuleNode): number {
    switch (node.kind) {
      case 'condition':
        return this.testReference(this.toPredicate(node));
      case 'not':
        return complement(this.reference(node.child));
      case 'all':
        return this.conjunction(node.children.map((child) => this.reference(child)));
      case 'any':
        return complement(this.conjunction(node.children.map((child) => complement(this.reference(child)))));
    }
  }

  private testReference(predicate: Predicate): number {
    const key = testKey(predicate.test);
    let id = this.testIds.get(key);
    if (id === undefined) {
      id = this.tests.push(predicate.test) - 1;
      this.testIds.set(key, id);
    }
    return id * 2 + (predicate.negated ? 1 : 0);
  }

  private conjunction(children: readonly number[]): number {
    const distinct = [...new Set(children)].sort((a, b) => a - b);
    const only = distinct[0];
    if (distinct.length === 1 && only !== undefined) return only;
    const key = distinct.join();
    let id = this.conjunctionIds.get(key);
    if (id === undefined) {
      id = this.conjunctions.push(distinct) - 1;
      this.conjunctionIds.set(key, id);
    }
    return conjunctionBase + id * 2;
  }
}

function complement(reference: number): number {
  return reference % 2 === 0 ? reference + 1 : reference - 1;
}

export function buildGraph(
  trees: readonly RuleNode[],
  toPredicate: (condition: RuleNode & { kind: 'condition' }) => Predicate,
): RuleGraph {
  const builder = new GraphBuilder(toPredicate);
  const roots = trees.map((tree) => builder.reference(tree));
  const offset = builder.tests.length * 2;
  const settle = (reference: number): number =>
    reference < conjunctionBase ? reference : reference - conjunctionBase + offset;
  return {
    tests: builder.tests,
    conjunctions: builder.conjunctions.map((children) => children.map(settle)),
    roots: roots.map(settle),
  };
}
