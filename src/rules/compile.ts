import type { Frame, FrameLayout } from '../features/frame.ts';
import { bindTests } from './columns.ts';
import { explainNode } from './explain.ts';
import { paymentFact } from './facts.ts';
import { buildGraph } from './graph.ts';
import { bindGraph } from './program.ts';
import type { ParsedRule } from './parse.ts';
import { parseRules } from './parse.ts';
import { toPredicate } from './predicate.ts';
import { blockRows } from './testMasks.ts';
import type { TextTemplate } from './text.ts';
import { fillTemplate, parseText } from './text.ts';
import type { CompiledRules, RuleHits, RuleMeta } from './types.ts';

function metaOf({ id, version, text, weight, outcome }: ParsedRule): RuleMeta {
  return { id, version, text, weight, outcome };
}

function templateOf({ id, text }: ParsedRule): TextTemplate {
  const template = parseText(text);
  if ('problem' in template) throw new Error(`the text of rule ${id} has ${template.problem}`);
  return template;
}

/**
 * Compiles linted rules to predicates over frames of this layout (facts.ts says what its columns hold). The result
 * keeps scratch memory: use one per thread. No code is generated.
 * @throws when a rule has not passed `lintRules`, or when the layout lacks what `collectColumnNeeds` asked for.
 */
export function compileRules(definitions: readonly unknown[], layout: FrameLayout): CompiledRules {
  const parsed = parseRules(definitions);
  const columnOf = new Map(layout.numeric.map((name, column) => [name, column]));
  const isFeature = (name: string): boolean => columnOf.has(name);
  const templates = parsed.map(templateOf);
  const graph = buildGraph(
    parsed.map((rule) => rule.conditions),
    (condition) => toPredicate(condition, isFeature),
  );
  const { evaluators, slots, slotCount } = bindTests(graph.tests, layout);
  const program = bindGraph(graph, slots, slotCount);
  const masks = new Int32Array(program.maskCount);

  return {
    rules: parsed.map(metaOf),
    predicateCount: graph.tests.length,
    evaluate(frame: Frame, hits: RuleHits): void {
      if (frame.rows > hits.wordsPerRule * blockRows) throw new Error('rule hits are smaller than the frame');
      for (let from = 0; from < frame.rows; from += blockRows) {
        const to = Math.min(frame.rows, from + blockRows);
        for (const evaluate of evaluators) evaluate(frame, from, to, masks);
        program.combine(masks);
        program.writeHits(masks, to - from, hits, from / blockRows);
      }
    },
    textOf(rule, frame, row, payment) {
      const template = templates[rule];
      if (template === undefined) throw new Error(`no rule ${rule}`);
      return fillTemplate(template, (fact) => {
        const own = paymentFact(payment, fact);
        if (own !== undefined) return own;
        return frame.numbers[columnOf.get(fact) ?? -1]?.[row];
      });
    },
    explain(rule, frame, row, payment) {
      const tree = parsed[rule]?.conditions;
      if (tree === undefined) throw new Error(`no rule ${rule}`);
      return explainNode(tree, { frame, row, isFeature, payment });
    },
  };
}
