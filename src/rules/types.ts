import type { Payment } from '../domain/payment.ts';
import type { Frame, Literal } from '../features/frame.ts';

/** Which columns the rules of a release read; the release's frame layout is made from it. */
export interface ColumnNeeds {
  /** Numeric facts: features, payment numbers, `attributes.NAME`, `model.probability`, `inList:FIELD:LIST` (1 or 0). */
  readonly numeric: readonly string[];
  /** Categorical facts with every literal the rules compare them to. */
  readonly categorical: ReadonlyMap<string, readonly Literal[]>;
}

export interface RuleMeta {
  readonly id: string;
  readonly version: number;
  /** The sentence for the analyst; `{fact}` placeholders are filled with the values seen. */
  readonly text: string;
  readonly weight: number;
  readonly outcome: 'score' | 'hold' | 'allow';
}

/** Rule-major bitsets: bit `row & 31` of `words[rule * wordsPerRule + (row >> 5)]` says that the rule fired on the row. */
export interface RuleHits {
  readonly wordsPerRule: number;
  readonly words: Uint32Array;
}

export interface CompiledRules {
  /** Sorted by priority (high first), then id: the order in which hits are listed. */
  readonly rules: readonly RuleMeta[];
  readonly predicateCount: number;
  /**
   * Evaluates rows 0 … frame.rows − 1. Overwrites the words of `hits` (sized by `createRuleHits`) that cover those rows,
   * and leaves the words beyond them as they were.
   */
  evaluate(frame: Frame, hits: RuleHits): void;
  /** The rule's text with its placeholders filled with the values seen on the row. */
  textOf(rule: number, frame: Frame, row: number, payment: Payment): string;
  /**
   * The evaluation tree of one rule on one row, with the values seen. A frame knows only those strings that the release
   * compares with; the payment, when given, tells the others.
   */
  explain(rule: number, frame: Frame, row: number, payment?: Payment): ExplainedNode;
}

export type ExplainedNode =
  | { readonly kind: 'all' | 'any' | 'not'; readonly result: boolean; readonly children: readonly ExplainedNode[] }
  | {
      readonly kind: 'condition';
      readonly result: boolean;
      readonly fact: string;
      readonly operator: string;
      readonly expected: unknown;
      readonly seen: number | string | boolean | null;
    };
