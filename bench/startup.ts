/** `startup`: the second start of an installed Holdfast, from the start of its process to its first decision. */
import { randomUUID } from 'node:crypto';
import { decideOnce, freePort, startUp, temporaryDirectory } from './fixtures/upProcess.ts';
import { median, printMetric } from './lib.ts';

const starts = 7;

export async function run(): Promise<void> {
  const directory = temporaryDirectory();
  const decide = (url: URL): Promise<unknown> => decideOnce(url, randomUUID());
  try {
    const port = await freePort();
    // The first start makes the data directory; it is not measured.
    await (await startUp(directory.path, port, decide)).stop();
    const seconds: number[] = [];
    for (let n = 0; n < starts; n += 1) {
      const server = await startUp(directory.path, port, decide);
      seconds.push(server.startedInMs / 1000);
      await server.stop();
    }
    printMetric({
      bench: 'startup',
      metric: 'first_decision_s',
      value: median(seconds),
      unit: 's',
      n: starts,
      spread: [Math.min(...seconds), Math.max(...seconds)],
    });
  } finally {
    directory.remove();
  }
}
