// Options of VFS operations. Mirrors gVisor pkg/sentry/vfs/options.go.

import type { Timespec } from '../lib/clock.ts';
import type { VirtualDentry } from './dentry.ts';
import type { SocketEndpoint } from './socket.ts';

export interface OpenOptions {
  /** O_ flags, reduced to O_VALID. */
  readonly flags: number;
  /** Permissions of a file this call creates, before the umask. */
  readonly mode: number;
  /** Permissions it doesn't get. */
  readonly umask: number;
}

export interface MkdirOptions {
  /** Permissions, before the umask. */
  readonly mode: number;
  /** Permissions it doesn't get. */
  readonly umask: number;
}

export interface MknodOptions {
  /** Type and permissions, before the umask. Type 0 stands for a regular file. */
  readonly mode: number;
  /** Permissions it doesn't get. */
  readonly umask: number;
  /** Of a device. */
  readonly rdev: number;
  /** Of a socket: who listens there. */
  readonly endpoint?: SocketEndpoint;
}

/** An extended attribute to be set. */
export interface SetXattr {
  readonly name: string;
  readonly value: Uint8Array;
  /** XATTR_CREATE, XATTR_REPLACE, or 0 for either. */
  readonly flags: number;
}

/** What is to be renamed. */
export interface RenameSource {
  readonly parent: VirtualDentry;
  readonly name: string;
  /** A slash followed the name. */
  readonly mustBeDir: boolean;
}

export interface RenameOptions {
  /** RENAME_ flags. */
  readonly flags: number;
}

/** A change of attributes; undefined fields stay as they are. */
export interface SetStat {
  readonly mode?: number;
  /** NO_ID leaves it. */
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** nsec may be UTIME_NOW or UTIME_OMIT. */
  readonly atime?: Timespec;
  readonly mtime?: Timespec;
  /**
   * By truncate(2): setting the size needs write permission on the file, which a writable
   * description has already; and the times may stay if the size does. Linux: do_truncate().
   */
  readonly checkWrite?: boolean;
}
