// PipeDescription: an open end of a pipe or FIFO. Mirrors gVisor pkg/sentry/kernel/pipe
// (VFSPipeFD); Linux: fs/pipe.c.

import { linuxerr } from '../../abi/errno.ts';
import { O_ACCMODE, O_DIRECT, O_NONBLOCK } from '../../abi/fcntl.ts';
import type { Op, Wait } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { SpliceTarget } from '../../vfs/splice-target.ts';
import type { Inode } from './inode.ts';
import { LocalFileDescription } from './local-file-description.ts';
import type { LocalTree } from './local-tree.ts';
import type { Pipe, PipeMode } from './pipe.ts';

/**
 * open(2) of a FIFO. Errors: EINVAL for access mode 3; ENXIO; what interrupts the wait for the
 * other end.
 */
export function* openFifo(
  fs: LocalTree,
  vd: VirtualDentry,
  inode: Inode,
  flags: number,
): Op<PipeDescription> {
  // Access mode 3 wants both ends and gives neither. Linux: fifo_open().
  if ((flags & O_ACCMODE) === O_ACCMODE) throw linuxerr.EINVAL;
  vd.dentry.incRef();
  try {
    const { pipe } = inode;
    const writerOpensBefore = pipe.writerOpens;
    yield* pipe.open(flags);
    return new PipeDescription(fs, { vd, inode, flags, writerOpensBefore });
  } finally {
    vd.dentry.decRef();
  }
}

export class PipeDescription extends LocalFileDescription {
  readonly #pipe: Pipe;
  readonly #flags: number;
  readonly #seenWriterOpens: number;
  readonly #keepsTimes: boolean;

  /** The pipe counts this end already. */
  constructor(
    fs: LocalTree,
    options: {
      readonly vd: VirtualDentry;
      readonly inode: Inode;
      readonly flags: number;
      /** Nobody has opened the other end of a FIFO: what its end will be is not one yet. */
      readonly writerOpensBefore: number;
      /** Writing changes no times. Linux since 6.15: a pipe without a name. */
      readonly keepsTimes?: boolean;
    },
  ) {
    super(fs, { ...options, isSpecial: true });
    this.#pipe = options.inode.pipe;
    this.#flags = options.flags;
    this.#seenWriterOpens = options.writerOpensBefore;
    this.#keepsTimes = options.keepsTimes === true;
  }

  override get isSeekable(): boolean {
    return false;
  }

  get #mode(): PipeMode {
    return {
      isNonBlocking: (this.statusFlags & O_NONBLOCK) !== 0,
      isPacket: (this.statusFlags & O_DIRECT) !== 0,
    };
  }

  protected override *readImpl(buffer: Uint8Array): Op<number> {
    const count = yield* this.#pipe.read(buffer, () => this.#mode.isNonBlocking);
    if (count > 0) this.accessed();
    return count;
  }

  protected override *writeImpl(bytes: Uint8Array): Op<number> {
    const count = yield* this.#pipe.write(bytes, () => this.#mode);
    if (count > 0 && !this.#keepsTimes) {
      this.inode.mtime = this.inode.ctime = this.fs.clock.now();
      this.fs.inodeChanged(this.inode);
    }
    return count;
  }

  /** Changes no times: Linux's pipe_write() does, its splice doesn't. */
  override get spliceTarget(): SpliceTarget {
    const pipe = this.#pipe;
    return {
      waitForRoom: () => pipe.waitForRoom(() => this.#mode.isNonBlocking),
      *splice(bytes, offset) {
        return pipe.splice(bytes, offset);
      },
    };
  }

  protected override allocateImpl(): Op<void> {
    throw linuxerr.ESPIPE;
  }

  override *readableBytes(): Op<number> {
    return this.#pipe.size;
  }

  override readiness(events: number): number {
    return this.#pipe.readiness(this.#flags, this.#seenWriterOpens) & events;
  }

  override get readinessChanged(): Wait {
    return this.#pipe.changed;
  }

  protected override releaseImpl(): void {
    this.#pipe.remove(this.#flags);
  }
}
