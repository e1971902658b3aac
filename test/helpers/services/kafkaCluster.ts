/** A real Kafka of three nodes, each broker and controller, whose topics have three replicas of which two must have what is acknowledged. */
import { type KafkaServer, portsOfNode, startKafka } from '../../../scripts/services/kafka.ts';
import { freePorts } from '../../../scripts/services/processes.ts';
import { createClient } from '../../../src/adapters/kafka/client.ts';
import { waitFor } from '../server.ts';

const nodeCount = 3;
const replicated = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  // A node that was killed is missed sooner than by default, and so is a leader that lags.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'replica.lag.time.max.ms': '3000',
} as const;

export interface KafkaCluster {
  /** All nodes, separated by commas. */
  readonly brokers: string;
  readonly nodes: readonly KafkaServer[];
  /** Resolves when every replica of every partition is in sync. */
  untilInSync(): Promise<void>;
  stop(): Promise<void>;
}

/** Where a port was taken meanwhile, all of it begins anew. */
const startsMax = 3;

export async function startKafkaCluster(): Promise<KafkaCluster> {
  for (let attempt = 1; ; attempt++) {
    const nodes = await startNodes();
    if (nodes !== undefined) return clusterOf(nodes);
    if (attempt === startsMax) throw new Error('no cluster of Kafka could be started');
  }
}

async function startNodes(): Promise<KafkaServer[] | undefined> {
  const ports = await freePorts(nodeCount * portsOfNode);
  const own = Array.from({ length: nodeCount }, (_, i) => ports.slice(i * portsOfNode, (i + 1) * portsOfNode));
  const voters = own.map(([, controllerPort], i) => `${i + 1}@127.0.0.1:${controllerPort}`).join(',');
  const starts = await Promise.allSettled(
    own.map((its, i) => startKafka({ node: { id: i + 1, ports: its, voters }, settings: replicated })),
  );
  const nodes = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  if (nodes.length === nodeCount) return nodes;
  await Promise.all(nodes.map((node) => node.stop()));
  return undefined;
}

function clusterOf(nodes: readonly KafkaServer[]): KafkaCluster {
  const brokers = nodes.map((node) => node.brokers).join(',');
  return {
    brokers,
    nodes,
    async untilInSync() {
      await waitFor('every replica to be in sync', () => isInSync(brokers.split(',')).catch(() => undefined));
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

async function isInSync(brokers: string[]): Promise<true | undefined> {
  const admin = createClient({ brokers }, () => {}).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata();
    const partitions = topics.flatMap((topic) => topic.partitions);
    return partitions.every(({ isr, replicas }) => isr.length === replicas.length) ? true : undefined;
  } finally {
    await admin.disconnect();
  }
}
