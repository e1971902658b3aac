/** What the event log needs of a Kafka client. Two implement it: kafkajs and @platformatic/kafka. */
import type { Message } from '../../pipeline/ports.ts';
import type { TopicMessages } from './batcher.ts';

export type Offsets = readonly (readonly [partition: number, nextOffset: number])[];

/** The oldest offset that is left and the one after the newest. */
export interface Ends {
  readonly low: number;
  readonly high: number;
}

export interface KafkaClient {
  /** Resolves when all in-sync replicas have the messages. One call at a time. */
  send(batch: readonly TopicMessages[]): Promise<void>;
  /** Makes the topics that are not there, and resolves when those are led. @throws LogUnavailable */
  createTopics(partitions: ReadonlyMap<string, number>): Promise<void>;
  /** By partition. @throws LogUnavailable */
  ends(topicName: string): Promise<ReadonlyMap<number, Ends>>;
  /** By partition, where the group has one. @throws LogUnavailable */
  positions(groupName: string, topicName: string): Promise<ReadonlyMap<number, number>>;
  /** Best effort. */
  deleteGroup(groupName: string): Promise<void>;
  /** Resolves when the cluster answers. @throws LogUnavailable */
  ping(): Promise<void>;
  /** `instanceId`: a static member (KIP-345), which keeps its partitions over a restart; undefined, and ever with kafkajs: a dynamic one. */
  member(groupName: string, topicName: string, events: MemberEvents, instanceId: string | undefined): GroupMember;
  /** Sends are over when it is called. */
  close(): Promise<void>;
}

/** One member of a consumer group, as its client has it. */
export interface GroupMember {
  /** Joins; rejects where that cannot be done now. */
  start(): Promise<void>;
  /** The three are ignored, and say so by false, where there is nothing to steer now. */
  pause(partition: number): boolean;
  resume(partition: number): boolean;
  seek(partition: number, offset: number): boolean;
  /** Resolves with whether the broker has confirmed it; false where it depends on the next join. */
  commit(offsets: Offsets): Promise<boolean>;
  leave(): Promise<void>;
}

/** One partition's part of an answer to a fetch. */
export interface Fetched {
  readonly partition: number;
  /** The offset that was asked for, where it is known. */
  readonly from: number | undefined;
  /** The offset after the last one looked at, message or not. */
  readonly to: number;
  /** The offset after the newest message in the log. */
  readonly end: number;
  readonly messages: readonly Message[];
}

export interface MemberEvents {
  /** It fetches, or tries to. */
  alive(): void;
  joined(memberId: string, partitions: readonly number[]): void;
  /** @returns whether the messages were taken in */
  fetched(of: Fetched): boolean;
  /** The broker no longer has the position: the next fetch begins at the oldest offset that is left. */
  outOfRange(partition: number): void;
  /** It will never deliver again. `replaced`: another process has its instance id. */
  dead(reason: string, replaced?: boolean): void;
}
