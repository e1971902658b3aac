/** Guarantee: a fetch that fails, in whatever way the client tells it, is asked again, and nothing is rejected that nobody hears of. */
import { ConnectionPool, type Consumer } from '@platformatic/kafka';
import { expect, it, vi } from 'vitest';
import { Fetcher } from '../../../src/adapters/platformatic/fetcher.ts';

const failures: readonly (readonly [string, Error])[] = [
  ['a lost connection', new Error('gone')],
  [
    'an error of the request for the brokers, which comes with its own response',
    responding({ brokers: [], topics: [] }),
  ],
  ['an error with no response', responding(null)],
  ['an error with half a response', responding({ responses: null })],
  ['an error of a partition', responding({ responses: [{ partitions: [{ partitionIndex: 0, errorCode: 6 }] }] })],
];

function responding(response: unknown): Error {
  return Object.assign(new Error('Received response with error'), { response });
}

it.each(failures)('%s', async (_what, failure) => {
  const fetch = vi.fn(() => Promise.reject(failure));
  const topic = { id: 't', partitions: { 0: { leader: 1 } } };
  const reader: Pick<Consumer, 'clearMetadata'> = {
    clearMetadata: () => {},
    ...{ fetch, metadata: () => Promise.resolve({ topics: new Map([['payments', topic]]) }) },
  };
  const events = {
    alive: () => {},
    joined: () => {},
    fetched: () => true,
    outOfRange: () => {},
    dead: () => {},
  };
  const pool = new ConnectionPool('test');
  const fetcher = new Fetcher(reader as Consumer, pool, 'payments', events, () => {});
  fetcher.assign([0]);
  fetcher.seek(0, 5);
  await vi.waitFor(() => expect(fetch.mock.calls.length).toBeGreaterThan(2), 10_000);
  fetcher.close();
  await pool.close();
});
