/** ClickHouse's part of the environment, and how long the reports' tables keep what. */
import Type from 'typebox';

export const clickHouseSchema = {
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
  HOLDFAST_SHADOW_PERCENT: Type.Integer({
    default: 100,
    minimum: 0,
    maximum: 100,
    description: 'Share of the decisions that the challengers of their release are scored on, in per cent.',
  }),
  HOLDFAST_ROLLUP_MONTHS: Type.Integer({
    default: 60,
    minimum: 1,
    maximum: 1200,
    description: 'Months that the sums a minute made of them are kept.',
  }),
};

/** What the values must be, in words. */
export const clickHouseExpectations: Readonly<Record<string, string>> = {
  CLICKHOUSE_URL: 'an http:// or https:// address',
  CLICKHOUSE_DATABASE: 'a plain identifier',
};

export interface ClickHouseEnvironment {
  readonly url: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly caFile: string | undefined;
}

interface ClickHouseVariables {
  readonly CLICKHOUSE_URL?: string;
  readonly CLICKHOUSE_USER?: string;
  readonly CLICKHOUSE_PASSWORD?: string;
  readonly CLICKHOUSE_DATABASE?: string;
  readonly CLICKHOUSE_CA_FILE?: string;
}

/** @returns undefined where no URL is set. */
export function clickHouseSettings(values: ClickHouseVariables): ClickHouseEnvironment | undefined {
  if (values.CLICKHOUSE_URL === undefined) return undefined;
  return {
    url: values.CLICKHOUSE_URL,
    user: values.CLICKHOUSE_USER,
    password: values.CLICKHOUSE_PASSWORD,
    database: values.CLICKHOUSE_DATABASE,
    caFile: values.CLICKHOUSE_CA_FILE,
  };
}
