/** Every bound of the Kafka adapter, in one place; their relations are asserted when it is made. */
export const kafkaBounds = {
  connectMsMax: 3_000,
  /** Longest wait for one reply of a broker. */
  requestMsMax: 5_000,
  /** Attempts after the first of one request, with pauses that double between the two times. */
  retriesMax: 5,
  retryPauseMs: 100,
  retryPauseMsMax: 1_000,

  /** One send: its messages may all belong to one partition, and a broker refuses record batches over 1 MiB. */
  sendBytesMax: 900_000,
  sendMessagesMax: 10_000,
  /** The largest message that fits a record batch alone. */
  messageBytesMax: 1_000_000,
  /** Appended and not yet acknowledged; beyond it appends are refused. */
  queueBytesMax: 64 * 1024 * 1024,
  /** An append that is not acknowledged by then is given up; it may arrive all the same. */
  appendMsMax: 15_000,

  /** Read ahead of the polls for each partition: from here on the broker is not asked for more, … */
  bufferMessagesMax: 4_096,
  bufferBytesMax: 4 * 1024 * 1024,
  /** … until so little is left. */
  bufferResumeShare: 0.5,
  fetchBytesMax: 4 * 1024 * 1024,
  fetchPartitionBytesMax: 1024 * 1024,
  /** Longest time a broker holds back an empty answer; also how late a partition that was full is asked for again. */
  fetchWaitMs: 100,

  heartbeatMs: 1_000,
  /** A member that was not heard of for so long is put out of the group. */
  sessionMs: 10_000,
  /** Time for the members to join again when the group changes. */
  rebalanceMs: 20_000,
  /** Longest wait for a commit through rebalances and reconnections. */
  commitMsMax: 30_000,
  /** A consumer that neither fetches nor tries to connect for so long has stopped silently. */
  stallMsMax: 60_000,
  /** A reader that gets no message for so long, though there are some, has lost the cluster. */
  readStallMsMax: 60_000,
  /** A close that takes longer goes on without anyone waiting. */
  closeMsMax: 10_000,
} as const;

if (kafkaBounds.heartbeatMs * 3 > kafkaBounds.sessionMs) throw new Error('a session must outlive three heartbeats');
if (kafkaBounds.stallMsMax <= kafkaBounds.rebalanceMs + kafkaBounds.sessionMs) {
  throw new Error('joining a group must not look like a stall');
}
if (kafkaBounds.fetchPartitionBytesMax < kafkaBounds.messageBytesMax) throw new Error('a fetch must hold any message');
