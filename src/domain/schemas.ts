/**
 * The documents of the contract as JSON Schema (TypeBox): what OpenAPI and the docs show. The decoder is stricter than a
 * schema can say (card numbers, repeated keys, calendar, clock); a test keeps the two from contradicting each other.
 */
import { Type } from 'typebox';
import * as bounds from './bounds.ts';
import { countryCodes } from './countries.ts';
import { currencyCodes } from './currencies.ts';
import { degradedStages } from './decision.ts';
import { labelSources, labelValues } from './label.ts';
import { channels } from './payment.ts';

const id = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: bounds.idCharactersMax,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
    description,
  });
const timestamp = (description: string) => Type.String({ format: 'date-time', description });
const sha256 = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description });
const probability = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

const attributesSchema = Type.Unsafe<Record<string, string | number | boolean>>({
  type: 'object',
  maxProperties: bounds.attributesMax,
  propertyNames: { minLength: 1, maxLength: bounds.attributeNameCharactersMax },
  additionalProperties: {
    anyOf: [{ type: 'string', maxLength: bounds.attributeTextCharactersMax }, { type: 'number' }, { type: 'boolean' }],
  },
  description: 'Anything else that rules should see, as `attributes.NAME`.',
});

export const paymentSchema = Type.Object(
  {
    paymentId: id('The idempotency key, unique per tenant.'),
    occurredAt: timestamp(
      'Event time, RFC 3339 with a zone, not finer than milliseconds; at most 5 minutes ahead of now.',
    ),
    amountMinor: Type.Integer({
      minimum: 0,
      maximum: bounds.amountMinorMax,
      description: 'In minor units of `currency`.',
    }),
    currency: Type.Enum([...currencyCodes], { description: 'ISO 4217.' }),
    customerId: id('Who pays.'),
    accountId: Type.Optional(id('The account that the payment is made from.')),
    counterpartyAccountId: Type.Optional(id('The account that the payment goes to.')),
    merchantId: Type.Optional(id('Who is paid.')),
    terminalId: Type.Optional(id('Where the card is read.')),
    cardId: Type.Optional(id('A token for the card, never its number.')),
    deviceId: Type.Optional(id('The payer’s device.')),
    ipAddress: Type.Optional(Type.String({ maxLength: 45, description: 'IPv4 or IPv6.' })),
    channel: Type.Optional(Type.Enum([...channels], { default: 'other', description: 'How it is made.' })),
    merchantCategoryCode: Type.Optional(Type.String({ pattern: '^[0-9]{4}$', description: 'ISO 18245.' })),
    country: Type.Optional(
      Type.Enum([...countryCodes], { description: 'ISO 3166-1 alpha-2: where the payment takes place.' }),
    ),
    attributes: Type.Optional(attributesSchema),
  },
  { additionalProperties: false, title: 'Payment', description: 'At most 16 KiB of UTF-8 JSON.' },
);

export const decisionSchema = Type.Object(
  {
    decisionId: Type.String({ format: 'uuid', description: 'Made from tenant and payment id: the same for ever.' }),
    paymentId: id('The payment’s own.'),
    tenantId: Type.String({ description: 'Whose payment it is: that of the API key.' }),
    action: Type.Enum(['allow', 'hold'], { description: 'What to do with the payment.' }),
    score: probability('How likely fraud is.'),
    reasons: Type.Array(
      Type.Object({
        code: Type.String({ description: 'A rule’s id, or what else weighed in.' }),
        text: Type.String({ description: 'A sentence for the analyst.' }),
        weight: Type.Number(),
      }),
      { description: 'Why.' },
    ),
    rules: Type.Array(Type.Object({ id: Type.String(), version: Type.Integer() }), {
      description: 'Those that fired.',
    }),
    model: Type.Union(
      [
        Type.Object({
          id: Type.String(),
          version: sha256('The model’s hash.'),
          probability: probability('As the model gave it.'),
        }),
        Type.Null(),
      ],
      { description: 'Null where no model scored.' },
    ),
    releaseId: sha256('Hash of rules, features, lists, policy and model together.'),
    degraded: Type.Array(Type.Enum([...degradedStages]), { description: 'Every stage that did not do its full work.' }),
    mode: Type.Literal('live', { description: 'The decision counts.' }),
    occurredAt: timestamp('The payment’s own.'),
    decidedAt: timestamp('When it was decided.'),
    latencyMicros: Type.Integer({ minimum: 0, description: 'From receipt to decision.' }),
  },
  { title: 'Decision', description: 'Recorded once for each payment; the same for ever.' },
);

export const labelSchema = Type.Object(
  {
    paymentId: id('The labelled payment.'),
    label: Type.Enum([...labelValues], { description: 'What it was.' }),
    source: Type.Enum([...labelSources], { description: 'Who says so.' }),
    labelledAt: timestamp('When that became known; RFC 3339 with a zone, not finer than milliseconds.'),
  },
  { additionalProperties: false, title: 'Label', description: 'What became of a payment.' },
);
