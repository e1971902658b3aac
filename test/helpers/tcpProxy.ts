/** A TCP proxy that loses, cuts and delays what the server answers; requests always pass. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { DelayedLine } from './delayedLine.ts';

export interface TcpProxy {
  readonly port: number;
  /** Replies reach the server's side of the proxy and no further, until `passReplies`. */
  dropReplies(): void;
  passReplies(): void;
  /** The next reply is broken off after so many bytes, and its connection with it. */
  cutNextReplyAfter(bytes: number): void;
  /** Ends every connection at once. New ones are taken. */
  cutAll(): void;
  /** Every piece of a reply comes so much later. */
  delayReplies(delayMs: number): void;
  /** Resolves when the server has answered something that was dropped or cut. */
  lost(): Promise<void>;
  close(): Promise<void>;
}

const host = '127.0.0.1';

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dropping = false;
  let cutAfter: number | undefined;
  let delayMs = 0;
  let onLost = (): void => {};

  function reply(client: Socket, data: Buffer, line: DelayedLine): void {
    if (dropping) {
      onLost();
      return;
    }
    if (cutAfter !== undefined) {
      client.write(data.subarray(0, cutAfter), () => client.destroy());
      cutAfter = undefined;
      onLost();
      return;
    }
    line.pass(delayMs, () => client.writable && client.write(data));
  }

  const server = createServer((client) => {
    const upstream = connect({ host, port: targetPort });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (data) => upstream.write(data));
    const line = new DelayedLine();
    upstream.on('data', (data) => reply(client, data, line));
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const cutAll = (): void => {
    for (const sockets of pairs) for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    dropReplies() {
      dropping = true;
    },
    passReplies() {
      dropping = false;
    },
    cutNextReplyAfter(bytes) {
      cutAfter = bytes;
    },
    cutAll,
    delayReplies(ms) {
      delayMs = ms;
    },
    lost: () =>
      new Promise((resolve) => {
        onLost = resolve;
      }),
    async close() {
      server.close();
      cutAll();
      await once(server, 'close');
    },
  };
}
