/** Stream processes that come and go under load. */
import type { Fault } from './faults.ts';

const moves = 4;
const streamsMax = 3;

export const rebalanceStorm: Fault = {
  name: 'stream processes come and go',
  countedThroughout: true,
  onTopic: 1600,
  async strike(world, _history, random) {
    for (let move = 0; move < moves; move++) {
      const streams = world.of('stream');
      const one = streams[random.below(streams.length)];
      if (streams.length === streamsMax || one === undefined || (streams.length > 1 && random.below(2) === 0)) {
        if (one !== undefined) await world.end(one, random.below(2) === 0 ? 'SIGKILL' : 'SIGTERM');
      } else await world.start('stream');
    }
    return async () => {
      while (world.of('stream').length < 2) await world.start('stream');
      for (const one of world.of('stream').slice(2)) await world.end(one, 'SIGTERM');
    };
  },
};
