import type { RuleGraph } from './graph.ts';
import type { RuleHits } from './types.ts';

/** The graph over mask slots: what is done for each block of rows once the column tests are written. */
export interface GraphProgram {
  readonly maskCount: number;
  /** Writes the masks of all conjunctions from those of the tests. */
  combine(masks: Int32Array): void;
  /** Writes word `word` of every rule's hits for a block of `rows` rows. */
  writeHits(masks: Int32Array, rows: number, hits: RuleHits, word: number): void;
}

/** Conjunctions `from` … `to − 1` of the program's order, all with `arity` children, which lie from `children` on. */
interface Run {
  readonly arity: number;
  readonly from: number;
  readonly to: number;
  readonly children: number;
}

/** 1 for a conjunction of tests alone, otherwise one more than its highest child's. */
function levelsOf(graph: RuleGraph): Int32Array {
  const tests = graph.tests.length;
  const levels = new Int32Array(graph.conjunctions.length);
  graph.conjunctions.forEach((children, c) => {
    const below = children.map((child) => (child >> 1 < tests ? 0 : (levels[(child >> 1) - tests] as number)));
    levels[c] = 1 + Math.max(0, ...below);
  });
  return levels;
}

/** Children before parents, equal numbers of children side by side: each such run is one tight loop. */
function orderOf(graph: RuleGraph): readonly number[] {
  const levels = levelsOf(graph);
  const arity = (c: number): number => graph.conjunctions[c]?.length ?? 0;
  const level = (c: number): number => levels[c] as number;
  return graph.conjunctions.map((_, c) => c).sort((a, b) => level(a) - level(b) || arity(a) - arity(b) || a - b);
}

function runsOf(arities: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  let children = 0;
  for (let from = 0; from < arities.length; ) {
    const arity = arities[from] as number;
    let to = from;
    while (arities[to] === arity) to++;
    runs.push({ arity, from, to, children });
    children += arity * (to - from);
    from = to;
  }
  return runs;
}

/** The lowest bit of a reference asks for the complement of its mask. */
function maskOf(masks: Int32Array, reference: number): number {
  return (masks[reference >> 1] as number) ^ -(reference & 1);
}

function combineTwo({ from, to, children }: Run, all: Int32Array, masks: Int32Array, base: number): void {
  for (let c = from, at = children; c < to; c++, at += 2) {
    masks[base + c] = maskOf(masks, all[at] as number) & maskOf(masks, all[at + 1] as number);
  }
}

function combineThree({ from, to, children }: Run, all: Int32Array, masks: Int32Array, base: number): void {
  for (let c = from, at = children; c < to; c++, at += 3) {
    masks[base + c] =
      maskOf(masks, all[at] as number) & maskOf(masks, all[at + 1] as number) & maskOf(masks, all[at + 2] as number);
  }
}

function combineMany({ from, to, arity, children }: Run, all: Int32Array, masks: Int32Array, base: number): void {
  for (let c = from, at = children; c < to; c++) {
    let bits = -1;
    for (const end = at + arity; at < end; at++) bits &= maskOf(masks, all[at] as number);
    masks[base + c] = bits;
  }
}

function combineOf(arity: number): typeof combineMany {
  return arity === 2 ? combineTwo : arity === 3 ? combineThree : combineMany;
}

/** @param slots mask slot of each test; the conjunctions' masks come after the `slotCount` slots of the tests. */
export function bindGraph(graph: RuleGraph, slots: Int32Array, slotCount: number): GraphProgram {
  const order = orderOf(graph);
  const placeOf = new Int32Array(order.length);
  order.forEach((c, place) => {
    placeOf[c] = place;
  });
  const testCount = graph.tests.length;
  const toMask = (reference: number): number => {
    const node = reference >> 1;
    const mask = node < testCount ? (slots[node] as number) : slotCount + (placeOf[node - testCount] as number);
    return mask * 2 + (reference & 1);
  };
  const ordered = order.map((c) => (graph.conjunctions[c] ?? []).map(toMask));
  const children = Int32Array.from(ordered.flat());
  const runs = runsOf(ordered.map((of) => of.length));
  const roots = Int32Array.from(graph.roots, toMask);

  return {
    maskCount: slotCount + order.length,
    combine(masks) {
      for (const run of runs) combineOf(run.arity)(run, children, masks, slotCount);
    },
    writeHits(masks, rows, hits, word) {
      // Complements also set bits beyond the last row: they are cut off here.
      const inside = rows === 32 ? -1 : (1 << rows) - 1;
      const { words, wordsPerRule } = hits;
      for (let rule = 0, to = word; rule < roots.length; rule++, to += wordsPerRule) {
        words[to] = maskOf(masks, roots[rule] as number) & inside;
      }
    },
  };
}
