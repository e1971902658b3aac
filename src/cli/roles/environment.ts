/** What a role needs to be configured; a role shares nothing with the others but the engines. */
import { join } from 'node:path';
import type { Environment } from '../../config/env.ts';
import { loadEnvironment } from '../../config/env.ts';
import { wrongUsage } from '../../config/exit.ts';

export type Role = 'serve' | 'stream' | 'sink' | 'recount';

type Engines = 'kafka' | 'redis' | 'clickhouse';
const variables: Readonly<Record<Engines, string>> = {
  kafka: 'KAFKA_BROKERS',
  redis: 'REDIS_URL',
  clickhouse: 'CLICKHOUSE_URL',
};

export type RoleEnvironment<E extends Engines> = Environment & {
  readonly [engine in E]: NonNullable<Environment[engine]>;
};

/**
 * The environment of a role; its data directory is a folder of its own in HOLDFAST_DATA_DIR.
 * @throws CommandError (exit code 2) that names each engine which is not configured
 */
export function loadRoleEnvironment<E extends Engines>(role: Role, needed: readonly E[]): RoleEnvironment<E> {
  const environment = loadEnvironment();
  const absent = needed.filter((engine) => environment[engine] === undefined).map((engine) => variables[engine]);
  if (absent.length > 0) {
    throw wrongUsage(
      `\`holdfast ${role}\` works on real engines: set ${absent.join(' and ')}, or run everything embedded with \`holdfast up\`.`,
    );
  }
  return { ...environment, dataDir: join(environment.dataDir, role) } as RoleEnvironment<E>;
}
