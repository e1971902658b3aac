/** `npm run bench -- NAME`: prints one JSON line a metric on stdout. Each benchmark is a module that is loaded when it is named. */
import { CommandError, exitCodes } from '../src/config/exit.ts';

interface Benchmark {
  readonly about: string;
  readonly load: () => Promise<{ run(): Promise<void> }>;
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  engine: {
    about: 'one thread, payment bytes to decision bytes, beside JSON.parse',
    load: () => import('./engine.ts'),
  },
  'engine-naive': {
    about: 'the same with Map, json-rules-engine and tfjs one by one',
    load: () => import('./engine-naive.ts'),
  },
  rules: { about: 'a whole event with 1,000 rules beside 10', load: () => import('./rules.ts') },
  windows: {
    about: 'long beside short windows, dense beside sparse, many entities beside few',
    load: () => import('./windows.ts'),
  },
  memory: { about: 'resident bytes an entity', load: () => import('./memory.ts') },
  inline: {
    about: 'HTTP latency by open loop, beside a Fastify server that parses and stores as durably',
    load: () => import('./inline.ts'),
  },
  'redis-velocity': {
    about: 'append and read velocity in Redis, beside sorted sets',
    load: () => import('./redisVelocity.ts'),
  },
  stream: { about: 'embedded log to durable decisions, 500,000 payments', load: () => import('./stream.ts') },
  'stream-kafka': {
    about: 'Kafka → Redis → Kafka by the role `stream`, beside a raw copy and the textbook pipeline',
    load: () => import('./streamKafka.ts'),
  },
  'kafka-clients': {
    about: 'the clients that speak to Kafka side by side: copies through the event log, and the role `stream`',
    load: () => import('./kafkaClients.ts'),
  },
  scale: { about: 'two processes of `stream` beside one, and CPU a payment', load: () => import('./scale.ts') },
  'inline-real': {
    about: 'HTTP latency by open loop over a real Kafka and Redis, by stage',
    load: () => import('./inlineReal.ts'),
  },
  soak: {
    about: 'ten minutes of `stream` at 70 % of its maximum: memory, backlog, latency',
    load: () => import('./soak.ts'),
  },
  startup: { about: 'second start to first decision', load: () => import('./startup.ts') },
  'offline-features': {
    about: 'features of the handbook’s payments, from the packed file, in one thread',
    load: () => import('./offlineFeatures.ts'),
  },
  model: { about: 'the forward kernel beside tfjs', load: () => import('./model.ts') },
  train: {
    about: 'features and fit of a training week, beside scikit-learn’s logistic regression',
    load: () => import('./train.ts'),
  },
};

async function main(name: string | undefined): Promise<number> {
  if (name === 'list') {
    for (const [listed, { about }] of Object.entries(benchmarks))
      process.stdout.write(`${listed.padEnd(18)}${about}\n`);
    return exitCodes.done;
  }
  const benchmark = name === undefined ? undefined : benchmarks[name];
  if (benchmark === undefined) {
    process.stderr.write(
      `${name === undefined ? 'Name a benchmark' : `No benchmark is called ${name}`}; \`npm run bench -- list\` lists them.\n`,
    );
    return exitCodes.usage;
  }
  try {
    await (await benchmark.load()).run();
    return exitCodes.done;
  } catch (error) {
    // What a benchmark needs and cannot have is a dependency out of reach; a bench that just breaks is a failure.
    if (error instanceof CommandError) {
      process.stderr.write(`${name}: ${error.message}\n`);
      return error.exitCode;
    }
    process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.failed;
  }
}

process.exitCode = await main(process.argv[2]);
