/** Redis's part of the environment. */
import Type from 'typebox';

const url = 'rediss?://[^\\s,]+';
/** At the end of the URL alone: its nodes are those of a Redis Cluster. */
const clusterPattern = /[?&]cluster=1$/;

export const redisSchema = {
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: `^${url}(,${url})*$`,
      description:
        'Redis with the velocity state and the claims, `rediss://` over TLS. Several, separated by commas, or one that ends in `?cluster=1`, are nodes of a Redis Cluster. Unset: the embedded store. May hold a secret.',
      examples: ['redis://localhost:6379'],
    }),
  ),
  REDIS_USERNAME: Type.Optional(
    Type.String({ description: 'User name at Redis, where it is not in the URL.', examples: ['holdfast'] }),
  ),
  REDIS_PASSWORD: Type.Optional(
    Type.String({ description: 'Password at Redis, where it is not in the URL. A secret.', examples: ['…'] }),
  ),
  REDIS_TLS_CA: Type.Optional(
    Type.String({
      description: 'File with the PEM certificates to trust for Redis instead of the system’s. Needs rediss:// URLs.',
      examples: ['/etc/holdfast/redis-ca.pem'],
    }),
  ),
  REDIS_CLAIM_HOURS: Type.Integer({
    default: 168,
    minimum: 1,
    maximum: 8760,
    description:
      'How long Redis keeps the decision that stands for a payment id, in hours: longer than a payment may take to be delivered again. About 2 kB each.',
  }),
  REDIS_COPIES_MIB: Type.Integer({
    default: 128,
    minimum: 1,
    maximum: 16_384,
    description:
      'Memory of a process for copies of the entities it used last, in MiB: of what is not among them Redis sends all it has.',
  }),
};

/** What the values must be, in words. */
export const redisExpectations: Readonly<Record<string, string>> = {
  REDIS_URL: 'redis:// or rediss:// URLs, several separated by commas',
};

export interface RedisConnectionSettings {
  readonly urls: readonly string[];
  /** The URLs are nodes of a Redis Cluster. */
  readonly cluster: boolean;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM certificates to trust instead of the system's. */
  readonly tlsCaFile?: string | undefined;
}

export interface RedisSettings extends RedisConnectionSettings {
  readonly copiesBytesMax: number;
}

const mebibyte = 2 ** 20;

interface RedisVariables {
  readonly REDIS_URL?: string;
  readonly REDIS_USERNAME?: string;
  readonly REDIS_PASSWORD?: string;
  readonly REDIS_TLS_CA?: string;
  readonly REDIS_COPIES_MIB: number;
}

/** @returns undefined where no URL is set; a sentence is added to `problems` for each setting that lacks another. */
export function redisSettings(values: RedisVariables, problems: string[]): RedisSettings | undefined {
  const { REDIS_URL: text, REDIS_USERNAME: username, REDIS_PASSWORD: password, REDIS_TLS_CA: tlsCaFile } = values;
  if (text === undefined) {
    if (username !== undefined || password !== undefined || tlsCaFile !== undefined) {
      problems.push('REDIS_USERNAME, REDIS_PASSWORD and REDIS_TLS_CA need REDIS_URL.');
    }
    return undefined;
  }
  const given = text.split(',');
  const urls = given.map((each) => each.replace(clusterPattern, ''));
  const encrypted = urls.filter((each) => each.startsWith('rediss:')).length;
  if (encrypted !== 0 && encrypted !== urls.length) problems.push('REDIS_URL must be rediss:// for all nodes or none.');
  if (tlsCaFile !== undefined && encrypted === 0) problems.push('REDIS_TLS_CA is set without rediss:// in REDIS_URL.');
  if (username !== undefined && password === undefined) problems.push('REDIS_USERNAME needs REDIS_PASSWORD.');
  const cluster = urls.length > 1 || given.some((each) => clusterPattern.test(each));
  const copiesBytesMax = values.REDIS_COPIES_MIB * mebibyte;
  return { urls, cluster, username, password, tlsCaFile, copiesBytesMax };
}
