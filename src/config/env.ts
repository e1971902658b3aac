/** The environment, parsed once by a schema; `.env.example` and docs/environment.md are generated from the same schema. */
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { wrongUsage } from './exit.ts';
import type { ClickHouseEnvironment } from './clickhouse.ts';
import { clickHouseExpectations, clickHouseSchema, clickHouseSettings } from './clickhouse.ts';
import type { KafkaSettings } from './kafka.ts';
import { kafkaExpectations, kafkaSchema, kafkaSettings } from './kafka.ts';
import type { RedisSettings } from './redis.ts';
import { redisExpectations, redisSchema, redisSettings } from './redis.ts';

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const backendChoices = ['auto', 'fastest', 'kernel', 'wasm', 'tfjs-node'] as const;
/** Names that belong to Holdfast: an unknown one is a mistake that must not pass silently. */
const ownPrefix = 'HOLDFAST_';
const hourMs = 3_600_000;

/** A service of the real, not embedded kind. */
const service = (what: string, twin: string, example: string) =>
  Type.Optional(
    Type.String({
      description: `${what}. Unset: ${twin}. Set: not supported by this version, and the start stops and says so.`,
      examples: [example],
    }),
  );

export const environmentSchema = Type.Object({
  HOLDFAST_HOST: Type.String({ default: '127.0.0.1', description: 'Address the HTTP API and the console listen on.' }),
  HOLDFAST_PORT: Type.Integer({
    default: 8080,
    minimum: 0,
    maximum: 65535,
    description: 'Port of the HTTP API and the console; 0 takes a free one and prints it.',
  }),
  HOLDFAST_DATA_DIR: Type.String({
    default: '.holdfast',
    description: 'Directory of all data; made when absent, resumed when present. One process at a time.',
  }),
  HOLDFAST_LOG_LEVEL: Type.Union(
    logLevels.map((level) => Type.Literal(level)),
    { default: 'info', description: `Least severe log line that is written to stderr: ${logLevels.join(', ')}.` },
  ),
  HOLDFAST_BOOTSTRAP_KEY: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,256}$',
      description:
        'First API key of a fresh data directory, instead of a made one; visible ASCII, no spaces. A secret.',
      examples: ['a-long-random-string'],
    }),
  ),
  HOLDFAST_API_KEY: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,256}$',
      description: 'API key that `holdfast replay` sends where `--key` is not given. A secret.',
      examples: ['a-long-random-string'],
    }),
  ),
  HOLDFAST_MODEL_BACKEND: Type.Union(
    backendChoices.map((choice) => Type.Literal(choice)),
    {
      default: 'auto',
      description:
        'What computes the model: auto (the compiled kernel, or where it does not cover the model TF.js on WebAssembly: decisions replay bit for bit), fastest (measured at the start among all that are installed: a replay is the same within 1e-5), or one of kernel, wasm, tfjs-node.',
    },
  ),
  HOLDFAST_TFJS_NODE_DIR: Type.Optional(
    Type.String({
      description:
        'Directory in whose node_modules @tensorflow/tfjs-node is. Unset: .services/tfjs-node beside the code.',
      examples: ['.services/tfjs-node'],
    }),
  ),
  HOLDFAST_SHARED_DATA: Type.Optional(
    Type.String({
      description:
        'Directory of the public data sets that tests and the benchmark offline-features read; nothing else does. Unset: ../shared/data.',
      examples: ['../shared/data'],
    }),
  ),
  ...kafkaSchema,
  ...redisSchema,
  ...clickHouseSchema,
  DATABASE_URL: service('PostgreSQL with the control data', 'the embedded store', 'postgres://localhost/holdfast'),
});

export type EnvironmentVariables = Static<typeof environmentSchema>;
export type LogLevel = EnvironmentVariables['HOLDFAST_LOG_LEVEL'];
export type VariableName = keyof EnvironmentVariables;

export interface Environment {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly bootstrapKey: string | undefined;
  readonly apiKey: string | undefined;
  /** Undefined: the embedded log. */
  readonly kafka: KafkaSettings | undefined;
  /** Undefined: the embedded velocity and decisions. */
  readonly redis: RedisSettings | undefined;
  /** How long the claim of a payment lives in Redis. */
  readonly claimMs: number;
  /** Undefined: the embedded engine. */
  readonly clickhouse: ClickHouseEnvironment | undefined;
  /** Share of the decisions that challengers are scored on, 0 to 1. */
  readonly shadowShare: number;
  readonly models: {
    readonly backend: (typeof backendChoices)[number];
    readonly tfjsNodeDirectory: string | undefined;
  };
  readonly retention: { readonly rawMonths: number; readonly rollUpMonths: number };
}

export type EnvironmentResult =
  | { readonly ok: true; readonly environment: Environment; readonly unsupported: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

export const variableNames = Object.keys(environmentSchema.properties) as VariableName[];
const secretNames: ReadonlySet<string> = new Set([
  'HOLDFAST_BOOTSTRAP_KEY',
  'HOLDFAST_API_KEY',
  'KAFKA_SASL_PASSWORD',
  'REDIS_URL',
  'REDIS_PASSWORD',
  'CLICKHOUSE_URL',
  'CLICKHOUSE_PASSWORD',
]);
const wholeNumberNames: ReadonlySet<VariableName> = new Set([
  'HOLDFAST_PORT',
  'HOLDFAST_RAW_MONTHS',
  'HOLDFAST_ROLLUP_MONTHS',
  'HOLDFAST_SHADOW_PERCENT',
  'REDIS_CLAIM_HOURS',
  'REDIS_COPIES_MIB',
]);
/** Real services that this version cannot use yet. */
const serviceNames = ['DATABASE_URL'] as const;

/** What the schema allows, in words, for the sentence that names a bad value. */
function expectation(name: VariableName): string {
  if (name === 'HOLDFAST_LOG_LEVEL') return `one of ${logLevels.join(', ')}`;
  if (name === 'HOLDFAST_MODEL_BACKEND') return `one of ${backendChoices.join(', ')}`;
  const expected = kafkaExpectations[name] ?? redisExpectations[name] ?? clickHouseExpectations[name];
  if (expected !== undefined) return expected;
  const schema = environmentSchema.properties[name];
  if ('minimum' in schema && 'maximum' in schema)
    return `a whole number from ${Number(schema.minimum)} to ${Number(schema.maximum)}`;
  return 'visible ASCII characters without spaces, at most 256';
}

/** An empty value counts as unset: that is how compose files and CI systems pass "nothing". */
function read(source: NodeJS.ProcessEnv, problems: string[]): EnvironmentVariables {
  const values: Record<string, unknown> = {};
  for (const name of variableNames) {
    const schema = environmentSchema.properties[name];
    const text = source[name];
    if (text === undefined || text === '') {
      if ('default' in schema) values[name] = schema.default;
      continue;
    }
    const value = wholeNumberNames.has(name) && /^\d{1,5}$/.test(text) ? Number(text) : text;
    if (Value.Check(schema, value)) values[name] = value;
    else {
      const seen =
        secretNames.has(name) || text.includes('@')
          ? 'its value (not shown: it may hold a secret)'
          : JSON.stringify(text);
      problems.push(`${name} must be ${expectation(name)}, but ${seen} is not.`);
    }
  }
  return values as EnvironmentVariables;
}

function unknownNames(source: NodeJS.ProcessEnv): string[] {
  const known: ReadonlySet<string> = new Set(variableNames);
  return Object.keys(source).filter((name) => name.startsWith(ownPrefix) && !known.has(name));
}

/**
 * @param source usually `process.env`
 * @returns the parsed environment, or a sentence a problem, each naming its variable. `unsupported` has a sentence for each real
 *   service that is configured but that this version cannot use: `up` must not start and act as if it did.
 */
export function parseEnvironment(source: NodeJS.ProcessEnv): EnvironmentResult {
  const problems = unknownNames(source).map(
    (name) => `${name} is not a setting of Holdfast; the settings are ${variableNames.join(', ')}.`,
  );
  const values = read(source, problems);
  const kafka = problems.length === 0 ? kafkaSettings(values, problems) : undefined;
  const redis = problems.length === 0 ? redisSettings(values, problems) : undefined;
  if (problems.length > 0) return { ok: false, problems };
  const unsupported = serviceNames
    .filter((name) => values[name] !== undefined)
    .map((name) => `${name} is set, but this version has only the embedded twin of that service; unset it to start.`);
  return {
    ok: true,
    unsupported,
    environment: {
      host: values.HOLDFAST_HOST,
      port: values.HOLDFAST_PORT,
      dataDir: values.HOLDFAST_DATA_DIR,
      logLevel: values.HOLDFAST_LOG_LEVEL,
      bootstrapKey: values.HOLDFAST_BOOTSTRAP_KEY,
      apiKey: values.HOLDFAST_API_KEY,
      claimMs: values.REDIS_CLAIM_HOURS * hourMs,
      kafka,
      redis,
      clickhouse: clickHouseSettings(values),
      shadowShare: values.HOLDFAST_SHADOW_PERCENT / 100,
      models: { backend: values.HOLDFAST_MODEL_BACKEND, tfjsNodeDirectory: values.HOLDFAST_TFJS_NODE_DIR },
      retention: { rawMonths: values.HOLDFAST_RAW_MONTHS, rollUpMonths: values.HOLDFAST_ROLLUP_MONTHS },
    },
  };
}

/** The environment of a command. @throws CommandError (exit code 2) with every problem named */
export function loadEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const result = parseEnvironment(source);
  if (!result.ok) throw wrongUsage(result.problems.join('\n'));
  return result.environment;
}

/** The environment of a role that runs on the embedded twins alone. @throws CommandError (exit code 2), also for a configured real service */
export function loadEmbeddedEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const result = parseEnvironment(source);
  if (!result.ok) throw wrongUsage(result.problems.join('\n'));
  if (result.unsupported.length > 0) throw wrongUsage(result.unsupported.join('\n'));
  return result.environment;
}
