/** The Kafka and the Redis that all test files of a run share: take names of your own in them, remove nothing else. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ServiceName } from '../../../scripts/services/install.ts';
import type { KeeperMessage } from '../../../scripts/services/keeper.ts';
import { socketVariable } from './globalSetup.ts';

async function environmentOf(name: ServiceName): Promise<Readonly<Record<string, string>>> {
  const path = process.env[socketVariable];
  if (path === undefined) throw new Error('vitest runs without test/helpers/services/globalSetup.ts');
  const socket = connect(path);
  socket.write(name);
  const message = JSON.parse(await text(socket)) as KeeperMessage;
  if ('failure' in message) throw new Error(message.failure);
  return message.environment;
}

/** host:port of the shared Kafka, started by the first who asks. Call it in `beforeAll`, with a generous timeout. */
export async function sharedKafka(): Promise<string> {
  return (await environmentOf('kafka'))['KAFKA_BROKERS'] as string;
}
