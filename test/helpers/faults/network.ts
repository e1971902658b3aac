/** Faults between the roles and their engines. */
import { setTimeout as sleep } from 'node:timers/promises';
import { apiKeys, type Fate } from '../kafkaProxy.ts';
import type { Fault } from './faults.ts';

const lastsMs = 2_000;
const lostMax = 4;
const cutsMax = 12;
const cutPauseMs = 100;

export const redisRepliesLost: Fault = {
  name: 'replies of Redis are lost',
  async strike({ redisProxy }) {
    redisProxy.dropReplies();
    await sleep(lastsMs);
    return async () => redisProxy.passReplies();
  },
};

export const redisRepliesCut: Fault = {
  name: 'connections to Redis break off in the middle of replies',
  async strike({ redisProxy }, _history, random) {
    for (let cut = 0; cut < cutsMax; cut++) {
      redisProxy.cutNextReplyAfter(random.below(200));
      await sleep(cutPauseMs);
    }
    return async () => redisProxy.cutAll();
  },
};

const steered: readonly number[] = [apiKeys.produce, apiKeys.fetch, apiKeys.offsetCommit];

export const kafkaRepliesLost: Fault = {
  name: 'replies of Kafka are lost',
  countedThroughout: true,
  overHttp: 120,
  async strike({ kafkaProxy }, _history, random) {
    let lost = 0;
    kafkaProxy.onReply = (apiKey): Fate => {
      if (!steered.includes(apiKey) || lost === lostMax || random.below(6) !== 0) return 'pass';
      lost++;
      return 'drop';
    };
    await sleep(lastsMs);
    return async () => {
      kafkaProxy.onReply = () => 'pass';
    };
  },
};

export const kafkaConnectionsCut: Fault = {
  name: 'connections to Kafka break off in the middle of messages',
  countedThroughout: true,
  overHttp: 120,
  async strike({ kafkaProxy }, _history, random) {
    let cuts = 0;
    const fate = (apiKey: number): Fate => {
      if (!steered.includes(apiKey) || cuts === cutsMax || random.below(8) !== 0) return 'pass';
      cuts++;
      return 'cut';
    };
    kafkaProxy.onRequest = fate;
    kafkaProxy.onReply = fate;
    await sleep(lastsMs);
    return async () => {
      kafkaProxy.onRequest = () => 'pass';
      kafkaProxy.onReply = () => 'pass';
    };
  },
};

export const kafkaAnswersLate: Fault = {
  name: 'Kafka answers late',
  countedThroughout: true,
  async strike({ kafkaProxy }) {
    kafkaProxy.delayMs = 150;
    await sleep(lastsMs);
    return async () => {
      kafkaProxy.delayMs = 0;
    };
  },
};
