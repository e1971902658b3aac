/**
 * Guarantee: a Redis that loses replies, is restarted, frozen, slow or full makes no call hang, no payment count twice, and
 * none count never: what it missed is appended, before anything newer, as soon as it is back.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectRedis, type RedisConnection } from '../../../src/adapters/redis/connection.ts';
import { RedisUnavailable } from '../../../src/adapters/redis/errors.ts';
import { type RedisVelocityOptions, RedisVelocityStore } from '../../../src/adapters/redis/velocity.ts';
import { Payment } from '../../../src/domain/payment.ts';
import { createFeatureMatrix } from '../../../src/features/frame.ts';
import { compileFeatures } from '../../../src/features/program.ts';
import { connected } from '../../helpers/redisStores.ts';
import { requires } from '../../helpers/requirements.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from '../../helpers/services/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../helpers/tcpProxy.ts';

const needed = requires('redis');
const program = compileFeatures({
  version: 1,
  features: [
    { entity: 'customer', aggregate: 'count', windows: ['1h'] },
    { entity: 'terminal', aggregate: 'count', windows: ['1h'] },
  ],
});
const startMs = Date.UTC(2026, 0, 5);
/** What a call may take on a machine that does other things too: the timeout itself and some seconds, never "for ever". */
const commandTimeoutMs = 150;
const promptlyMs = 3000;
const waitMs = 15_000;

let made = 0;
function paid(customerId = 'c', more: Partial<Payment> = {}): Payment {
  const paymentId = `p${++made}`;
  return Object.assign(new Payment(), { currency: 'EUR', paymentId, occurredAtMs: startMs + made, customerId }, more);
}

describe.skipIf(!needed.met)('velocity over a Redis in trouble', { timeout: 60_000 }, () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let connection: RedisConnection;
  let store: RedisVelocityStore;

  async function open(
    options: RedisServerOptions = {},
    more: Partial<RedisVelocityOptions> & { readonly timeoutMs?: number } = {},
  ): Promise<void> {
    const timeoutMs = more.timeoutMs ?? commandTimeoutMs;
    server = await startRedis({ program: needed.path, ...options });
    proxy = await startTcpProxy(server.port);
    connection = connectRedis({
      urls: [`redis://127.0.0.1:${proxy.port}`],
      cluster: false,
      commandTimeoutMs: timeoutMs,
    });
    expect(await connection.whenReady(promptlyMs)).toBe(true);
    store = new RedisVelocityStore({ program, connection, ...more });
  }
  beforeEach(() => {
    made = 0;
  });
  afterEach(async () => {
    await store.close();
    await connection.close();
    await proxy.close();
    await server.stop();
  });

  async function attempt(payments: readonly Payment[], by = store): Promise<(number | undefined)[]> {
    const out = createFeatureMatrix(program.names.length, payments.length);
    await by.appendAndRead('default', payments, out, 1);
    return payments.map((_, row) => out.values[row * program.names.length]);
  }

  /** On a busy machine even a healthy Redis may be too slow once: the same payments again count once and see the same. */
  function counts(payments: readonly Payment[], by = store): Promise<(number | undefined)[]> {
    return vi.waitFor(() => attempt(payments, by), { timeout: waitMs, interval: 20 });
  }

  /** The customer's count as another process sees it, with one payment more. */
  async function countElsewhere(payment: Payment): Promise<number | undefined> {
    const own = await connected(server.url);
    const other = new RedisVelocityStore({ program, connection: own });
    const [count] = await counts([payment], other);
    await other.close();
    await own.close();
    return count;
  }

  async function refused(payments: readonly Payment[]): Promise<RedisUnavailable> {
    const from = performance.now();
    const error = await attempt(payments).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(performance.now() - from).toBeLessThan(promptlyMs);
    expect(error).toBeInstanceOf(RedisUnavailable);
    return error as RedisUnavailable;
  }

  const caughtUp = (): Promise<void> =>
    vi.waitFor(() => expect(store.state()).toMatchObject({ state: 'up', backlog: 0 }), {
      timeout: waitMs,
      interval: 20,
    });

  test('a lost reply is no second count, and the payment sees the same when it comes again', async () => {
    await open();
    await counts([paid(), paid()]);
    const payment = paid();
    const lost = proxy.lost();
    proxy.dropReplies();
    const error = await refused([payment]);
    expect(error.failure).toBe('timeout');
    await lost;
    proxy.passReplies();
    proxy.cutAll();
    await caughtUp();
    expect(await counts([payment])).toEqual([3]);
    expect(await countElsewhere(paid())).toBe(4);
  });

  test('a reply that is lost on a connection that goes on gives no call the reply of another, and does not last', async () => {
    await open();
    const own = Array.from({ length: 8 }, (_, i) => `c${i}`);
    // Each customer has another count, so that a reply of another would be seen.
    for (const [i, customer] of own.entries()) await counts(Array.from({ length: i + 1 }, () => paid(customer)));
    const expected = own.map((_, i) => i + 1);
    for (let round = 0; round < 4; round++) {
      const lost = proxy.lost();
      proxy.dropReplies();
      const first = attempt([paid('other')]).catch(() => {});
      await lost;
      proxy.passReplies();
      // At once, while the client still waits for what will never come.
      const answers = await Promise.all(
        own.map((customer, i) =>
          attempt([paid(customer)]).then(
            ([count]) => [i, count] as const,
            () => undefined,
          ),
        ),
      );
      await first;
      for (const [i] of own.entries()) (expected[i] as number)++;
      for (const answer of answers) if (answer !== undefined) expect(answer[1]).toBe(expected[answer[0]]);
      await caughtUp();
    }
    for (const [i, customer] of own.entries())
      expect(await counts([paid(customer)])).toEqual([(expected[i] as number) + 1]);
  });

  test('a connection cut in the middle of a reply is no second count either, and nothing hangs', async () => {
    await open();
    await counts([paid()]);
    for (const bytes of [0, 1, 7, 40]) {
      proxy.cutNextReplyAfter(bytes);
      const payment = paid();
      // The client may have sent it again within its time; either way it counts once.
      await attempt([payment]).catch((error: unknown) => expect(error).toBeInstanceOf(RedisUnavailable));
      await caughtUp();
    }
    expect(await countElsewhere(paid())).toBe(6);
  });

  test('a script cache that was flushed is filled again', async () => {
    await open();
    await counts([paid()]);
    await connection.call('SCRIPT', ['FLUSH']);
    expect(await counts([paid()])).toEqual([2]);
    // Several calls in one write, all of them strangers.
    await connection.call('SCRIPT', ['FLUSH']);
    const many = Array.from({ length: 200 }, (_, i) => paid(`c${i}`, { terminalId: `t${i}` }));
    expect(await counts(many)).toEqual(many.map(() => 1));
    await connection.call('SCRIPT', ['FLUSH']);
    await store.markLabel('default', many[0] as Payment, true);
  });

  test('a frozen server is given up within the time, and gets what it missed once when it goes on', async () => {
    await open();
    await counts([paid(), paid()]);
    server.freeze();
    const missed = [paid(), paid(), paid()];
    const error = await refused(missed.slice(0, 1));
    expect(error.failure).toBe('timeout');
    // Known to be away: the next do not even wait for the timeout.
    expect((await refused(missed.slice(1, 2))).failure).toBe('catching up');
    store.missed('default', missed.slice(2));
    expect(store.state()).toMatchObject({ state: 'away', backlog: 3, dropped: 0 });
    server.thaw();
    await caughtUp();
    expect(await counts([paid()])).toEqual([6]);
    expect(await countElsewhere(paid())).toBe(7);
  });

  test('one that is frozen for longer than the client keeps its connection recovers as well', async () => {
    await open();
    await counts([paid()]);
    server.freeze();
    await refused([paid()]);
    await vi.waitFor(() => expect(connection.ready).toBe(false), { timeout: waitMs });
    await refused([paid()]);
    server.thaw();
    await caughtUp();
    expect(await countElsewhere(paid())).toBe(4);
  });

  test('one that was killed and comes back empty gets what it missed; what it lost is lost', async () => {
    await open();
    await counts([paid(), paid()]);
    await server.halt('SIGKILL');
    await refused([paid()]);
    await refused([paid()]);
    await server.start();
    await caughtUp();
    expect(await counts([paid()])).toEqual([3]);
    expect(await countElsewhere(paid())).toBe(4);
  });

  test('what is newer waits for what was missed: nobody sees a count with a hole', async () => {
    await open();
    await server.halt('SIGKILL');
    const missed = Array.from({ length: 700 }, () => paid());
    for (let from = 0; from < missed.length; from += 100) await refused(missed.slice(from, from + 100));
    await server.start();
    let count: number | undefined;
    await vi.waitFor(
      async () => {
        const payment = paid();
        missed.push(payment);
        [count] = await attempt([payment]);
      },
      { timeout: waitMs, interval: 5 },
    );
    expect(count).toBe(missed.length);
  });

  test('one that is slow but answers in time is only slow', async () => {
    await open({}, { timeoutMs: waitMs });
    proxy.delayReplies(30);
    expect(await counts([paid()])).toEqual([1]);
    const both = await Promise.all([counts([paid()]), counts([paid()])]);
    expect(both.flat().sort()).toEqual([2, 3]);
  });

  test('one that is slower than the time is away, and nothing counts twice when late replies come', async () => {
    await open();
    await counts([paid()]);
    proxy.delayReplies(commandTimeoutMs * 2);
    await refused([paid()]);
    proxy.delayReplies(0);
    await caughtUp();
    expect(await countElsewhere(paid())).toBe(3);
  });

  test('one without memory refuses by name, and takes what it missed when there is room again', async () => {
    await open({ args: ['--maxmemory-policy', 'noeviction'] });
    await counts([paid()]);
    await connection.call('CONFIG', ['SET', 'maxmemory', '1mb']);
    const error = await refused([paid()]);
    expect(error).toMatchObject({ failure: 'refused', message: 'Redis: refused (OOM)' });
    await connection.call('CONFIG', ['SET', 'maxmemory', '0']);
    await caughtUp();
    expect(await counts([paid()])).toEqual([3]);
  });

  test('the backlog keeps to its bound and counts what it gave up', async () => {
    await open({}, { backlogMax: 10 });
    await server.halt('SIGKILL');
    await refused(Array.from({ length: 8 }, () => paid()));
    store.missed(
      'default',
      Array.from({ length: 7 }, () => paid()),
    );
    expect(store.state()).toMatchObject({ state: 'away', backlog: 10, dropped: 5 });
    await server.start();
    await caughtUp();
    expect(await countElsewhere(paid())).toBe(11);
    expect(store.state().dropped).toBe(5);
  });

  test('a payment taken out while Redis is away does not count when it is back', async () => {
    await open();
    const [kept, gone, unsure] = [paid(), paid(), paid()];
    await counts([kept, gone]);
    server.freeze();
    await refused([unsure]);
    store.retract('default', unsure);
    store.retract('default', gone);
    server.thaw();
    await caughtUp();
    expect(await countElsewhere(paid())).toBe(2);
  });

  test('a payment taken out before it was even sent does not count either', async () => {
    await open();
    const [kept, gone] = [paid(), paid()];
    await counts([kept]);
    const late = attempt([gone]);
    store.retract('default', gone);
    await late.catch((error: unknown) => expect(error).toBeInstanceOf(RedisUnavailable));
    await store.settled();
    await caughtUp();
    expect(await countElsewhere(paid())).toBe(2);
  });

  test('what nobody waits for any more is appended and not written', async () => {
    await open({}, { timeoutMs: waitMs });
    const out = createFeatureMatrix(program.names.length, 1);
    out.values.fill(-1);
    let wanted = true;
    proxy.delayReplies(20);
    const late = store.appendAndRead('default', [paid()], out, 1, () => wanted);
    wanted = false;
    await late;
    expect([...out.values]).toEqual([-1, -1]);
    expect(await counts([paid()])).toEqual([2]);
  });

  test('no error says anything of a payment', async () => {
    await open();
    await server.halt('SIGKILL');
    const error = await refused([paid('secret-customer', { terminalId: 'secret-terminal' })]);
    const seen = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join();
    expect(seen).not.toContain('secret');
    expect(Object.keys(error)).toEqual(['name', 'failure']);
  });
});
