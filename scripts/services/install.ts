/**
 * What real services need on this machine, and how to get it: Java, Maven and Redis from Debian's packages, Kafka's jars by Maven into
 * `.services/`, where the next run finds them. Starting them is start.ts's part; nothing here starts anything.
 */
import { execFile, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const kafkaVersion = '4.1.0';
const log4jVersion = '2.24.3';
const aptMsMax = 300_000;
const mavenMsMax = 300_000;
const formatMsMax = 60_000;
const outputBytesMax = 16 * 1024 * 1024;

const cacheDirectory = resolve(import.meta.dirname, '../../.services');
/** Kafka's jars, and a formatted data directory to copy. */
const kafkaDirectory = join(cacheDirectory, `kafka-${kafkaVersion}`);
export const kafkaJars = join(kafkaDirectory, 'libs');
export const kafkaTemplate = join(kafkaDirectory, 'template');

export type ServiceName = 'kafka' | 'redis';
export const serviceNames: readonly ServiceName[] = ['kafka', 'redis'];

/** The service cannot be had here; the message says why. */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable';
}

const packages = {
  java: 'default-jre-headless',
  mvn: 'maven',
  'redis-server': 'redis-server',
  'g++': 'g++',
  pip3: 'python3-pip',
} as const;
type Program = keyof typeof packages;

export function findProgram(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Why the service cannot be started as things are, or undefined when it can. */
export function missing(service: ServiceName): string | undefined {
  if (service === 'redis')
    return findProgram('redis-server') === undefined ? 'redis-server is not installed' : undefined;
  if (findProgram('java') === undefined) return 'java is not installed';
  return existsSync(kafkaTemplate) ? undefined : `Kafka's jars are not at ${kafkaJars}`;
}

/** Installs what is missing. @throws ServiceUnavailable */
export async function install(services: readonly ServiceName[], say: (line: string) => void): Promise<void> {
  const wanted = services.filter((service) => missing(service) !== undefined);
  if (wanted.length === 0) return;
  const programs: Program[] = [];
  if (wanted.includes('kafka')) programs.push('java', 'mvn');
  if (wanted.includes('redis')) programs.push('redis-server');
  await installPrograms(programs, say);
  if (wanted.includes('kafka')) await installKafka(say);
  const still = services.map(missing).find((reason) => reason !== undefined);
  if (still !== undefined) throw new ServiceUnavailable(still);
}

/** The words before a command that needs root's rights; undefined where they cannot be had without a question. */
function asRoot(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

/** Installs those of the programs that are missing, where that needs no question. @throws ServiceUnavailable */
export async function installPrograms(wanted: readonly Program[], say: (line: string) => void): Promise<void> {
  const programs = wanted.filter((program) => findProgram(program) === undefined);
  if (programs.length === 0) return;
  const names = programs.map((program) => packages[program]);
  const prefix = asRoot();
  if (findProgram('apt-get') === undefined || prefix === undefined) {
    throw new ServiceUnavailable(
      `${programs.join(', ')} must be installed (Debian: apt-get install ${names.join(' ')})`,
    );
  }
  say(`installing ${names.join(', ')}`);
  // RUNLEVEL=1: the packages start no service of their own.
  const environment = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'];
  const apt = (...args: string[]): Promise<unknown> => {
    const [command = '', ...rest] = [...prefix, ...environment, 'apt-get', ...args];
    return run(command, rest, { timeout: aptMsMax, maxBuffer: outputBytesMax });
  };
  const get = (): Promise<unknown> => apt('install', '-y', '-qq', '--no-install-recommends', ...names);
  try {
    await get().catch(async () => {
      await apt('update', '-qq');
      await get();
    });
  } catch (error) {
    throw new ServiceUnavailable(`apt-get could not install ${names.join(', ')}: ${lastLine(error)}`);
  }
}

function lastLine(error: unknown): string {
  const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string };
  return (stderr || stdout || message).trim().split('\n').at(-1) ?? message;
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>holdfast</groupId><artifactId>services</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${log4jVersion}</version></dependency>
</dependencies></project>
`;

/** Into a directory of its own first: of two installs at a time one wins whole. */
async function installKafka(say: (line: string) => void): Promise<void> {
  say(`fetching Kafka ${kafkaVersion} with Maven (43 MB)`);
  mkdirSync(cacheDirectory, { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory, 'kafka-new-'));
  try {
    writeFileSync(join(directory, 'pom.xml'), pom);
    const copy = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'];
    await run('mvn', copy, { cwd: directory, timeout: mavenMsMax, maxBuffer: outputBytesMax });
    await format(directory);
    if (!existsSync(kafkaTemplate)) renameSync(directory, kafkaDirectory);
  } catch (error) {
    if (!existsSync(kafkaTemplate)) throw new ServiceUnavailable(`Kafka could not be installed: ${lastLine(error)}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Formats a data directory once; each start copies it, which saves a JVM's start. */
async function format(directory: string): Promise<void> {
  const properties = join(directory, 'format.properties');
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': '1@127.0.0.1:1',
    listeners: 'PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(directory, 'template'),
  };
  writeFileSync(properties, propertiesOf(lines));
  const args = [
    '-cp',
    `${directory}/libs/*`,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    'aG9sZGZhc3Qtc2VydmljZQ',
    '-c',
    properties,
  ];
  await run('java', args, { timeout: formatMsMax, maxBuffer: outputBytesMax });
}

/** Java's properties format, for values without special characters. */
export function propertiesOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
