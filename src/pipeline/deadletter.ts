/** Dead letters: messages that could not be decided, with their original bytes and the place they came from. */
import type { Message, Topic } from './ports.ts';

export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Why, from the table of errors; or `retried`: a mark that the letter of this place was put on its topic again. */
  readonly code: string;
  /** When it was put here, RFC 3339. */
  readonly at: string;
  /** The message as it came, base64. */
  readonly originalKey: string;
  readonly originalBase64: string;
}

/** `TOPIC/PARTITION/OFFSET`: where a letter came from, its identity. */
export const placeOf = ({ topic, partition, offset }: Pick<DeadLetter, 'topic' | 'partition' | 'offset'>): string =>
  `${topic}/${partition}/${offset}`;

export function deadLetterMessage(topic: Topic, message: Message, code: string, at: string): LetterMessage {
  const { partition, offset, key, value } = message;
  const originalBase64 = Buffer.from(value).toString('base64');
  return messageOf({ topic, partition, offset, code, at, originalKey: key, originalBase64 });
}

interface LetterMessage {
  readonly key: string;
  readonly value: Uint8Array;
}

const messageOf = (letter: DeadLetter): LetterMessage => ({
  key: placeOf(letter),
  value: Buffer.from(JSON.stringify(letter)),
});
