import Type from 'typebox';
import {
  conditionsPerRuleMax,
  factNameLengthMax,
  literalLengthMax,
  ruleIdPattern,
  rulePriorityMax,
  rulesMax,
  ruleTextLengthMax,
  ruleVersionMax,
  valuesPerConditionMax,
} from './limits.ts';
import { operators } from './parse.ts';

/**
 * The shape of rules.json as JSON Schema: for editors, documentation and the API. `lintRules` asks for all of this and
 * for what a schema cannot say (facts, types, contradictions), in better words; a test keeps the two in step.
 */
const closed = { additionalProperties: false } as const;
const Priority = Type.Optional(Type.Integer({ minimum: 1, maximum: rulePriorityMax }));
const Name = Type.Optional(Type.Unknown());
const Fact = Type.String({ minLength: 1, maxLength: factNameLengthMax });
const Path = Type.Optional(Type.String({ minLength: 1, maxLength: factNameLengthMax, pattern: '^[^$]' }));
const Params = Type.Optional(Type.Object({ name: Type.String({ minLength: 1 }) }, closed));
const Literal = Type.Union([Type.String({ maxLength: literalLengthMax }), Type.Number(), Type.Boolean()]);

const Condition = Type.Object(
  {
    fact: Fact,
    operator: Type.Enum([...operators]),
    value: Type.Union([
      Literal,
      Type.Array(Literal, { minItems: 1, maxItems: valuesPerConditionMax }),
      Type.Object({ fact: Fact, path: Path, params: Params }, closed),
    ]),
    path: Path,
    params: Params,
    priority: Priority,
    name: Name,
  },
  closed,
);
const Nodes = Type.Array(Type.Ref('Node'), { minItems: 1, maxItems: conditionsPerRuleMax });
const All = Type.Object({ all: Nodes, priority: Priority, name: Name }, closed);
const Any = Type.Object({ any: Nodes, priority: Priority, name: Name }, closed);
const Not = Type.Object({ not: Type.Ref('Node'), priority: Priority, name: Name }, closed);
const Group = Type.Union([All, Any, Not]);

const RuleEvent = Type.Object(
  {
    type: Type.String({ pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$' }),
    params: Type.Object(
      {
        version: Type.Integer({ minimum: 1, maximum: ruleVersionMax }),
        text: Type.String({ minLength: 1, maxLength: ruleTextLengthMax }),
        weight: Type.Number({ minimum: 0, maximum: 1 }),
        outcome: Type.Optional(Type.Enum(['score', 'hold', 'allow'])),
      },
      closed,
    ),
  },
  closed,
);

export const RuleDefinitions = Type.Cyclic(
  {
    Node: Type.Union([Condition, All, Any, Not]),
    Rules: Type.Array(
      Type.Object(
        { name: Type.String({ pattern: ruleIdPattern }), priority: Priority, conditions: Group, event: RuleEvent },
        closed,
      ),
      { maxItems: rulesMax },
    ),
  },
  'Rules',
);
