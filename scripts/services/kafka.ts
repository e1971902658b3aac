/** A real Kafka of one node (KRaft) in a temporary directory, on free ports. */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import '../../src/adapters/kafka/repair.ts';
import { kafkaJars, kafkaTemplate, propertiesOf } from './install.ts';
import type { Running } from './processes.ts';
import { freePorts, serviceDirectory, start, untilAnswers } from './processes.ts';

const startMsMax = 60_000;
const attemptMsMax = 2_000;
/** Another program may take a port between its choice and the start. */
const startsMax = 3;

export interface KafkaOptions {
  /**
   * Ports of proxies: for each the broker has a listener of its own that it advertises under the proxy's port, so that a
   * client which begins at the proxy stays behind it.
   */
  readonly proxyPorts?: readonly number[];
  /** Settings of a listener more, over TLS with a login, as `listener.name.secure.…` without that prefix. */
  readonly secure?: Readonly<Record<string, string>>;
  /** More broker settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** One of several nodes that start together: its number, its ports, and all that vote, as `controller.quorum.voters` has them. */
  readonly node?: { readonly id: number; readonly ports: readonly number[]; readonly voters: string };
}

/** For clients, for controllers, over TLS. */
export const portsOfNode = 3;
const soleNode = 1;

export interface KafkaServer {
  /** host:port */
  readonly brokers: string;
  /** Where the proxies of `proxyPorts` are to connect to, in the same order. */
  readonly proxied: readonly string[];
  /** The listener over TLS, where one was asked for. */
  readonly secure: string;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  /** Ends the process, keeps the data; `resume` starts it again on the same ports. */
  halt(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  resume(): Promise<void>;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

interface Layout {
  readonly directory: string;
  readonly ports: readonly number[];
}

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  for (let attempt = 1; ; attempt++) {
    const directory = serviceDirectory('kafka');
    try {
      const ports = options.node?.ports ?? (await freePorts(portsOfNode + (options.proxyPorts ?? []).length));
      return await startOn({ directory, ports }, options);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      if (attempt === startsMax) throw error;
    }
  }
}

async function startOn(layout: Layout, options: KafkaOptions): Promise<KafkaServer> {
  const { directory, ports } = layout;
  const [clientPort = 0, , securePort = 0, ...innerPorts] = ports;
  const brokers = `127.0.0.1:${clientPort}`;
  cpSync(kafkaTemplate, join(directory, 'data'), { recursive: true });
  if (options.node !== undefined) nameNode(join(directory, 'data', 'meta.properties'), options.node.id);
  mkdirSync(join(directory, 'logs'));
  writeFileSync(join(directory, 'server.properties'), propertiesOf(settingsOf(layout, options)));
  writeFileSync(join(directory, 'log4j2.properties'), log4j);
  let running = await launch(directory, brokers);
  return {
    brokers,
    secure: `127.0.0.1:${securePort}`,
    proxied: innerPorts.map((port) => `127.0.0.1:${port}`),
    get pid() {
      return running.pid;
    },
    signal: (name) => running.signal(name),
    async halt(signal) {
      if (signal === 'SIGKILL') running.signal('SIGKILL');
      await running.stop();
    },
    async resume() {
      running = await launch(directory, brokers);
    },
    async stop() {
      await running.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The template was made for the sole node; each of several has a number and a directory of its own. */
function nameNode(metaFile: string, id: number): void {
  const directoryId = randomBytes(16).toString('base64url');
  const text = readFileSync(metaFile, 'utf8')
    .replace(/^node\.id=.*$/m, `node.id=${id}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${directoryId}`);
  writeFileSync(metaFile, text);
}

async function launch(directory: string, brokers: string): Promise<Running> {
  const logFile = join(directory, 'kafka.log');
  const args = [
    '-Xms256m',
    '-Xmx512m',
    '-XX:+UseSerialGC',
    `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`,
    ...['-cp', `${kafkaJars}/*`, 'kafka.Kafka', join(directory, 'server.properties')],
  ];
  const running = start('java', args, logFile);
  try {
    await untilAnswers('Kafka', running, logFile, startMsMax, () => askCoordinator(brokers));
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** The port opens seconds before consumer groups work: asks for what they need. */
async function askCoordinator(brokers: string): Promise<void> {
  const kafka = new Kafka({
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: attemptMsMax,
    requestTimeout: attemptMsMax,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.listTopics();
    await admin.describeGroups(['holdfast-services']);
  } finally {
    await admin.disconnect();
  }
}

function settingsOf({ directory, ports }: Layout, options: KafkaOptions): Record<string, string> {
  const [clientPort = 0, controllerPort = 0, securePort = 0, ...innerPorts] = ports;
  const proxyPorts = options.proxyPorts ?? [];
  const proxies = proxyPorts.map((port, i) => ({ name: `PROXIED${i}`, port, inner: innerPorts[i] ?? 0 }));
  const list = (parts: readonly string[]): string => parts.join(',');
  const secure = Object.entries(options.secure ?? {});
  const ifSecure = (part: string): string[] => (secure.length === 0 ? [] : [part]);
  return {
    'process.roles': 'broker,controller',
    'node.id': String(options.node?.id ?? soleNode),
    'controller.quorum.voters': options.node?.voters ?? `${soleNode}@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: list([
      `PLAINTEXT://127.0.0.1:${clientPort}`,
      `CONTROLLER://127.0.0.1:${controllerPort}`,
      ...proxies.map(({ name, inner }) => `${name}://127.0.0.1:${inner}`),
      ...ifSecure(`SECURE://127.0.0.1:${securePort}`),
    ]),
    'advertised.listeners': list([
      `PLAINTEXT://127.0.0.1:${clientPort}`,
      ...proxies.map(({ name, port }) => `${name}://127.0.0.1:${port}`),
      ...ifSecure(`SECURE://127.0.0.1:${securePort}`),
    ]),
    'listener.security.protocol.map': list([
      'PLAINTEXT:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...proxies.map(({ name }) => `${name}:PLAINTEXT`),
      ...ifSecure('SECURE:SASL_SSL'),
    ]),
    ...Object.fromEntries(secure.map(([name, value]) => [`listener.name.secure.${name}`, value])),
    'log.dirs': join(directory, 'data'),
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // Members of a test's group come and go quickly.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    ...options.settings,
  };
}

const log4j = `rootLogger.level=WARN
rootLogger.appenderRef.stdout.ref=STDOUT
appender.stdout.type=Console
appender.stdout.name=STDOUT
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=[%d] %p %m (%c)%n
`;
