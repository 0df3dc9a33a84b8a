// What a server of lisafs or of 9P serves: files that are pinned, at positions of a tree. Whoever
// has files implements these contracts. Mirrors gVisor pkg/lisafs/fd.go (ControlFDImpl,
// OpenFDImpl).
//
// The server has checked every name (one component, never "." or "..") and kind of file before it
// calls, and sees to it that nothing of the tree changes meanwhile that must not (README.md). They
// may throw any LinuxError.

import type { Timespec } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';

/** Uid or gid: none, or to be left as it is. */
export const NO_ID = 0xffff_ffff;

/** Linux: struct statx, up to its device numbers. `mask` says which fields are valid. */
export interface Statx {
  readonly mask: number;
  readonly blksize: number;
  readonly attributes: bigint;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly ino: bigint;
  readonly size: number;
  readonly blocks: number;
  readonly attributesMask: bigint;
  readonly atime: Timespec;
  readonly btime: Timespec;
  readonly ctime: Timespec;
  readonly mtime: Timespec;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** A file that has just been found or made. */
export interface PinnedFile {
  readonly file: ServedFile;
  readonly statx: Statx;
}

/** Of a new file. */
export interface Creation {
  /** Permission bits. */
  readonly mode: number;
  /** NO_ID: whoever the server runs as. */
  readonly uid: number;
  readonly gid: number;
}

export interface Device {
  readonly major: number;
  readonly minor: number;
}

export interface AttributeChanges {
  /** STATX_ bits: which of these. */
  readonly mask: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Perhaps with UTIME_NOW or UTIME_OMIT for nanoseconds. */
  readonly atime: Timespec;
  readonly mtime: Timespec;
}

export interface AttributeFailures {
  /** STATX_ bits of what could not be set. */
  readonly failureMask: number;
  /** Why, of the first; 0 if there is none. */
  readonly failureErrno: number;
}

export interface ServedStatfs {
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: bigint;
  readonly bfree: bigint;
  readonly bavail: bigint;
  readonly files: bigint;
  readonly ffree: bigint;
  readonly nameLen: number;
}

/** A file that a client holds. It stays this file, whatever becomes of its name. */
export interface ServedFile {
  /** S_IFMT bits. */
  readonly type: number;
  stat(): Op<Statx>;
  /** Each on its own: what failed is told. */
  setStat(changes: AttributeChanges): Op<AttributeFailures>;
  readlink(): Op<string>;
  statfs(): Op<ServedStatfs>;

  /** Of a directory. Errors: ENOENT. Symlinks are not followed. */
  walk(name: string): Op<PinnedFile>;
  /** The same without pinning it. */
  statAt(name: string): Op<Statx>;
  /** `flags`: an access mode, and O_TRUNC. */
  open(flags: number): Op<OpenedFile>;
  /** Errors: EEXIST, always. If it fails, nothing is left of it. */
  create(
    name: string,
    creation: Creation,
    flags: number,
  ): Op<PinnedFile & { readonly opened: OpenedFile }>;
  mkdir(name: string, creation: Creation): Op<PinnedFile>;
  /** `creation.mode` has the type, too. */
  mknod(name: string, creation: Creation, device: Device): Op<PinnedFile>;
  symlink(name: string, target: string, owner: Omit<Creation, 'mode'>): Op<PinnedFile>;
  link(target: ServedFile, name: string): Op<PinnedFile>;
  /** `flags`: 0 or AT_REMOVEDIR. */
  unlink(name: string, flags: number): Op<void>;
  /** `flags`: RENAME_. Errors: EINVAL for those that there aren't. */
  rename(name: string, target: ServedFile, targetName: string, flags: number): Op<void>;
  /** It, or a directory above it, has another name now. */
  renamed(directory: ServedFile, name: string): void;

  /** `size` 0: as large as it is. Errors: ERANGE if it is larger. */
  getXattr(name: string, size: number): Op<Uint8Array>;
  setXattr(name: string, value: Uint8Array, flags: number): Op<void>;
  listXattr(size: number): Op<readonly string[]>;
  removeXattr(name: string): Op<void>;

  /**
   * Watches the file, or with `isRecursive` a directory and everything below it.
   * `mask`: IN_ events.
   * Errors: EOPNOTSUPP if it can't; ENOTDIR; ENOSPC for too many.
   */
  watch(mask: number, isRecursive: boolean, sink: WatchSink): Op<ServedWatch>;

  /** The last call. */
  close(): Op<void>;
}

/** Of inotify(7). */
export interface ServedEvent {
  /** IN_ bits. */
  readonly mask: number;
  /** The same for both ends of a rename; otherwise 0. */
  readonly cookie: number;
  /** A path from the directory that is watched; empty for itself. */
  readonly name: string;
}

/** Who is told. It may be told before watch() has ended. */
export interface WatchSink {
  event(event: ServedEvent): void;
  /** Events may be missing. */
  overflow(): void;
}

export interface ServedWatch {
  /** Once. Nobody is told any more. */
  close(): Op<void>;
}

export interface ListedName {
  readonly name: string;
  readonly ino: bigint;
  readonly devMajor: number;
  readonly devMinor: number;
  /** DT_. */
  readonly type: number;
  /** Where a listing goes on after it. */
  readonly cookie: number;
}

/** A file that a client has open. */
export interface OpenedFile {
  /** Fewer than fit at the end of the file only. Returns how many. */
  read(into: Uint8Array, offset: number): Op<number>;
  /** Returns how many were written. */
  write(bytes: Uint8Array, offset: number): Op<number>;
  sync(): Op<void>;
  /** close(2) of the last descriptor. */
  flush(): Op<void>;
  allocate(mode: number, offset: number, length: number): Op<void>;
  /**
   * Of a directory: names after `cookie` (0: from the beginning), "." and ".." among them, as many
   * as there are at hand; none at the end.
   */
  list(cookie: number): Op<readonly ListedName[]>;
  close(): Op<void>;
}
