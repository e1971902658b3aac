/**
 * Whether a document of the decisions topic has everything that readers of decisions rely on. Lenient beyond that: a newer
 * version may say more, name stages that this one does not know, or leave out what is only shown.
 */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { amountMinorMax } from '../domain/bounds.ts';
import { featuresMax } from '../features/definitions.ts';

const time = Type.String({ minLength: 20, maxLength: 40 });
const cell = Type.Object({
  value: Type.Union([Type.Number(), Type.Null()]),
  bound: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
});

const whole = Compile(
  Type.Object({
    decisionId: Type.String(),
    paymentId: Type.String({ minLength: 1 }),
    tenantId: Type.String({ minLength: 1 }),
    action: Type.Enum(['allow', 'hold']),
    score: Type.Number(),
    reasons: Type.Array(Type.Unknown()),
    rules: Type.Array(Type.Object({ id: Type.String(), version: Type.Integer({ minimum: 0 }) })),
    model: Type.Union([
      Type.Object({ id: Type.String(), version: Type.String(), probability: Type.Number() }),
      Type.Null(),
    ]),
    releaseId: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    degraded: Type.Array(Type.String()),
    occurredAt: time,
    decidedAt: time,
    latencyMicros: Type.Integer({ minimum: 0 }),
    payment: Type.Object({ amountMinor: Type.Integer({ minimum: 0, maximum: amountMinorMax }) }),
    features: Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9+.]{0,255}$' }), cell, {
      maxProperties: featuresMax,
      additionalProperties: false,
    }),
  }),
);

const isTime = (text: string): boolean => Number.isFinite(Date.parse(text));

export function isDecisionDocument(document: unknown): boolean {
  return whole.Check(document) && isTime(document.occurredAt) && isTime(document.decidedAt);
}
