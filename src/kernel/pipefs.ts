// Pipefs: the files of tasks that have no name: pipes, standard streams, terminals, inotify
// instances. A filesystem that is mounted nowhere. Linux: fs/pipe.c pipefs, fs/anon_inodes.c.

import { linuxerr } from '../abi/errno.ts';
import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi/fcntl.ts';
import { makeDev, S_IFCHR, S_IFIFO } from '../abi/stat.ts';
import { type Credentials, ROOT_CREDENTIALS } from '../auth/credentials.ts';
import { type Inode, LocalDentry } from '../fs/shared/inode.ts';
import { MemoryFilesystem } from '../fs/shared/memory-filesystem.ts';
import { PipeDescription } from '../fs/shared/pipe-description.ts';
import { StreamDescription, type StreamOptions } from '../fs/shared/stream-description.ts';
import type { Xattrs } from '../fs/shared/xattrs.ts';
import type { Clock } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import { incRefVd, type VirtualDentry } from '../vfs/dentry.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import { InotifyInstance, type InotifyOptions } from '../vfs/inotify.ts';
import { Mount } from '../vfs/mount.ts';

/** Linux: include/uapi/linux/magic.h PIPEFS_MAGIC. */
const PIPEFS_MAGIC = 0x50495045;
/** The first pseudo-terminal: Documentation/admin-guide/devices.txt. */
const TERMINAL_RDEV = makeDev(136, 0);
/** What is no file of any type. Linux: fs/anon_inodes.c. */
const ANONYMOUS_MODE = 0o600;

export class Pipefs extends MemoryFilesystem {
  override readonly type = 'pipefs';
  readonly #mount: Mount;
  /** What all inotify instances are open on, as on Linux: its locks are everybody's. */
  readonly #anonymous: VirtualDentry;

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
    this.#mount = new Mount({ id: 0, filesystem: this, root: this.root, source: 'pipefs', flags });
    this.#anonymous = this.#makeFile(ROOT_CREDENTIALS, ANONYMOUS_MODE).vd;
    incRefVd(this.#anonymous);
  }

  /** Errors: EOPNOTSUPP. There are none here. Linux: a superblock without handlers for them. */
  override loadXattrs(): Op<Xattrs> {
    throw linuxerr.EOPNOTSUPP;
  }

  openStream(options: StreamOptions, creds: Credentials): FileDescription {
    const isTerminal = options.isTerminal === true;
    const file = this.#makeFile(creds, isTerminal ? S_IFCHR | 0o620 : S_IFIFO | 0o600, {
      rdev: isTerminal ? TERMINAL_RDEV : 0,
    });
    return new StreamDescription(this, { ...options, ...file });
  }

  /** Both ends of a pipe: to read from, to write to. `flags`: O_NONBLOCK, O_DIRECT. */
  openPipe(flags: number, creds: Credentials): [FileDescription, FileDescription] {
    const file = this.#makeFile(creds, S_IFIFO | 0o600);
    const status = flags & (O_NONBLOCK | O_DIRECT);
    const open = (access: number): FileDescription => {
      file.inode.pipe.add(access);
      return new PipeDescription(this, {
        ...file,
        flags: access | status,
        writerOpensBefore: 0,
        keepsTimes: true,
      });
    };
    return [open(O_RDONLY), open(O_WRONLY)];
  }

  openInotify(flags: number, options: InotifyOptions): InotifyInstance {
    return new InotifyInstance(this.#anonymous, O_RDONLY | (flags & O_NONBLOCK), options);
  }

  #makeFile(
    { uid, gid }: Credentials,
    mode: number,
    options: { readonly rdev?: number } = {},
  ): { readonly vd: VirtualDentry; readonly inode: Inode } {
    const inode = this.makeInode({ mode, uid, gid, ...options });
    const dentry = new LocalDentry({ name: '', parent: undefined, inode, isComplete: true });
    return { vd: { mount: this.#mount, dentry }, inode };
  }
}
