// devfs: /dev with the devices programs expect, and /dev/fd. Linux: drivers/base/devtmpfs.c,
// mem(4), fd(4).
//
// /dev/fd/N, stdin, stdout, stderr, tty and inotify stand for something of the task that opens
// them. This filesystem knows no tasks: it opens them as a TaskFileAlias, which the kernel
// replaces.

import { OPEN_MAX } from '../../abi/limits.ts';
import { DEVFS_MAGIC, makeDev, S_IFCHR, S_IFDIR, S_IFLNK } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import type { VirtualDentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import { TaskFileAlias } from '../../vfs/path-description.ts';
import { type Devices, MEMORY_DEVICES } from '../shared/devices.ts';
import { ChildrenCursor, type DirectoryCursor } from '../shared/directory-description.ts';
import { type Inode, LocalDentry } from '../shared/inode.ts';
import { MemoryFilesystem } from '../shared/memory-filesystem.ts';

export interface DevfsOptions {
  readonly dev: number;
  readonly clock: Clock;
  readonly devices: Devices;
}

/** Linux's device numbers: Documentation/admin-guide/devices.txt. */
const TTY_RDEV = makeDev(5, 0);
/**
 * Of the nodes in /dev/fd: a major number of ours, the minor is the descriptor. Linux has magic
 * links instead.
 */
const FD_MAJOR = 254;
/** An inotify instance for programs that can open files but make no system calls: ours. */
const INOTIFY_RDEV = makeDev(253, 0);

export class Devfs extends MemoryFilesystem {
  override readonly type = 'devfs';
  readonly #fdDir: LocalDentry;

  constructor(options: DevfsOptions) {
    super({
      ...options,
      magic: DEVFS_MAGIC,
      rootMode: 0o755,
      rootUid: 0,
      rootGid: 0,
      blocksMax: 0,
      inodesMax: 0,
    });
    for (const [name, rdev] of Object.entries(MEMORY_DEVICES)) {
      this.#addDevice(this.root, name, rdev);
    }
    this.#addDevice(this.root, 'tty', TTY_RDEV);
    this.#addDevice(this.root, 'inotify', INOTIFY_RDEV);
    this.#fdDir = this.#add(this.root, 'fd', { mode: S_IFDIR | 0o555 });
    this.root.inode.nlink++;
    // Names other than those of the standard streams are made when they are looked up.
    this.#fdDir.isComplete = false;
    for (const [fd, name] of ['stdin', 'stdout', 'stderr'].entries()) {
      this.#addDevice(this.#fdDir, String(fd), makeDev(FD_MAJOR, fd));
      this.#add(this.root, name, { mode: S_IFLNK | 0o777, target: `fd/${fd}` });
    }
  }

  #addDevice(parent: LocalDentry, name: string, rdev: number): LocalDentry {
    return this.#add(parent, name, { mode: S_IFCHR | 0o666, rdev });
  }

  #add(
    parent: LocalDentry,
    name: string,
    attributes: { mode: number; rdev?: number; target?: string },
  ): LocalDentry {
    const inode = this.makeInode({ ...attributes, uid: 0, gid: 0 });
    const dentry = new LocalDentry({ name, parent, inode, isComplete: true });
    this.link(parent, dentry);
    return dentry;
  }

  protected override *loadChild(dir?: LocalDentry, name?: string): Op<LocalDentry | undefined> {
    if (dir !== this.#fdDir || name === undefined || !/^(0|[1-9]\d*)$/.test(name)) return undefined;
    const fd = Number(name);
    return fd < OPEN_MAX ? this.#addDevice(dir, name, makeDev(FD_MAJOR, fd)) : undefined;
  }

  override openCursor(dir: LocalDentry): DirectoryCursor {
    return new ChildrenCursor(dir);
  }

  protected override openDevice(vd: VirtualDentry, inode: Inode, flags: number): FileDescription {
    if (inode.rdev === TTY_RDEV) return new TaskFileAlias(vd, flags, 'terminal');
    if (inode.rdev === INOTIFY_RDEV) return new TaskFileAlias(vd, flags, 'inotify');
    const name = assertDefined(vd.dentry as LocalDentry).name;
    if (inode.rdev === makeDev(FD_MAJOR, Number(name))) {
      return new TaskFileAlias(vd, flags, Number(name));
    }
    return super.openDevice(vd, inode, flags);
  }
}
