/** The command line: loads only the command that is named, so that every one starts fast; turns outcomes into exit codes. */
import { Command, CommanderError } from 'commander';
import { CommandError, exitCodes } from '../config/exit.ts';
import { productVersion } from '../config/version.ts';

interface LazyCommand {
  readonly name: string;
  readonly about: string;
  readonly load: () => Promise<Command>;
}

const commands: readonly LazyCommand[] = [
  { name: 'up', about: 'run everything in one process tree', load: async () => (await import('./up.ts')).upCommand() },
  {
    name: 'serve',
    about: 'answer the API and the console over Kafka and Redis',
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  {
    name: 'stream',
    about: 'decide the payments on Kafka',
    load: async () => (await import('./stream.ts')).streamCommand(),
  },
  {
    name: 'sink',
    about: 'bring decisions from Kafka into ClickHouse',
    load: async () => (await import('./sink.ts')).sinkCommand(),
  },
  {
    name: 'replay',
    about: 'send a file of payments to a running Holdfast',
    load: async () => (await import('./replay.ts')).replayCommand(),
  },
  {
    name: 'simulate',
    about: 'write a file of simulated payments with fraud in them',
    load: async () => (await import('./simulate.ts')).simulateCommand(),
  },
  {
    name: 'features',
    about: 'write the feature table of a file of payments',
    load: async () => (await import('./features.ts')).featuresCommand(),
  },
  {
    name: 'train',
    about: 'train the model of a release',
    load: async () => (await import('./train.ts')).trainCommand(),
  },
  {
    name: 'evaluate',
    about: 'measure a recipe by a public protocol, or a model on labelled payments',
    load: async () => (await import('./evaluate.ts')).evaluateCommand(),
  },
  {
    name: 'release',
    about: 'build, show and compare releases',
    load: async () => (await import('./release.ts')).releaseCommand(),
  },
  {
    name: 'model',
    about: 'list, show, compare and promote models',
    load: async () => (await import('./model.ts')).modelCommand(),
  },
  {
    name: 'rules',
    about: 'lint and test the rules of a release',
    load: async () => (await import('./rules.ts')).rulesCommand(),
  },
  {
    name: 'deadletter',
    about: 'list the messages that could not be decided, and put them on their topic again',
    load: async () => (await import('./deadletter.ts')).deadletterCommand(),
  },
  {
    name: 'recount',
    about: 'count the payments of the decisions topic again, in a Redis that came back empty',
    load: async () => (await import('./recount.ts')).recountCommand(),
  },
  {
    name: 'migrate',
    about: 'bring the analytics tables to the newest schema',
    load: async () => (await import('./migrate.ts')).migrateCommand(),
  },
  {
    name: 'parity',
    about: 'compare recorded features with the same computed again from the journal',
    load: async () => (await import('./parity.ts')).parityCommand(),
  },
  {
    name: 'doctor',
    about: 'check everything that Holdfast needs, and say what is wrong',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  {
    name: 'bench',
    about: 'run a benchmark, or `bench list`',
    load: async () => (await import('./bench.ts')).benchCommand(),
  },
];

async function buildProgram(named: string | undefined): Promise<Command> {
  const program = new Command('holdfast')
    .description('Real-time fraud and payment monitoring. `holdfast COMMAND --help` explains a command.')
    .version(productVersion())
    .exitOverride()
    .showHelpAfterError('(`holdfast --help` lists the commands)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 a dependency cannot be reached.',
    );
  for (const { name, about, load } of commands) {
    const command = name === named ? await load() : new Command(name);
    program.addCommand(command.name(name).description(about).copyInheritedSettings(program));
  }
  return program;
}

/** Whoever started us by IPC (`npm start`) is gone: stop as for a signal, instead of running on unseen. */
function stopWithParent(): void {
  if (process.channel === undefined) return;
  process.channel.unref();
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}

/** Commands that run until they are stopped. */
const roles: ReadonlySet<string> = new Set(['up', 'serve', 'stream', 'sink', 'ledger']);

/** `holdfast … | head`: whoever read our output has enough. A role goes on without; a command has nothing left to do. */
function outliveReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (!roles.has(process.argv[2] ?? '')) process.exit(exitCodes.done);
  });
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  // Commander has printed its message already; help and version come this way too, with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exitCodes.failed;
}

stopWithParent();
outliveReader();
try {
  const program = await buildProgram(process.argv.slice(2).find((argument) => !argument.startsWith('-')));
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
