// Sockets in the tree: somebody listens at a file of that type, and whoever opens it is connected.
// Mirrors gVisor's OpenSocketsByConnecting (pkg/sentry/fsimpl/gofer); on Linux opening one is
// ENXIO, but there programs have connect(2).

import type { ByteQueue } from '../lib/byte-queue.ts';

/** One side's view of a connection. */
export interface Connection {
  readonly input: ByteQueue;
  readonly output: ByteQueue;
}

export interface SocketEndpoint {
  /** Makes a connection and returns the side of whoever opens the file. Errors: ECONNREFUSED. */
  connect(): Connection;
  /** The file is there. `release` ends that somebody listens there. */
  bound(release: () => void): void;
}
