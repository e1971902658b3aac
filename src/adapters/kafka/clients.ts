/** The clients there are, each loaded when it is chosen. */
import type { KafkaClient } from './clientPort.ts';
import type { ClientLog, KafkaConnection } from './options.ts';

export type KafkaClientName = 'kafkajs' | 'platformatic';

const makers: {
  readonly [N in KafkaClientName]: (connection: KafkaConnection, onLog: ClientLog) => Promise<KafkaClient>;
} = {
  async kafkajs(connection, onLog) {
    const { KafkajsClient } = await import('./kafkajsClient.ts');
    return new KafkajsClient(connection, onLog);
  },
  async platformatic(connection, onLog) {
    const { PlatformaticClient } = await import('../platformatic/client.ts');
    return new PlatformaticClient(connection, onLog);
  },
};

export const openClient = (
  name: KafkaClientName,
  connection: KafkaConnection,
  onLog: ClientLog,
): Promise<KafkaClient> => makers[name](connection, onLog);
