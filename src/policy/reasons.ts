import type { Reason } from '../domain/decision.ts';
import type { TextTemplate } from '../rules/text.ts';
import { fillTemplate, parseText } from '../rules/text.ts';
import type { PolicyDefinition } from './schema.ts';
import { roundScore } from './score.ts';
import type { PolicyInput } from './types.ts';

function template(text: string): TextTemplate {
  const parsed = parseText(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed;
}

/** @returns the model's reason; asks for the inputs that moved it. */
export function bindModelReason({ modelReason, score }: PolicyDefinition): (input: PolicyInput) => Reason {
  const text = template(modelReason.text);
  const inputsText = template(modelReason.inputsText);
  return function modelReasonOf({ probability, contributions }) {
    const moved = modelReason.inputs === 0 ? [] : contributions(modelReason.inputs);
    const inputs = moved
      .filter((each) => each.contribution > 0)
      .map((each) => each.fact)
      .join(', ');
    const added = inputs === '' ? '' : fillTemplate(inputsText, () => inputs);
    return {
      code: modelReason.code,
      text: fillTemplate(text, () => roundScore(probability)) + added,
      weight: roundScore(score.modelWeight * probability),
    };
  };
}

/** @returns the reason of a hold that only the missing stages caused. */
export function bindDegradedReason({ degraded }: PolicyDefinition): (input: PolicyInput, limitMinor: number) => Reason {
  const text = template(degraded.text);
  return function degradedReasonOf(input, limitMinor) {
    const values: Readonly<Record<string, string | number>> = {
      stages: input.degraded.join(', '),
      amountMinor: input.payment.amountMinor,
      limitMinor,
      currency: input.payment.currency,
    };
    return { code: degraded.code, text: fillTemplate(text, (name) => values[name]), weight: 0 };
  };
}
