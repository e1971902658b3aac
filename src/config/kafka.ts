/** Kafka's part of the environment. */
import Type from 'typebox';

export const kafkaClients = ['kafkajs', 'platformatic'] as const;
export const kafkaClientDefault: (typeof kafkaClients)[number] = 'platformatic';
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const hostPort = '[^\\s,:/@]+:\\d{1,5}';

export const kafkaSchema = {
  KAFKA_BROKERS: Type.Optional(
    Type.String({
      pattern: `^${hostPort}(,${hostPort})*$`,
      description: 'Kafka brokers as host:port, separated by commas; some of them are enough. Unset: the embedded log.',
      examples: ['localhost:9092'],
    }),
  ),
  KAFKA_CLIENT: Type.Union(
    kafkaClients.map((client) => Type.Literal(client)),
    {
      default: kafkaClientDefault,
      description: `The library that speaks to Kafka: ${kafkaClients.join(' or ')} (@platformatic/kafka).`,
    },
  ),
  KAFKA_GROUP_INSTANCE_ID: Type.Optional(
    Type.String({
      pattern: '^[a-zA-Z0-9._-]{1,100}$',
      description:
        'This process’s own name in its consumer groups, the same after a restart and no other process’s (as of a pod of a StatefulSet): a restart within 10 s moves no partition. Unset: a new member at each start.',
      examples: ['stream-0'],
    }),
  ),
  KAFKA_SSL: Type.Union([Type.Literal('true'), Type.Literal('false')], {
    default: 'false',
    description: 'Whether Kafka is spoken to over TLS: true or false.',
  }),
  KAFKA_SSL_CA: Type.Optional(
    Type.String({
      description: 'File with the PEM certificates to trust for Kafka instead of the system’s. Needs KAFKA_SSL=true.',
      examples: ['/etc/holdfast/kafka-ca.pem'],
    }),
  ),
  KAFKA_SASL_MECHANISM: Type.Optional(
    Type.Union(
      mechanisms.map((mechanism) => Type.Literal(mechanism)),
      {
        description: `How to log in to Kafka: ${mechanisms.join(', ')}. Unset: no login.`,
        examples: ['scram-sha-512'],
      },
    ),
  ),
  KAFKA_SASL_USERNAME: Type.Optional(Type.String({ description: 'User name at Kafka.', examples: ['holdfast'] })),
  KAFKA_SASL_PASSWORD: Type.Optional(Type.String({ description: 'Password at Kafka. A secret.', examples: ['…'] })),
};

/** What the values must be, in words. */
export const kafkaExpectations: Readonly<Record<string, string>> = {
  KAFKA_BROKERS: 'host:port, several separated by commas',
  KAFKA_CLIENT: kafkaClients.join(' or '),
  KAFKA_GROUP_INSTANCE_ID: 'up to 100 letters, digits, “.”, “_” or “-”',
  KAFKA_SSL: 'true or false',
  KAFKA_SASL_MECHANISM: `one of ${mechanisms.join(', ')}`,
};

export interface KafkaSettings {
  readonly client: (typeof kafkaClients)[number];
  readonly brokers: readonly string[];
  readonly groupInstanceId: string | undefined;
  /** `caFile`: PEM certificates to trust instead of the system's. */
  readonly tls: { readonly caFile: string | undefined } | undefined;
  readonly sasl:
    | {
        readonly mechanism: (typeof mechanisms)[number];
        readonly username: string;
        readonly password: string;
      }
    | undefined;
}

interface KafkaVariables {
  readonly KAFKA_BROKERS?: string;
  readonly KAFKA_CLIENT: (typeof kafkaClients)[number];
  readonly KAFKA_GROUP_INSTANCE_ID?: string;
  readonly KAFKA_SSL: 'true' | 'false';
  readonly KAFKA_SSL_CA?: string;
  readonly KAFKA_SASL_MECHANISM?: (typeof mechanisms)[number];
  readonly KAFKA_SASL_USERNAME?: string;
  readonly KAFKA_SASL_PASSWORD?: string;
}

/** @returns undefined where no brokers are set; a sentence is added to `problems` for each setting that lacks another. */
export function kafkaSettings(values: KafkaVariables, problems: string[]): KafkaSettings | undefined {
  const { KAFKA_BROKERS: brokers, KAFKA_SASL_MECHANISM: mechanism } = values;
  const { KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = values;
  const tls = values.KAFKA_SSL === 'true' ? { caFile: values.KAFKA_SSL_CA } : undefined;
  if (tls === undefined && values.KAFKA_SSL_CA !== undefined) {
    problems.push('KAFKA_SSL_CA is set without KAFKA_SSL=true.');
  }
  if (mechanism !== undefined && (username === undefined || password === undefined)) {
    problems.push('KAFKA_SASL_MECHANISM needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.');
  }
  if (mechanism === undefined && (username !== undefined || password !== undefined)) {
    problems.push('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD need KAFKA_SASL_MECHANISM.');
  }
  const { KAFKA_CLIENT: client, KAFKA_GROUP_INSTANCE_ID: groupInstanceId } = values;
  if (groupInstanceId !== undefined && client === 'kafkajs') {
    problems.push('KAFKA_GROUP_INSTANCE_ID needs KAFKA_CLIENT=platformatic: kafkajs has no static membership.');
  }
  if (brokers === undefined) return undefined;
  const sasl =
    mechanism === undefined || username === undefined || password === undefined
      ? undefined
      : { mechanism, username, password };
  return { client, brokers: brokers.split(','), groupInstanceId, tls, sasl };
}
