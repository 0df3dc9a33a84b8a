// P9Listener: 9P over plain TCP, for clients that speak nothing else: Linux' mount -t 9p, diod's
// tools. A connection of TCP says no token, so whoever reaches the port is let in.
//
// A page can't speak 9P here: whatever a browser sends begins with a method of HTTP, which as a
// size is more than any message has.

import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { MSIZE_MAX } from '../p9/frame.ts';
import { P9_PROTOCOL } from '../p9/version.ts';
import { StreamTransport } from '../transport/stream.ts';
import type { Transport } from '../transport/transport.ts';
import { listen, type ListenAddress } from './listen.ts';
import type { Refusal } from './refusal.ts';
import { whenClosed } from './when-closed.ts';

/** A connection that says nothing for so long is asked whether it is there still. */
const KEEP_ALIVE_MS = 60_000;

export interface P9ListenerOptions {
  readonly address: ListenAddress;
  readonly clock: Clock;
  /** A place for a connection: what gives it back, or why there is none. */
  readonly takePlace: (address: string) => (() => void) | Refusal;
  readonly serve: (transport: Transport, socket: Socket, address: string) => void;
}

export class P9Listener {
  readonly #options: P9ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(options: P9ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#onSocket(socket);
    });
  }

  /** Errors: ListenError. */
  static async open(options: P9ListenerOptions): Promise<P9Listener> {
    const listener = new P9Listener(options);
    listener.#port = await listen(listener.#server, options.address);
    return listener;
  }

  get port(): number {
    return this.#port;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  #onSocket(socket: Socket): void {
    const { clock, takePlace, serve } = this.#options;
    const { remoteAddress: address = 'unknown' } = socket;
    const leave = takePlace(address);
    if (typeof leave !== 'function') {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      leave();
    });
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const options = { clock, protocol: P9_PROTOCOL, messageSizeMax: MSIZE_MAX };
    serve(new StreamTransport(socket, options), socket, address);
  }

  /** Takes no more connections. */
  stopListening(): void {
    this.#server.close();
  }

  /** All have ended, or are cut off by now. */
  async closed(timeUp: Promise<void>): Promise<void> {
    const open = [...this.#sockets].map(whenClosed);
    await Promise.race([Promise.all(open), timeUp]);
    for (const socket of this.#sockets) socket.destroy();
  }
}
