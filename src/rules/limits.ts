/** Bounds of the rules language. A release that passes them cannot make the engine slow or large. */
export const rulesMax = 2_000;
export const ruleDepthMax = 8;
export const conditionsPerRuleMax = 64;
export const conditionsPerReleaseMax = 20_000;
export const valuesPerConditionMax = 500;
export const literalLengthMax = 256;
export const factNameLengthMax = 200;
export const ruleTextLengthMax = 500;
export const rulePriorityMax = 1_000;
export const ruleVersionMax = 1_000_000;
/** An id is what analysts say aloud and reasons carry: a letter, then letters, digits, dashes. */
export const ruleIdPattern = '^[A-Z][A-Za-z0-9-]{0,31}$';
export const listsMax = 100;
export const listValuesMax = 100_000;
