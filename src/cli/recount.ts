/** `holdfast recount`: brings the counters in Redis back from the decisions on Kafka. */
import { Command } from 'commander';
import { connectRedis } from '../adapters/redis/connection.ts';
import { RedisUnavailable } from '../adapters/redis/errors.ts';
import { RedisVelocityStore } from '../adapters/redis/velocity.ts';
import { failed, unreachable, wrongUsage } from '../config/exit.ts';
import { compileFeatures } from '../features/program.ts';
import { windowMsMax } from '../features/windows.ts';
import { LogUnavailable } from '../pipeline/logErrors.ts';
import { type Recount, recount, TooManyLabels } from '../pipeline/recount.ts';
import { openKafka } from './openKafka.ts';
import { releaseNamed } from './releaseNamed.ts';
import { loadRoleEnvironment } from './roles/environment.ts';
import { defaultRelease, roleLogger } from './roles/run.ts';

/** Nobody waits for the answer. */
const redisMs = 2_000;
const redisReadyMs = 5_000;
const progressMs = 1_000;
const dayMs = 86_400_000;
const daysDefault = windowMsMax / dayMs;
const daysMax = 3_660;

interface Options {
  readonly release: string;
  readonly days: string;
  readonly json: boolean;
}

const sentence = ({ payments, labels, decisions, unreadable }: Recount): string =>
  `${payments} payments and ${labels} labels of ${decisions} decisions are counted, ${unreadable} could not be read`;

/** Sentences instead of stack traces for what a user can cause. */
function sentenceOf(error: unknown): unknown {
  if (error instanceof LogUnavailable || error instanceof RedisUnavailable) {
    return unreachable(`${error.message}. Start it again when it answers: nothing is counted twice.`);
  }
  return error instanceof TooManyLabels ? failed(`The labels topic holds ${error.message}.`) : error;
}

async function run({ release, days, json }: Options): Promise<void> {
  const length = Number(days);
  if (!Number.isInteger(length) || length < 1 || length > daysMax) throw wrongUsage(`--days: 1 to ${daysMax}.`);
  const environment = loadRoleEnvironment('recount', ['kafka', 'redis']);
  const logger = roleLogger(environment);
  const program = compileFeatures((await releaseNamed(release, environment.dataDir)).features);
  await using opened = new AsyncDisposableStack();
  const log = openKafka(environment.kafka, logger);
  opened.defer(() => log.close());
  const connection = connectRedis({ ...environment.redis, commandTimeoutMs: redisMs });
  opened.defer(() => connection.close());
  if (!(await connection.whenReady(redisReadyMs))) throw unreachable('Redis does not answer.');
  const velocity = new RedisVelocityStore({ program, connection, copiesBytesMax: environment.redis.copiesBytesMax });
  opened.defer(async () => {
    await velocity.close();
  });
  let toldAtMs = performance.now();
  const done = await recount({
    log,
    velocity,
    program,
    sinceMs: Date.now() - length * dayMs,
    onProgress(so) {
      if (performance.now() - toldAtMs < progressMs) return;
      toldAtMs = performance.now();
      process.stderr.write(`${sentence(so)} …\n`);
    },
  });
  process.stdout.write(json ? `${JSON.stringify(done)}\n` : `${sentence(done)}.\n`);
}

export function recountCommand(): Command {
  return new Command('recount')
    .option('--release <id or directory>', 'the release whose features are counted', defaultRelease)
    .option('--days <n>', 'how far back payments are counted', String(daysDefault))
    .option('--json', 'print one JSON document', false)
    .action((options: Options) =>
      run(options).catch((error: unknown) => {
        throw sentenceOf(error);
      }),
    );
}
