// A proxy between a client and a server by TCP that does something at a given byte of what goes
// through it: cut the connection there, or whatever the test wants.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class CuttingProxy {
  readonly port: number;
  /** The server's port; undefined while there is no server. */
  target: number | undefined;
  cutCount = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Bytes, either way, until #action. */
  #left = Infinity;
  #action: 'cut' | (() => void) | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.#accept(socket);
    });
  }

  static async open(): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttingProxy(server);
  }

  /** Has what was asked for not happened yet? */
  get isArmed(): boolean {
    return this.#action !== undefined;
  }

  /** Does it when so many bytes more have gone through, in the middle of whatever they are. */
  after(bytes: number, action: 'cut' | (() => void)): void {
    this.#left = bytes;
    this.#action = action;
  }

  /** Does it now. */
  actNow(): void {
    const action = this.#action;
    this.#action = undefined;
    this.#left = Infinity;
    if (action === 'cut') this.#cut();
    else action?.();
  }

  #cut(): void {
    this.cutCount++;
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    if (this.target === undefined) {
      client.destroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (bytes) => {
        this.#forward(bytes, from, to);
      });
      from.on('error', () => {
        to.destroy();
      });
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  #forward(bytes: Buffer, from: Socket, to: Socket): void {
    if (to.destroyed) return;
    if (bytes.length < this.#left) {
      this.#left -= bytes.length;
      this.#write(bytes, from, to);
      return;
    }
    const at = this.#left;
    this.#left = Infinity;
    // What is before arrives, and nothing after it.
    to.write(bytes.subarray(0, at), () => {
      this.actNow();
      if (!to.destroyed) this.#write(bytes.subarray(at), from, to);
    });
    from.pause();
  }

  #write(bytes: Buffer, from: Socket, to: Socket): void {
    if (to.write(bytes)) from.resume();
    else {
      from.pause();
      to.once('drain', () => from.resume());
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
