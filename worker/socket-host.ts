// Sockets in the tree on the kernel's side: the page listens at a file, and each program that opens
// it gets a connection, whose other end goes to the page as web streams.

import { linuxerr } from '../src/abi/errno.ts';
import type { Connection, SocketEndpoint } from '../src/vfs/socket.ts';
import { ByteQueue } from '../src/lib/byte-queue.ts';
import type { ConnectionStreams } from './protocol.ts';
import { pumpIn, pumpOut } from './stdio.ts';

/** Connections nobody has accepted yet: ECONNREFUSED above. Linux: net.core.somaxconn. */
const BACKLOG_MAX = 4096;

export class SocketListener implements SocketEndpoint {
  readonly #waiting: Connection[] = [];
  #wake: (() => void) | undefined;
  #release: (() => void) | undefined;
  #isClosed = false;

  bound(release: () => void): void {
    this.#release = release;
  }

  connect(): Connection {
    if (this.#isClosed || this.#waiting.length >= BACKLOG_MAX) throw linuxerr.ECONNREFUSED;
    const [toProgram, toPage] = [new ByteQueue(), new ByteQueue()];
    this.#waiting.push({ input: toPage, output: toProgram });
    this.#wake?.();
    return { input: toProgram, output: toPage };
  }

  /** The next connection, or null once the listener is closed. */
  async accept(): Promise<ConnectionStreams | null> {
    for (;;) {
      const connection = this.#waiting.shift();
      if (connection !== undefined) return streamsOf(connection);
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The file stays, as on Linux, and refuses connections. */
  close(): void {
    this.#isClosed = true;
    for (const { input, output } of this.#waiting.splice(0)) {
      input.closeRead();
      output.closeWrite();
    }
    this.#release?.();
    this.#release = undefined;
    this.#wake?.();
  }
}

function streamsOf({ input, output }: Connection): ConnectionStreams {
  const fromProgram = new TransformStream<Uint8Array, Uint8Array>();
  const fromPage = new TransformStream<Uint8Array, Uint8Array>();
  void pumpOut(input, fromProgram.writable);
  void pumpIn(fromPage.readable, output, { isOnDemand: false });
  return { readable: fromProgram.readable, writable: fromPage.writable };
}
