/** A file that is there whole or not at all: written beside its place, and moved to it when it is done. */
import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { failed, wrongUsage } from '../../config/exit.ts';

const stdout = '-';

/** Nobody reads on, as after `| head`. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

/** @throws CommandError (exit code 2) where nothing can be written to `out` */
export async function checkOutput(out: string, input: string): Promise<void> {
  if (out === stdout) return;
  if (!/\.csv(\.gz)?$/.test(out))
    throw wrongUsage(`--out ${out}: the name must end in .csv or .csv.gz; - is standard output.`);
  const [there, directory, source] = await Promise.all(
    [out, dirname(out), input].map((path) => stat(path).catch(() => undefined)),
  );
  if (directory?.isDirectory() !== true) throw wrongUsage(`--out ${out}: there is no directory ${dirname(out)}.`);
  if (there !== undefined && !there.isFile()) throw wrongUsage(`--out ${out} is there and no file.`);
  if (there !== undefined && there.ino === source?.ino && there.dev === source.dev)
    throw wrongUsage(`--out ${out} is the file that is read.`);
}

/**
 * Writes the text to `out`, gzipped where its name says so.
 * @throws CommandError (exit code 1) where the disk does not take it; then `out` is as it was before
 */
export async function writeOutput(out: string, text: AsyncIterable<string>): Promise<void> {
  if (out === stdout) {
    await pipeline(Readable.from(text), process.stdout, { end: false }).catch((error: unknown) => {
      if (!isBrokenPipe(error)) throw error;
    });
    return;
  }
  const beside = join(dirname(out), `.${basename(out)}.${process.pid}.part`);
  try {
    const target: Writable = createWriteStream(beside, { flags: 'wx' });
    if (out.endsWith('.gz')) await pipeline(Readable.from(text), createGzip({ level: 1 }), target);
    else await pipeline(Readable.from(text), target);
    const file = await open(beside, 'r+');
    await file.sync().finally(() => file.close());
    await rename(beside, out);
  } catch (error) {
    await rm(beside, { force: true });
    if (error instanceof Error && 'syscall' in error) throw failed(`${out} cannot be written: ${error.message}.`);
    throw error;
  }
}
