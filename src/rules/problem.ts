export type RuleProblemCode =
  | 'malformed'
  | 'unknown_key'
  | 'unknown_fact'
  | 'unknown_operator'
  | 'unknown_list'
  | 'unknown_placeholder'
  | 'type_mismatch'
  | 'forbidden_path'
  | 'impossible'
  | 'always_true'
  | 'too_deep'
  | 'too_large'
  | 'too_many'
  | 'duplicate_id'
  | 'out_of_range';

export interface RuleProblem {
  readonly ruleId: string;
  /** RFC 6901, inside the JSON of all rules: `/3/conditions/all/0/value`. */
  readonly pointer: string;
  readonly code: RuleProblemCode;
  /** A sentence with the rule's id and the position in it. */
  readonly message: string;
}

/** The most that is reported of one release: enough to see what is wrong, bounded whatever is sent. */
export const problemsMax = 1_000;
const quotedLengthMax = 60;

/** A piece of the user's JSON, short enough for a message. */
export function quote(value: unknown): string {
  // Undefined has no JSON.
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > quotedLengthMax ? `${text.slice(0, quotedLengthMax)}…` : text;
}

export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

export class ProblemSink {
  private readonly ruleId: string;
  private readonly base: string;
  private readonly problems: RuleProblem[];
  /** Problems of this rule, those beyond `problemsMax` too. */
  count = 0;

  constructor(ruleId: string, base: string, problems: RuleProblem[]) {
    this.ruleId = ruleId.slice(0, quotedLengthMax);
    this.base = base;
    this.problems = problems;
  }

  /** @param pointer inside the rule. @param what how the sentence goes on after the position. */
  add(pointer: string, code: RuleProblemCode, what: string): void {
    this.count++;
    if (this.problems.length >= problemsMax) return;
    const at = this.base + pointer;
    this.problems.push({ ruleId: this.ruleId, pointer: at, code, message: `${this.ruleId} at ${at || '/'}: ${what}` });
  }
}
