// Guarantee: of three brokers any one may be killed, whatever it leads (partitions, the groups, the cluster): payments that come
// meanwhile are decided each once, by content, whoever was answered was told that decision, the counters equal a naive count over
// the payments, the rows in ClickHouse are the decisions, and nobody has to help. By either client of Kafka. Each run has a seed
// of its own; TEST_SEED repeats one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KafkaServer } from '../../../scripts/services/kafka.ts';
import { kafkaClientDefault } from '../../../src/config/kafka.ts';
import { Random } from '../../../src/simulator/random.ts';
import { testSeed } from '../../helpers/crashPayments.ts';
import { checkCounts, checkDecisions, checkRows, everyDecision, recount } from '../../helpers/faults/check.ts';
import { History } from '../../helpers/faults/history.ts';
import { recovered } from '../../helpers/faults/recovery.ts';
import type { Decided } from '../../helpers/faults/tail.ts';
import { startRoles } from '../../helpers/faults/world.ts';
import { requires } from '../../helpers/requirements.ts';
import { waitFor } from '../../helpers/server.ts';
import { type KafkaCluster, startKafkaCluster } from '../../helpers/services/kafkaCluster.ts';

const clients = ['platformatic', 'kafkajs'] as const;
const seed = testSeed();
const payments = 1000;
const overHttp = 60;

describe.skipIf(!requires('kafka').met || !requires('redis').met)('the roles over three brokers', () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafkaCluster();
  }, 120_000);
  afterAll(() => cluster.stop(), 60_000);

  it.each(clients.map((client, i) => [client, i] as const))(
    `go on without one that is killed, by %s (seed ${seed})`,
    async (client, i) => {
      const random = new Random(seed + i);
      const environment = { KAFKA_BROKERS: cluster.brokers, KAFKA_CLIENT: client };
      const world = await startRoles({ environment, brokers: cluster.brokers.split(',') });
      // By the default client each of them in turn, by the other one of them.
      const victims = client === kafkaClientDefault ? cluster.nodes : [cluster.nodes[random.below(3)] as KafkaServer];
      try {
        for (const [k, node] of victims.entries()) {
          await cluster.untilInSync();
          const history = new History(world, random, { prefix: `b${i}${k}`, onTopic: payments, overHttp });
          const fed = history.run();
          const some = 50 + random.below(150);
          await waitFor('some decisions', () => Promise.resolve(history.decided() > some ? true : undefined));
          await node.halt('SIGKILL');
          const killedAtMs = performance.now();
          await fed;
          const decided = await everyDecision(world, history.all);
          const withoutMs = performance.now() - killedAtMs;
          expect(checkDecisions(history, decided, false)).toBe(0);
          checkCounts(history, decided);
          await node.resume();
          const recovery = await recovered(world, history.sent());
          const probes = await recount(world, history, random, undefined);
          await checkRows(world, history.prefix, await everyDecision(world, [...history.all, ...probes]));
          process.stdout.write(
            `a broker of three killed, ${client}, seed ${seed}: no decision for ${(pauseMs(decided) / 1000).toFixed(1)} s, ` +
              `all decided without it after ${(withoutMs / 1000).toFixed(1)} s, whole again ${(recovery.ms / 1000).toFixed(1)} s after its return\n`,
          );
        }
      } finally {
        await world.close();
      }
    },
    240_000,
  );
});

/** The longest time between two decisions. */
function pauseMs(decided: ReadonlyMap<string, Decided>): number {
  const times = [...decided.values()].map(({ decidedAtMs }) => decidedAtMs).sort((a, b) => a - b);
  return Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? time)));
}
