/** A file's text in pieces that end with a line, so that every line can be read where it stands. */
import { createReadStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { failed } from '../../config/exit.ts';

/** Longest line, or CSV row, that is read. */
export const lineCharactersMax = 1024 * 1024;
const pieceBytes = 256 * 1024;

export interface OpenText {
  /** Bytes of the file read so far, compressed as they are. */
  bytesRead(): number;
  /** To be read once. Each piece ends with a line feed, but the last. */
  pieces(): AsyncGenerator<string, void, undefined>;
}

/** @throws CommandError (exit code 1), from `pieces`, where the file breaks off, is not gzip, or a line is too long */
export function openText(path: string): OpenText {
  const file = createReadStream(path, { highWaterMark: pieceBytes });
  async function* pieces(): AsyncGenerator<string, void, undefined> {
    const decoder = new StringDecoder('utf8');
    const bytes = path.endsWith('.gz') ? file.pipe(createGunzip({ chunkSize: pieceBytes })) : file;
    file.on('error', (error) => bytes.destroy(error));
    let rest = '';
    try {
      for await (const chunk of bytes) {
        const text = rest + decoder.write(chunk as Buffer);
        const end = text.lastIndexOf('\n') + 1;
        rest = end === 0 ? text : text.slice(end);
        if (rest.length > lineCharactersMax)
          throw failed(`${path} has a line of more than ${lineCharactersMax} characters.`);
        if (end > 0) yield end === text.length ? text : text.slice(0, end);
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
        throw failed(`${path} cannot be unpacked, it is damaged or not gzip: ${error.message}.`);
      throw error;
    } finally {
      file.destroy();
    }
    rest += decoder.end();
    if (rest !== '') yield rest;
  }
  return { bytesRead: () => file.bytesRead, pieces };
}
