/** A TCP proxy that knows where Kafka's messages begin and end, to lose or cut them. Give its port to `startKafka({ proxyPorts })`. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { DelayedLine } from './delayedLine.ts';

/** What becomes of a message: lost without a trace, or cut in its middle together with the connection. */
export type Fate = 'pass' | 'drop' | 'cut';
export const apiKeys = { produce: 0, fetch: 1, offsetCommit: 8, joinGroup: 11 } as const;

const sizeBytes = 4;

/** Splits a stream into messages: u32 size, then so many bytes. */
class Frames {
  #buffered: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<Buffer> {
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= sizeBytes) {
      const end = sizeBytes + this.#buffered.readUInt32BE(0);
      if (this.#buffered.length < end) return;
      yield this.#buffered.subarray(0, end);
      this.#buffered = this.#buffered.subarray(end);
    }
  }
}

export class KafkaProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  target = '';
  /** Every reply comes so much later. */
  delayMs = 0;
  /** Asked for each request and each reply; `apiKey` tells what it is. */
  onRequest: (apiKey: number) => Fate = () => 'pass';
  onReply: (apiKey: number) => Fate = () => 'pass';

  constructor() {
    this.#server = createServer((client) => this.#accept(client));
  }

  /** @returns the port to advertise. Set `target` before clients come. */
  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const [host = '', port = ''] = this.target.split(':');
    const broker = connect(Number(port), host);
    const kinds = new Map<number, number>();
    const requests = new Frames();
    const replies = new Frames();
    const late = new DelayedLine();
    const cut = (): void => {
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (chunk) => {
      for (const frame of requests.push(chunk)) {
        const apiKey = frame.readInt16BE(sizeBytes);
        kinds.set(frame.readInt32BE(sizeBytes + 4), apiKey);
        pass(frame, this.onRequest(apiKey), broker, cut);
      }
    });
    broker.on('data', (chunk) => {
      for (const frame of replies.push(chunk)) {
        const correlation = frame.readInt32BE(sizeBytes);
        const apiKey = kinds.get(correlation) ?? -1;
        kinds.delete(correlation);
        const fate = this.onReply(apiKey);
        late.pass(this.delayMs, () => pass(frame, fate, client, cut));
      }
    });
  }
}

function pass(frame: Buffer, fate: Fate, to: Socket, cut: () => void): void {
  if (fate === 'drop') return;
  if (fate === 'pass') to.write(frame);
  else to.write(frame.subarray(0, frame.length >> 1), () => cut());
}
