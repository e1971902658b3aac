// Guarantee: whatever the topic does, a message whose append resolved is in the topic in the end, in order of the appends,
// also when the process died meanwhile; beyond the bound, and when the disk refuses, appending fails and says so.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSpoolFile } from '../../../src/adapters/sqlite/spoolFile.ts';
import { LogUnavailable } from '../../../src/pipeline/logErrors.ts';
import { type OutgoingMessage, Spool, type SpoolFile } from '../../../src/pipeline/spool.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-spool-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Longer than the spool waits. */
const lateMs = 5;
/** What becomes of a send: taken; refused; taken, but the answer is lost; or given up too late. */
type Fate = 'takes' | 'refuses' | 'takes silently' | 'hangs';

class Topic {
  readonly taken: string[] = [];
  fate: Fate = 'takes';

  append = (messages: readonly OutgoingMessage[]): Promise<void> => {
    const { fate } = this;
    if (fate === 'takes' || fate === 'takes silently') this.taken.push(...messages.map(({ key }) => key));
    if (fate === 'hangs') return new Promise((_, reject) => setTimeout(reject, lateMs, new LogUnavailable('late')));
    return fate === 'takes' ? Promise.resolve() : Promise.reject(new LogUnavailable('away'));
  };

  /** Each message at its first occurrence. */
  distinct(): string[] {
    return [...new Set(this.taken)];
  }
}

/** The file, with some of its calls replaced. */
const over = (file: SpoolFile, calls: Partial<SpoolFile>): SpoolFile => ({
  get count() {
    return file.count;
  },
  get bytes() {
    return file.bytes;
  },
  write: (messages) => file.write(messages),
  oldest: (max) => file.oldest(max),
  remove: (messages) => file.remove(messages),
  close: () => file.close(),
  ...calls,
});
const message = (key: string): OutgoingMessage => ({ key, value: Buffer.from(`value of ${key}`) });
const open = (topic: Topic, file: SpoolFile, bytesMax = 1e6): Spool =>
  new Spool({ file, append: topic.append, onFailure: () => {}, bytesMax, afterMs: 1, retryMs: 1 });
const untilDrained = (spool: Spool): Promise<void> =>
  vi.waitFor(() => expect(spool.state().spooling).toBe(false), { timeout: 20_000, interval: 5 });

describe('a spool', () => {
  const fate = fc.constantFrom<Fate>('takes', 'refuses', 'takes silently', 'hangs');

  it('loses nothing and keeps the order, through failures and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fate, fc.integer({ min: 1, max: 4 }), fc.boolean()), { maxLength: 12 }),
        async (steps) => {
          const topic = new Topic();
          let spool = open(topic, openSpoolFile(directory));
          const appended: string[] = [];
          for (const [next, count, restart] of steps) {
            topic.fate = next;
            const keys = Array.from({ length: count }, (_, i) => `m${appended.length + i}`);
            await spool.append(keys.map(message));
            appended.push(...keys);
            if (!restart) continue;
            topic.fate = 'refuses';
            await spool.close();
            spool = open(topic, openSpoolFile(directory));
          }
          topic.fate = 'takes';
          await untilDrained(spool);
          await spool.close();
          expect(topic.distinct()).toEqual(appended);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('takes no more than its bound, says so, and goes on when it has drained', async () => {
    const topic = new Topic();
    topic.fate = 'refuses';
    const spool = open(topic, openSpoolFile(directory), 50);
    await spool.append([message('a')]);
    await spool.append([message('b')]);
    await spool.append([message('c')]);
    await spool.append([message('d')]);
    await spool.append([message('e')]);
    await expect(spool.append([message('f')])).rejects.toThrow(LogUnavailable);
    expect(spool.state()).toMatchObject({ messages: 5, refused: 1 });
    topic.fate = 'takes';
    await untilDrained(spool);
    await spool.append([message('g')]);
    await spool.close();
    expect(topic.distinct()).toEqual(['a', 'b', 'c', 'd', 'e', 'g']);
  });

  it('goes on when reading the disk failed', async () => {
    const topic = new Topic();
    topic.fate = 'refuses';
    const file = openSpoolFile(directory);
    let failures = 3;
    const failing = over(file, {
      oldest(max) {
        if (failures-- > 0) throw new Error('disk I/O error');
        return file.oldest(max);
      },
    });
    const spool = open(topic, failing);
    await spool.append([message('a')]);
    topic.fate = 'takes';
    await untilDrained(spool);
    await spool.close();
    expect(topic.distinct()).toEqual(['a']);
  });

  it('fails, and stays what it was, when the disk refuses', async () => {
    const topic = new Topic();
    topic.fate = 'refuses';
    const file = openSpoolFile(directory);
    const full = over(file, {
      write() {
        throw new Error('database or disk is full');
      },
    });
    const spool = open(topic, full);
    await expect(spool.append([message('a')])).rejects.toThrow(LogUnavailable);
    expect(spool.state()).toMatchObject({ spooling: false, messages: 0, refused: 1 });
    await spool.close();
  });
});
