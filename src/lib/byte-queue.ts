// ByteQueue: bytes on their way from writers to a reader, up to a limit. What streams,
// terminals and sockets are made of.

import { type Wait, WaitQueue } from './op.ts';

/**
 * Linux: include/uapi/linux/limits.h PIPE_BUF is what a write puts in whole; fs/pipe.c has 16 pages
 * of room.
 */
export const PIPE_BUF = 4096;
const PIPE_CAPACITY = 65536;

export class ByteQueue {
  readonly #chunks: Uint8Array[] = [];
  readonly #changed = new WaitQueue();
  readonly #wanted = new WaitQueue();
  #isWanted = false;
  #size = 0;
  #isWriteClosed = false;
  #isReadClosed = false;

  get size(): number {
    return this.#size;
  }

  get room(): number {
    return Math.max(0, PIPE_CAPACITY - this.#size);
  }

  /** Nothing more will come. What is in the queue can still be read. */
  get isWriteClosed(): boolean {
    return this.#isWriteClosed;
  }

  /** Nobody will read any more. */
  get isReadClosed(): boolean {
    return this.#isReadClosed;
  }

  /** Woken when anything has changed. */
  get changed(): Wait {
    return this.#changed;
  }

  /** A reader has found nothing since something was put in. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Woken when a reader has found nothing, for whoever fills the queue only on demand. */
  get wanted(): Wait {
    return this.#wanted;
  }

  /** Says that a reader waits. read() does so by itself; poll doesn't read. */
  want(): void {
    if (this.#isWanted || this.#size > 0) return;
    this.#isWanted = true;
    this.#wanted.wakeAll();
  }

  /** Takes up to `buffer.length` bytes; 0 if there are none. */
  read(buffer: Uint8Array): number {
    let count = 0;
    while (count < buffer.length) {
      const first = this.#chunks[0];
      if (first === undefined) break;
      const part = first.subarray(0, buffer.length - count);
      buffer.set(part, count);
      count += part.length;
      if (part.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.length);
    }
    this.#size -= count;
    if (count > 0) this.#changed.wakeAll();
    else if (buffer.length > 0) this.want();
    return count;
  }

  /** Puts a copy of as many bytes as there is room for. Returns how many. */
  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.room);
    if (count > 0) {
      this.#chunks.push(bytes.slice(0, count));
      this.#size += count;
      this.#isWanted = false;
      this.#changed.wakeAll();
    }
    return count;
  }

  closeWrite(): void {
    this.#isWriteClosed = true;
    this.#changed.wakeAll();
  }

  closeRead(): void {
    this.#isReadClosed = true;
    this.#chunks.length = 0;
    this.#size = 0;
    this.#changed.wakeAll();
  }
}
