// HandshakeLimits: sockets that have come and have not been let in yet, per address. Those that
// never say what they want, or say it byte by byte, take places only from their own address.

import type { Socket } from 'node:net';

export class HandshakeLimits {
  readonly #perAddressMax: number;
  /** Address → ports of sockets that are not let in yet. */
  readonly #pending = new Map<string, Set<number>>();

  constructor(perAddressMax: number) {
    this.#perAddressMax = perAddressMax;
  }

  /** A socket has come. False if it is one too many, and is destroyed. */
  enter(socket: Socket): boolean {
    const { remoteAddress, remotePort } = socket;
    // It has gone already.
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return false;
    }
    const ports = this.#pending.get(remoteAddress) ?? new Set();
    if (ports.size >= this.#perAddressMax) {
      socket.destroy();
      return false;
    }
    this.#pending.set(remoteAddress, ports.add(remotePort));
    socket.once('close', () => {
      this.#leave(remoteAddress, remotePort);
    });
    return true;
  }

  /** By its address, as the socket of TLS is another one than that which came. */
  letIn({ remoteAddress = '', remotePort = 0 }: Socket): void {
    this.#leave(remoteAddress, remotePort);
  }

  #leave(address: string, port: number): void {
    const ports = this.#pending.get(address);
    if (ports?.delete(port) === true && ports.size === 0) this.#pending.delete(address);
  }
}
