// StreamDescription: bytes that come from or go to somewhere outside of the tree: a program's
// standard streams, a terminal, a connection to a socket. Linux: fs/pipe.c, drivers/tty.

import { linuxerr } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/poll.ts';
import { type ByteQueue, PIPE_BUF } from '../../lib/byte-queue.ts';
import { anyOf, type Op, type Wait } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { Inode } from './inode.ts';
import { LocalFileDescription } from './local-file-description.ts';
import type { LocalTree } from './local-tree.ts';

export interface StreamOptions {
  /** O_RDONLY, O_WRONLY or O_RDWR. */
  readonly flags: number;
  readonly isTerminal?: boolean;
  readonly input?: ByteQueue;
  readonly output?: ByteQueue;
}

export class StreamDescription extends LocalFileDescription {
  readonly #options: StreamOptions;

  constructor(
    fs: LocalTree,
    options: StreamOptions & { readonly vd: VirtualDentry; readonly inode: Inode },
  ) {
    super(fs, { ...options, isSpecial: true });
    this.#options = options;
  }

  override get isTerminal(): boolean {
    return this.#options.isTerminal === true;
  }

  override get isSeekable(): boolean {
    return false;
  }

  protected override *readImpl(buffer: Uint8Array): Op<number> {
    const { input } = this.#options;
    if (input === undefined) throw linuxerr.EBADF;
    if (buffer.length === 0) return 0;
    for (;;) {
      const count = input.read(buffer);
      if (count > 0 || input.isWriteClosed) return count;
      if ((this.statusFlags & O_NONBLOCK) !== 0) throw linuxerr.EAGAIN;
      yield input.changed;
    }
  }

  /**
   * Writes of up to PIPE_BUF bytes go in whole. Errors: EPIPE if nobody reads; EAGAIN with
   * O_NONBLOCK.
   */
  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    const { output } = this.#options;
    if (output === undefined) throw linuxerr.EBADF;
    let done = 0;
    while (done < bytes.length) {
      if (output.isReadClosed) throw linuxerr.EPIPE;
      const rest = bytes.subarray(done);
      const fits = bytes.length > PIPE_BUF ? output.room > 0 : output.room >= rest.length;
      if (fits) {
        done += output.write(rest);
        continue;
      }
      if ((this.statusFlags & O_NONBLOCK) !== 0) {
        if (done > 0) return done;
        throw linuxerr.EAGAIN;
      }
      yield output.changed;
    }
    return done;
  }

  protected override allocateImpl(): Op<void> {
    throw this.isTerminal ? linuxerr.ENODEV : linuxerr.ESPIPE;
  }

  override *readableBytes(): Op<number> {
    return this.#options.input?.size ?? 0;
  }

  override readiness(events: number): number {
    const { input, output } = this.#options;
    let ready = 0;
    if (input !== undefined) {
      if (input.size === 0 && (events & POLLIN) !== 0) input.want();
      if (input.size > 0 || input.isWriteClosed) ready |= POLLIN | POLLRDNORM;
      if (input.isWriteClosed && !this.isTerminal) ready |= POLLHUP;
    }
    if (output !== undefined) {
      if (output.isReadClosed) ready |= POLLERR;
      if (output.isReadClosed || output.room >= PIPE_BUF) ready |= POLLOUT | POLLWRNORM;
    }
    return ready & events;
  }

  override get readinessChanged(): Wait {
    const { input, output } = this.#options;
    const waits = [input?.changed, output?.changed].filter((wait) => wait !== undefined);
    return anyOf(waits);
  }

  protected override releaseImpl(): void {
    this.#options.input?.closeRead();
    this.#options.output?.closeWrite();
  }
}
