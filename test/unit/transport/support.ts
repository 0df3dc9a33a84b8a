// What the tests of transports share: a receiver that remembers, and pairs of every kind.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket as WsWebSocket, WebSocketServer } from 'ws';
import { RealClock } from '../../../src/lib/clock.ts';
import { LoopbackLink } from '../../../src/transport/loopback.ts';
import { MessagePortTransport } from '../../../src/transport/message-port.ts';
import type { CloseInfo, Receiver, Transport } from '../../../src/transport/transport.ts';
import { acceptWebSocket, serverOptions } from '../../../src/transport/web-socket-server.ts';
import { connectWebSocket, type SocketClass } from '../../../src/transport/web-socket.ts';

export const SIZE_MAX = 4 << 20;
export const clock = new RealClock();
/** Node has one only since 22. */
export const SocketOfWs: SocketClass = WsWebSocket;

/** Remembers what it is told, and says when something new has come. */
export class Recorder implements Receiver {
  readonly messages: Uint8Array[] = [];
  readonly closes: CloseInfo[] = [];
  #onChange: () => void = () => undefined;

  constructor(transport?: Transport) {
    transport?.start(this);
  }

  onMessage(message: Uint8Array): void {
    this.messages.push(message);
    this.#onChange();
  }

  onClose(info: CloseInfo): void {
    this.closes.push(info);
    this.#onChange();
  }

  get texts(): string[] {
    return this.messages.map((message) => new TextDecoder().decode(message));
  }

  /** Waits until there are so many messages. */
  async received(count: number): Promise<void> {
    await this.#until(() => this.messages.length >= count);
  }

  async closed(): Promise<CloseInfo> {
    await this.#until(() => this.closes.length > 0);
    return this.closes[0]!;
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
  }
}

export interface Pair {
  readonly client: Transport;
  readonly server: Transport;
  /** Breaks the link, as nobody wants it. */
  break(): void;
  cleanUp(): Promise<void>;
}

export type MakePair = (messageSizeMax?: number) => Promise<Pair>;

export function loopbackPair(messageSizeMax = SIZE_MAX): Promise<Pair> {
  const link = new LoopbackLink({ clock, messageSizeMax, bytesPerSecond: 50e6 });
  return Promise.resolve({
    client: link.client,
    server: link.server,
    break: () => {
      link.notice();
    },
    cleanUp: () => Promise.resolve(),
  });
}

export function messagePortPair(messageSizeMax = SIZE_MAX): Promise<Pair> {
  const { port1, port2 } = new MessageChannel();
  return Promise.resolve({
    client: new MessagePortTransport(port1, { messageSizeMax }),
    server: new MessagePortTransport(port2, { messageSizeMax }),
    break: () => {
      port2.close();
    },
    cleanUp: () => {
      port1.close();
      return Promise.resolve();
    },
  });
}

export interface TestServer {
  readonly url: string;
  readonly server: WebSocketServer;
  close(): Promise<void>;
}

export async function listen(
  options: Partial<Parameters<typeof serverOptions>[0]> = {},
): Promise<TestServer> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    ...serverOptions({ messageSizeMax: SIZE_MAX, ...options }),
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/files`,
    server,
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function webSocketPair(messageSizeMax = SIZE_MAX): Promise<Pair> {
  const { server, url, close } = await listen({ messageSizeMax });
  const accepted = once(server, 'connection') as Promise<[WsWebSocket]>;
  let socket: WsWebSocket | undefined;
  const accepting = accepted.then(([ws]) => {
    socket = ws;
    return acceptWebSocket(ws, { clock, messageSizeMax });
  });
  const client = await connectWebSocket(url, {
    clock,
    messageSizeMax,
    timeoutMs: 5000,
    WebSocket: SocketOfWs,
  });
  return {
    client,
    server: await accepting,
    break: () => {
      socket?.terminate();
    },
    cleanUp: close,
  };
}
