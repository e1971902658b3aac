import { attributePrefix, isStringFact, listColumnPrefix } from './facts.ts';
import type { Domain } from './domains.ts';
import { canBe, numberDomain, reaches, stringDomain } from './domains.ts';
import type { ColumnTest } from './predicate.ts';
import { nextUp } from './predicate.ts';

/**
 * All values of one subject, cut into the finitely many cells that a rule's tests can tell apart; a set of cells is a
 * bit mask. Cell 0 is "missing". A subject is a column, or a pair of columns that are compared.
 */
export interface CellSpace {
  readonly subject: string;
  /** Cells that a real payment can be in. */
  readonly possible: bigint;
  /** `possible` without "missing". */
  readonly present: bigint;
  /** The cells in which the test holds. */
  maskOf(test: ColumnTest): bigint;
}

const missingCell = 1n;

/** What a test speaks of. One attribute as number and as literal is two subjects: coercion makes them overlap. */
export function subjectOf(test: ColumnTest): string {
  switch (test.kind) {
    case 'never':
      return 'never';
    case 'compare':
      return `${test.left} and ${test.right}`;
    case 'codeIn':
      return test.column.startsWith(attributePrefix) ? `${test.column} as it is` : test.column;
    case 'atLeast':
    case 'below':
    case 'numberIn':
      return test.column;
  }
}

function columnDomain(column: string): Domain & { kind: 'number' } {
  if (column.startsWith(listColumnPrefix)) return { kind: 'number', min: 0, max: 1, integer: true, optional: false };
  return numberDomain(column);
}

function numberSpace(subject: string, column: string, tests: readonly ColumnTest[]): CellSpace {
  const cuts = new Set<number>();
  for (const test of tests) {
    if (test.kind === 'atLeast' || test.kind === 'below') cuts.add(test.threshold);
    if (test.kind === 'numberIn') for (const value of test.values) cuts.add(value).add(nextUp(value));
  }
  const edges = [Number.NEGATIVE_INFINITY, ...[...cuts].sort((a, b) => a - b)];
  const domain = columnDomain(column);
  const maskWhere = (holds: (from: number, below: number) => boolean): bigint =>
    edges.reduce((mask, from, i) => {
      const below = edges[i + 1] ?? Number.POSITIVE_INFINITY;
      return holds(from, below) ? mask | (1n << BigInt(i + 1)) : mask;
    }, 0n);
  const present = maskWhere((from, below) => reaches(domain, from, below));
  return {
    subject,
    present,
    possible: domain.optional ? present | missingCell : present,
    maskOf(test) {
      if (test.kind === 'atLeast') return maskWhere((from) => from >= test.threshold);
      if (test.kind === 'below') return maskWhere((from) => from < test.threshold);
      if (test.kind === 'numberIn') return maskWhere((from) => test.values.includes(from));
      return 0n;
    },
  };
}

/** Cells: missing, any other value, then the literals. */
function literalSpace(subject: string, column: string, tests: readonly ColumnTest[]): CellSpace {
  const keys = new Map<string, bigint>();
  let present = 0n;
  const domain = isStringFact(column) ? stringDomain(column) : undefined;
  let knownLeft = domain?.known?.size ?? Number.POSITIVE_INFINITY;
  for (const test of tests) {
    for (const literal of test.kind === 'codeIn' ? test.literals : []) {
      const key = JSON.stringify(literal);
      if (keys.has(key)) continue;
      const bit = 1n << BigInt(keys.size + 2);
      keys.set(key, bit);
      const can = domain === undefined || (typeof literal === 'string' && canBe(domain, literal));
      if (can) {
        present |= bit;
        knownLeft--;
      }
    }
  }
  if (knownLeft > 0) present |= 2n;
  return {
    subject,
    present,
    possible: domain?.optional === false ? present : present | missingCell,
    maskOf(test) {
      const literals = test.kind === 'codeIn' ? test.literals : [];
      return literals.reduce((mask: bigint, literal) => mask | (keys.get(JSON.stringify(literal)) ?? 0n), 0n);
    },
  };
}

/** Cells: one missing, both missing, less, equal, greater. A fact compared with itself is never less or greater. */
function pairSpace(subject: string, left: string, right: string): CellSpace {
  const [both, less, same, greater] = [2n, 4n, 8n, 16n];
  const present = left === right ? same : less | same | greater;
  const masks = {
    equal: same | both,
    lessThan: less,
    lessThanInclusive: less | same,
    greaterThan: greater,
    greaterThanInclusive: greater | same,
  };
  return {
    subject,
    present,
    possible: present | both | (left === right ? 0n : missingCell),
    maskOf: (test) => (test.kind === 'compare' ? masks[test.operator] : 0n),
  };
}

/** @param tests all tests of the rule about this subject; at least one. */
export function cellSpace(subject: string, tests: readonly ColumnTest[]): CellSpace {
  const first = tests[0];
  if (first === undefined || first.kind === 'never') {
    return { subject, present: missingCell, possible: missingCell, maskOf: () => 0n };
  }
  if (first.kind === 'compare') return pairSpace(subject, first.left, first.right);
  if (first.kind === 'codeIn') return literalSpace(subject, first.column, tests);
  return numberSpace(subject, first.column, tests);
}
