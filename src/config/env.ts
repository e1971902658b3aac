/** The environment, parsed once by a schema; `.env.example` and docs/environment.md are generated from the same schema. */
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { wrongUsage } from './exit.ts';

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
/** Names that belong to Holdfast: an unknown one is a mistake that must not pass silently. */
const ownPrefix = 'HOLDFAST_';

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
  HOLDFAST_SHARED_DATA: Type.Optional(
    Type.String({
      description: 'Directory of the public data sets that tests read; nothing else does. Unset: ../shared/data.',
      examples: ['../shared/data'],
    }),
  ),
  KAFKA_BROKERS: service('Kafka brokers', 'the embedded log', 'localhost:9092'),
  REDIS_URL: service('Redis with the velocity state', 'the embedded store', 'redis://localhost:6379'),
  CLICKHOUSE_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^\\s]+$',
      description:
        'ClickHouse server for lists, summaries and reports, by its HTTP interface; user, password and database may be in it. Unset: the embedded engine. A secret.',
      examples: ['https://clickhouse.example:8443'],
    }),
  ),
  CLICKHOUSE_USER: Type.Optional(
    Type.String({
      description: 'User of the ClickHouse server. Unset: the one in the URL, or `default`.',
      examples: ['holdfast'],
    }),
  ),
  CLICKHOUSE_PASSWORD: Type.Optional(
    Type.String({ description: 'Password of that user. A secret.', examples: ['a-long-random-string'] }),
  ),
  CLICKHOUSE_DATABASE: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$',
      description:
        'Database of our tables there; made by `holdfast migrate`. Unset: the one in the URL, or `holdfast`.',
      examples: ['holdfast'],
    }),
  ),
  CLICKHOUSE_CA_FILE: Type.Optional(
    Type.String({
      description:
        "PEM file of the authority that signed the ClickHouse server's certificate, where the system does not know it.",
      examples: ['/etc/ssl/certs/clickhouse-ca.pem'],
    }),
  ),
  HOLDFAST_RAW_MONTHS: Type.Integer({
    default: 13,
    minimum: 1,
    maximum: 1200,
    description: 'Months that decisions, rule hits and labels are kept for reports (not in the journal).',
  }),
  HOLDFAST_ROLLUP_MONTHS: Type.Integer({
    default: 60,
    minimum: 1,
    maximum: 1200,
    description: 'Months that the sums a minute made of them are kept.',
  }),
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
  /** Undefined: the embedded engine. */
  readonly clickhouse: ClickHouseEnvironment | undefined;
  readonly retention: { readonly rawMonths: number; readonly rollUpMonths: number };
}

export interface ClickHouseEnvironment {
  readonly url: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly caFile: string | undefined;
}

export type EnvironmentResult =
  | { readonly ok: true; readonly environment: Environment; readonly unsupported: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

export const variableNames = Object.keys(environmentSchema.properties) as VariableName[];
const secretNames: ReadonlySet<string> = new Set([
  'HOLDFAST_BOOTSTRAP_KEY',
  'HOLDFAST_API_KEY',
  'CLICKHOUSE_URL',
  'CLICKHOUSE_PASSWORD',
]);
const wholeNumberNames: ReadonlySet<VariableName> = new Set([
  'HOLDFAST_PORT',
  'HOLDFAST_RAW_MONTHS',
  'HOLDFAST_ROLLUP_MONTHS',
]);
const serviceNames = ['KAFKA_BROKERS', 'REDIS_URL', 'CLICKHOUSE_URL', 'DATABASE_URL'] as const;

/** What the schema allows, in words, for the sentence that names a bad value. */
function expectation(name: VariableName): string {
  if (name === 'HOLDFAST_LOG_LEVEL') return `one of ${logLevels.join(', ')}`;
  if (name === 'CLICKHOUSE_URL') return 'an http:// or https:// address';
  if (name === 'CLICKHOUSE_DATABASE') return 'a plain identifier';
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
      const seen = secretNames.has(name) ? 'its value (not shown: a secret)' : JSON.stringify(text);
      problems.push(`${name} must be ${expectation(name)}, but ${seen} is not.`);
    }
  }
  return values as EnvironmentVariables;
}

function unknownNames(source: NodeJS.ProcessEnv): string[] {
  const known: ReadonlySet<string> = new Set(variableNames);
  return Object.keys(source).filter((name) => name.startsWith(ownPrefix) && !known.has(name));
}

function clickHouseOf(values: EnvironmentVariables): ClickHouseEnvironment | undefined {
  if (values.CLICKHOUSE_URL === undefined) return undefined;
  return {
    url: values.CLICKHOUSE_URL,
    user: values.CLICKHOUSE_USER,
    password: values.CLICKHOUSE_PASSWORD,
    database: values.CLICKHOUSE_DATABASE,
    caFile: values.CLICKHOUSE_CA_FILE,
  };
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
      clickhouse: clickHouseOf(values),
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
