import type { Action, Reason } from '../domain/decision.ts';
import { bindDegraded, bindThresholds } from './limits.ts';
import type { ListMembers } from './lint.ts';
import { isPolicyDefinition, lintPolicy } from './lint.ts';
import type { ListMatch } from './listMatch.ts';
import { bindLists } from './listMatch.ts';
import { bindDegradedReason, bindModelReason } from './reasons.ts';
import type { Force, PolicyDefinition } from './schema.ts';
import { combineScore } from './score.ts';
import type { CompiledPolicy, PolicyInput, PolicyOutcome } from './types.ts';

function isPresent(force: Force, matches: readonly ListMatch[], { hits }: PolicyInput): boolean {
  switch (force) {
    case 'holdList':
      return matches.some((match) => match.outcome === 'hold');
    case 'allowList':
      return matches.some((match) => match.outcome === 'allow');
    case 'holdRule':
      return hits.some((hit) => hit.outcome === 'hold');
    case 'allowRule':
      return hits.some((hit) => hit.outcome === 'allow');
  }
}

function forcedAction(
  precedence: readonly Force[],
  matches: readonly ListMatch[],
  input: PolicyInput,
): Action | undefined {
  if (matches.length === 0 && input.hits.length === 0) return undefined;
  const first = precedence.find((force) => isPresent(force, matches, input));
  if (first === undefined) return undefined;
  return first === 'holdList' || first === 'holdRule' ? 'hold' : 'allow';
}

function evidence(matches: readonly ListMatch[], { hits, hitTexts }: PolicyInput): Reason[] {
  const reasons: Reason[] = [];
  for (const { code, text, weight } of matches) reasons.push({ code, text, weight });
  for (let i = 0; i < hits.length; i++) {
    const hit = hits[i];
    if (hit !== undefined) reasons.push({ code: hit.id, text: hitTexts[i] ?? hit.text, weight: hit.weight });
  }
  return reasons;
}

function bindPolicy(definition: PolicyDefinition, lists: ListMembers): CompiledPolicy {
  const matchLists = bindLists(definition, lists);
  const reachesThreshold = bindThresholds(definition);
  const degradedLimit = bindDegraded(definition);
  const modelReasonOf = bindModelReason(definition);
  const degradedReasonOf = bindDegradedReason(definition);
  const { precedence } = definition;
  const { modelWeight } = definition.score;
  const { fromProbability } = definition.modelReason;

  function decide(input: PolicyInput): PolicyOutcome {
    const { probability, payment, hits } = input;
    const matches = matchLists(payment);
    const score = combineScore(probability, modelWeight, matches, hits);
    const overThreshold = reachesThreshold(input, score);
    const limitMinor = input.degraded.length === 0 ? Number.POSITIVE_INFINITY : degradedLimit(input);
    const overLimit = !overThreshold && payment.amountMinor >= limitMinor;
    const forced = forcedAction(precedence, matches, input);
    const reasons = evidence(matches, input);
    // Below `fromProbability` the model is named only where nothing else explains the hold.
    const modelAlone = overThreshold && reasons.length === 0 && probability > 0;
    if (probability >= fromProbability || modelAlone) reasons.push(modelReasonOf(input));
    if (forced === undefined && overLimit) reasons.push(degradedReasonOf(input, limitMinor));
    return { action: forced ?? (overThreshold || overLimit ? 'hold' : 'allow'), score, reasons };
  }
  return { decide };
}

/**
 * Compiles a policy that `lintPolicy` passes. `decide` is pure. The order of judgement:
 * 1. what forces a decision, the first present in `precedence`;
 * 2. the score's and the probability's thresholds of the payment's amount band;
 * 3. a degraded stage's amount limit, which can only add a hold.
 * Reasons, in order: lists, rules in the order given, the model, the degraded hold.
 * @throws when the policy does not pass `lintPolicy`.
 */
export function compilePolicy(definition: unknown, lists: ListMembers): CompiledPolicy {
  const problem = lintPolicy(definition, lists)[0];
  if (problem !== undefined || !isPolicyDefinition(definition)) {
    throw new Error(`policy${problem?.pointer ?? ''}: ${problem?.message ?? 'malformed'}`);
  }
  return bindPolicy(definition, lists);
}
