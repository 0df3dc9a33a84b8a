// ClosedFds: FDs that nobody needs any more, until they are closed, many by one request.

import { nextMacrotask } from '../lib/macrotask.ts';

const BATCH_MAX = 128;

export class ClosedFds {
  readonly #send: (fds: readonly number[]) => void;
  #fds: number[] = [];

  constructor(send: (fds: readonly number[]) => void) {
    this.#send = send;
  }

  add(fd: number): void {
    this.#fds.push(fd);
    if (this.#fds.length >= BATCH_MAX) this.flush();
    else if (this.#fds.length === 1) {
      void nextMacrotask().then(() => {
        this.flush();
      });
    }
  }

  flush(): void {
    const fds = this.#fds;
    this.#fds = [];
    if (fds.length > 0) this.#send(fds);
  }

  /** For whoever closes them now. */
  take(): readonly number[] {
    return this.#fds.splice(0);
  }

  /** They mean nothing any more. */
  forget(): void {
    this.#fds = [];
  }
}
