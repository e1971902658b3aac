/**
 * Dead letters: messages that could not be decided, with their original bytes and the place they came from. A letter that was put
 * on its topic again is marked by one more message on this topic, so that this is remembered wherever the log is.
 */
import type { EventLog, Message, Topic } from './ports.ts';
import { topics } from './ports.ts';

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Why, from the table of errors; or `retried`: a mark, see above. */
  readonly code: string;
  /** When it was put here, RFC 3339; absent in letters of the first versions. */
  readonly at?: string;
  /** The message as it came. */
  readonly originalKey?: string;
  readonly originalBase64: string;
}

/** A letter in a list. */
export interface ListedLetter extends DeadLetter {
  /** `TOPIC/PARTITION/OFFSET`, its identity. */
  readonly place: string;
  readonly bytes: number;
  /** When it was last put on its topic again. */
  readonly retriedAt: string | undefined;
}

const retriedCode = 'retried';
/** Letters put on their topic at once. */
const retryMessagesMax = 500;

interface LetterMessage {
  readonly key: string;
  readonly value: Uint8Array;
}

const placeOf = ({ topic, partition, offset }: DeadLetter): string => `${topic}/${partition}/${offset}`;
const messageOf = (letter: DeadLetter): LetterMessage => ({
  key: placeOf(letter),
  value: Buffer.from(JSON.stringify(letter)),
});

/** @param at RFC 3339 */
export function deadLetterMessage(topic: Topic, message: Message, code: string, at: string): LetterMessage {
  const { partition, offset, key, value } = message;
  const originalBase64 = Buffer.from(value).toString('base64');
  return messageOf({ topic, partition, offset, code, at, originalKey: key, originalBase64 });
}

/** Topics and codes are shown to people: nothing in them may steer a terminal. */
const nameShape = /^[\w.-]{1,249}$/;

/** Undefined for what is not a dead letter: someone else may write to the topic. */
export function parseDeadLetter(value: Uint8Array): DeadLetter | undefined {
  try {
    const letter = JSON.parse(Buffer.from(value).toString()) as Partial<DeadLetter> | null;
    const whole =
      nameShape.test(letter?.topic ?? '') &&
      typeof letter?.partition === 'number' &&
      typeof letter.offset === 'number' &&
      nameShape.test(letter.code ?? '') &&
      typeof letter.originalBase64 === 'string';
    return whole ? (letter as DeadLetter) : undefined;
  } catch {
    return undefined;
  }
}

/** Every letter once, in the order of the topic; one that was written again after a crash is the same letter. */
export async function listDeadLetters(log: Pick<EventLog, 'read'>): Promise<ListedLetter[]> {
  const letters = new Map<string, DeadLetter>();
  const retried = new Map<string, string>();
  for await (const page of log.read(topics.deadletter)) {
    for (const { value } of page) {
      const letter = parseDeadLetter(value);
      if (letter === undefined) continue;
      const place = placeOf(letter);
      if (letter.code === retriedCode) retried.set(place, letter.at ?? '');
      else if (!letters.has(place)) letters.set(place, letter);
    }
  }
  return [...letters].map(([place, letter]) => {
    const bytes = Buffer.byteLength(letter.originalBase64, 'base64');
    return { ...letter, place, bytes, retriedAt: retried.get(place) };
  });
}

/** Topics that letters may be put on again. */
const retryTopics: readonly Topic[] = [topics.payments, topics.labels];

/**
 * Puts the originals on their topic again, then marks them. After a crash in between a letter is put there twice, which
 * changes nothing: a payment is decided once.
 * @param at RFC 3339
 * @returns how many there were; letters of another topic are left alone
 */
export async function retryDeadLetters(log: EventLog, letters: readonly ListedLetter[], at: string): Promise<number> {
  let retried = 0;
  for (const topic of retryTopics) {
    const own = letters.filter((letter) => letter.topic === topic);
    for (let from = 0; from < own.length; from += retryMessagesMax) {
      const some = own.slice(from, from + retryMessagesMax);
      await log.append(topic, some.map(originalOf));
      await log.append(
        topics.deadletter,
        some.map(({ partition, offset }) =>
          messageOf({ topic, partition, offset, code: retriedCode, at, originalBase64: '' }),
        ),
      );
      retried += some.length;
    }
  }
  return retried;
}

const originalOf = ({ originalKey, originalBase64 }: DeadLetter): LetterMessage => ({
  key: originalKey ?? '',
  value: Buffer.from(originalBase64, 'base64'),
});
