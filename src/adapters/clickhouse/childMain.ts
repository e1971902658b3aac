import { setPriority } from 'node:os';
import { type ChildHost, type OpenParityOf, type OpenSource, startChildHost } from './childHost.ts';
import { type ChildOptions, describeError, type FromChild, serverVariable, type ToChild } from './childProtocol.ts';
import type { ServerOptions } from './server.ts';

/** Decisions go first: on a busy machine the reports may be late, not the payments. */
const niceness = 10;
/** A process told to stop finishes its block; one that cannot must not outlive its parent for ever. */
const stopMsMax = 60_000;

function send(message: FromChild, sent: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, sent);
  else sent();
}

/** The main function of the analytics process. It ends on the parent's word, on SIGTERM, and when the parent is gone. */
export function runAnalyticsChild(openSource: OpenSource, openParity?: OpenParityOf): void {
  let host: ChildHost | undefined;
  let stopping = false;

  async function start(): Promise<void> {
    try {
      setPriority(niceness);
    } catch {
      // Not allowed everywhere; nothing but speed depends on it.
    }
    const shown = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
    const server = process.env[serverVariable];
    const options = server === undefined ? shown : { ...shown, server: JSON.parse(server) as ServerOptions };
    host = await startChildHost(options, { send }, openSource, openParity);
  }

  const starting = start();
  // The parent starts another process after a while; this one has nothing to serve.
  starting.catch((error: unknown) => send({ type: 'failed', message: describeError(error) }, () => process.exit(1)));

  function stop(): void {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), stopMsMax).unref();
    void starting
      .then(() => host?.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  }

  process.on('message', (message: ToChild) => {
    if (message.type === 'close') stop();
    else host?.receive(message);
  });
  process.on('SIGTERM', stop);
  // Ctrl-C reaches the whole process group: the parent decides when this process ends.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', stop);
}
