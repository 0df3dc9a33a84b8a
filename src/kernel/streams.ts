// Streams: pipes and terminals as files of a task. Mirrors gVisor pkg/sentry/kernel/pipe; Linux:
// fs/pipe.c. They have no name: their inodes live in a filesystem that is mounted nowhere (Linux:
// pipefs).

import { linuxerr } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../abi/poll.ts';
import { makeDev, S_IFCHR, S_IFIFO, type Stat } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import { applySetStat, checkSetStatTarget, statOf } from '../fs/shared/attributes.ts';
import { type Inode, LocalDentry } from '../fs/shared/inode.ts';
import { MemoryFilesystem } from '../fs/shared/memory-filesystem.ts';
import { type ByteQueue, PIPE_BUF } from '../lib/byte-queue.ts';
import type { Clock } from '../lib/clock.ts';
import { anyOf, type Op, type Wait } from '../lib/op.ts';
import { FileDescription } from '../vfs/file-description.ts';
import { Mount } from '../vfs/mount.ts';
import type { SetStat } from '../vfs/options.ts';

/** Linux: include/uapi/linux/magic.h PIPEFS_MAGIC. */
const PIPEFS_MAGIC = 0x50495045;
/** The first pseudo-terminal: Documentation/admin-guide/devices.txt. */
const TERMINAL_RDEV = makeDev(136, 0);

export interface StreamOptions {
  /** O_RDONLY, O_WRONLY or O_RDWR. */
  readonly flags: number;
  readonly isTerminal: boolean;
  readonly input?: ByteQueue;
  readonly output?: ByteQueue;
}

/** The filesystem of unnamed files. */
export class Pipefs extends MemoryFilesystem {
  override readonly type = 'pipefs';
  readonly #mount: Mount;

  constructor(options: { readonly dev: number; readonly clock: Clock }) {
    super({
      ...options,
      magic: PIPEFS_MAGIC,
      rootMode: 0o700,
      rootUid: 0,
      rootGid: 0,
      blocksMax: 0,
      inodesMax: 0,
    });
    const flags = { readOnly: false, noatime: true };
    this.#mount = new Mount({ filesystem: this, root: this.root, source: 'pipefs', flags });
  }

  openStream(options: StreamOptions, creds: Credentials): FileDescription {
    const inode = this.makeInode({
      mode: options.isTerminal ? S_IFCHR | 0o620 : S_IFIFO | 0o600,
      uid: creds.uid,
      gid: creds.gid,
      rdev: options.isTerminal ? TERMINAL_RDEV : 0,
    });
    inode.nlink = 1;
    const dentry = new LocalDentry({ name: '', parent: undefined, inode, isComplete: true });
    return new StreamDescription(this, { mount: this.#mount, dentry }, inode, options);
  }
}

class StreamDescription extends FileDescription {
  readonly #fs: Pipefs;
  readonly #inode: Inode;
  readonly #options: StreamOptions;

  constructor(
    fs: Pipefs,
    vd: { readonly mount: Mount; readonly dentry: LocalDentry },
    inode: Inode,
    options: StreamOptions,
  ) {
    super(vd, options.flags, { isSpecial: true });
    this.#fs = fs;
    this.#inode = inode;
    this.#options = options;
  }

  override get isTerminal(): boolean {
    return this.#options.isTerminal;
  }

  override get isSeekable(): boolean {
    return false;
  }

  override *stat(): Op<Stat> {
    return statOf(this.#fs, this.#inode);
  }

  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<void> {
    checkSetStatTarget(this.#inode, change);
    yield* applySetStat(this.#fs, this.#inode, change, creds);
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

  override readiness(events: number): number {
    const { input, output } = this.#options;
    let ready = 0;
    if (input !== undefined) {
      if (input.size > 0) ready |= POLLIN;
      else if ((events & POLLIN) !== 0) input.want();
      if (input.isWriteClosed) ready |= this.isTerminal ? POLLIN : POLLIN | POLLHUP;
    }
    if (output !== undefined) {
      if (output.isReadClosed) ready |= POLLOUT | POLLERR;
      else if (output.room >= PIPE_BUF) ready |= POLLOUT;
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
    this.#inode.nlink = 0;
  }
}
