// The messages between the tab that holds a store (the holder) and another one that uses it (a
// client): calls on the holder's filesystem with their replies, and what the holder tells unasked.
//
// They are objects that can be cloned: BroadcastChannel clones whatever it carries, and bytes would
// only be wrapped once more. A call is a method of the Filesystem and FileDescription contracts
// (src/vfs), not a system call: those lack what crosses tabs (the caller's rights, owners of locks,
// many open files' places), and have descriptors, which each tab keeps for itself.

import { O_CREAT, O_TMPFILE, O_TRUNC } from '../../abi/fcntl.ts';
import type { Stat, Statfs } from '../../abi/stat.ts';
import type { InodeHint } from '../../vfs/exported.ts';
import type { CommitStatus } from '../../vfs/filesystem.ts';
import type { MkdirOptions, OpenOptions, SetStat, SetXattr } from '../../vfs/options.ts';

/** Both ends must have the same. It changes with every change of this file. */
export const PROTOCOL_VERSION = 4;

/** Most bytes of data in one message. */
export const DATA_SIZE_MAX = 1 << 20;
/** Most entries of a directory in one message. */
export const ENTRIES_MAX = 1024;

/** The handle of the filesystem's root. */
export const ROOT_HANDLE = 1;

/** Whose rights a call has. */
export interface WireCredentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A path to be resolved by the holder, up to the first thing that is the client's affair. */
export interface WirePath {
  readonly creds: WireCredentials;
  /** Flags of the client's mount, as encodeMountFlags() has them. */
  readonly mount: number;
  /** Handle of the directory it starts from. */
  readonly start: number;
  /** May be empty: `start` itself. */
  readonly path: string;
  readonly mustBeDir: boolean;
  readonly followsFinalSymlink: boolean;
}

/** A dentry of the holder's that the client may refer to, by its handle. */
export interface WireDentry {
  readonly handle: number;
  readonly ino: number;
  readonly name: string;
  readonly isDir: boolean;
  readonly isDead: boolean;
}

/** A dentry, then its parents up to the root; each mention counts once more until forgotten. */
export type Chain = readonly WireDentry[];

/**
 * Where a resolution had to stop: at a symlink, at "..", or on a mount point of the client's. That
 * many components were consumed. `at` is the directory it stands on, or the mount point.
 */
export interface Stop {
  readonly reason: 'symlink' | 'dotdot' | 'mount';
  readonly consumed: number;
  readonly at: Chain;
  /** Of the symlink, else empty. */
  readonly target: string;
}

/** What a call by path gives: its value, or why it was not made. */
export type AtPath<T> = { readonly value: T; readonly stop?: undefined } | { readonly stop: Stop };

export interface FoundParent {
  readonly at: Chain;
  readonly consumed: number;
}

/** 'device' takes any offset, 'stream' has none. */
export type FileKind = 'regular' | 'directory' | 'device' | 'stream';

export interface OpenedFile {
  readonly at: Chain;
  readonly kind: FileKind;
  /** POLL bits, of a stream. */
  readonly readiness: number;
}

export interface WireEntry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly cookie: number;
}

/** A byte range; `end` may be Infinity. */
export interface WireRange {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/** The name to be renamed. */
export interface WireRenameSource {
  /** Handle of its directory; undefined if it lies in another mount. */
  readonly parent: number | undefined;
  readonly name: string;
  readonly mustBeDir: boolean;
}

/** Files are numbered by the client. A lock's owner is 0 for the open file itself. */
export interface RelayCalls {
  // By path.
  access(at: WirePath, bits: number): AtPath<void>;
  getDentry(at: WirePath): AtPath<Chain>;
  getParent(at: WirePath): AtPath<FoundParent>;
  /** `target`: undefined if it lies in another mount. */
  link(at: WirePath, target: number | undefined): AtPath<void>;
  mkdir(at: WirePath, options: MkdirOptions): AtPath<void>;
  mknod(
    at: WirePath,
    options: { readonly mode: number; readonly umask: number; readonly rdev: number },
  ): AtPath<void>;
  open(at: WirePath, file: number, options: OpenOptions): AtPath<OpenedFile>;
  getXattr(at: WirePath, name: string): AtPath<Uint8Array>;
  setXattr(at: WirePath, change: SetXattr): AtPath<void>;
  listXattr(at: WirePath): AtPath<string[]>;
  removeXattr(at: WirePath, name: string): AtPath<void>;
  readlink(at: WirePath): AtPath<string>;
  rename(at: WirePath, source: WireRenameSource, flags: number): AtPath<void>;
  rmdir(at: WirePath): AtPath<void>;
  setStat(at: WirePath, change: SetStat): AtPath<void>;
  stat(at: WirePath): AtPath<Stat>;
  statfsAt(at: WirePath): AtPath<Statfs>;
  symlink(at: WirePath, target: string): AtPath<void>;
  unlink(at: WirePath): AtPath<void>;

  // On a dentry, or on the whole.
  statDentry(handle: number): Stat;
  statfs(): Statfs;
  sync(): void;
  /** Answered after all that was posted has been done. */
  told(): void;

  // On an open file. `isQuiet`: no watch is told.
  pread(file: number, length: number, offset: number, isQuiet: boolean): Uint8Array;
  pwrite(file: number, bytes: Uint8Array, offset: number, isQuiet: boolean): number;
  /** Of a file with O_APPEND: how much was written, and the offset behind it. */
  append(
    file: number,
    bytes: Uint8Array,
    isQuiet: boolean,
  ): { readonly count: number; readonly end: number };
  readStream(file: number, length: number, isQuiet: boolean): Uint8Array;
  writeStream(file: number, bytes: Uint8Array, isQuiet: boolean): number;
  /** How many bytes it takes at most. */
  waitForRoom(file: number): number;
  /** `offset`: of the bytes in the file they come from. */
  splice(file: number, bytes: Uint8Array, offset: number): number;
  seek(file: number, offset: number, whence: number): number;
  list(file: number, position: number, count: number): WireEntry[];
  fstat(file: number): Stat;
  fsetStat(file: number, change: SetStat, creds: WireCredentials): void;
  allocate(file: number, mode: number, offset: number, length: number): void;
  fsync(file: number, dataOnly: boolean): void;
  fgetXattr(file: number, name: string, creds: WireCredentials): Uint8Array;
  fsetXattr(file: number, change: SetXattr, creds: WireCredentials): void;
  flistXattr(file: number, creds: WireCredentials): string[];
  fremoveXattr(file: number, name: string, creds: WireCredentials): void;
  setFlags(file: number, flags: number): void;
  readableBytes(file: number): number;
  flock(file: number, operation: number, mustNotWait: boolean): void;
  setLock(file: number, owner: WireLockOwner, range: WireRange, mayWait: boolean): void;
  getLock(
    file: number,
    owner: WireLockOwner,
    range: WireRange,
  ): (WireRange & { readonly pid: number }) | undefined;
}

export interface WireLockOwner {
  /** 0: the open file. */
  readonly id: number;
  readonly pid: number;
}

export type CallName = keyof RelayCalls;
export type CallArguments<Name extends CallName> = Parameters<RelayCalls[Name]>;
export type CallResult<Name extends CallName> = ReturnType<RelayCalls[Name]>;

/** What needs no reply. They are done in the order of the messages. */
export interface RelayPosts {
  closeFile(file: number): void;
  /** Handles that were mentioned that often, and are not needed any more. */
  forget(mentions: readonly (readonly [handle: number, count: number])[]): void;
  countMount(handle: number, change: 1 | -1): void;
  watch(handle: number): void;
  unwatch(ino: number): void;
  notify(file: number, events: number): void;
  accessed(file: number): void;
  releaseLocks(file: number, owner: number): void;
  /** The status is wanted, changed or not. */
  askStatus(): void;
}

export type PostName = keyof RelayPosts;
export type PostArguments<Name extends PostName> = Parameters<RelayPosts[Name]>;

/** Calls that change what is stored: they are made exactly once, whoever holds the store. */
const CHANGING: ReadonlySet<CallName> = new Set<CallName>([
  'link',
  'mkdir',
  'mknod',
  'setXattr',
  'removeXattr',
  'rename',
  'rmdir',
  'setStat',
  'symlink',
  'unlink',
  'pwrite',
  'append',
  'fsetStat',
  'allocate',
  'fsetXattr',
  'fremoveXattr',
]);

export function isChanging(name: CallName, args: readonly unknown[]): boolean {
  if (name !== 'open') return CHANGING.has(name);
  const { flags } = (args as CallArguments<'open'>)[2];
  return (flags & (O_CREAT | O_TRUNC)) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
}

/** Is it a change that was not made, as the path leads on at the client? */
export function wasStopped(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'stop' in value;
}

/** The dentry, with its parents, that the reply to a call mentions. */
export function mentionedIn(name: CallName, value: unknown): Chain | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const result = value as { readonly value?: unknown; readonly stop?: Stop };
  if (result.stop !== undefined) return result.stop.at;
  if (name === 'getDentry') return result.value as Chain;
  if (name === 'getParent' || name === 'open') return (result.value as FoundParent).at;
  return undefined;
}

/** When a change was made: the holder's epoch, and its number among all changes of that. */
export interface Stamp {
  readonly epoch: number;
  readonly number: number;
}

/** What a handle or file stands for: enough to find it again at another holder. */
export interface WireHandle extends InodeHint {
  readonly handle: number;
  readonly mentions: number;
}

export interface WireFile extends InodeHint {
  readonly file: number;
  readonly flags: number;
  readonly creds: WireCredentials;
  readonly mount: number;
  readonly kind: FileKind;
}

export interface WireLocks {
  readonly file: number;
  readonly owner: WireLockOwner;
  readonly ranges: readonly WireRange[];
}

/** What a client has, for a holder that doesn't know it yet. */
export interface Attachment {
  /** Of the holder it had, 0 if none. */
  readonly epoch: number;
  readonly handles: readonly WireHandle[];
  readonly files: readonly WireFile[];
  readonly flocks: readonly { readonly file: number; readonly operation: number }[];
  readonly ranges: readonly WireLocks[];
  readonly mountPoints: readonly (readonly [handle: number, count: number])[];
  readonly watches: readonly InodeHint[];
  /** No inode that it knows has this number or a higher one. */
  readonly inodesBelow: number;
}

/** A change that may not be in the store: one without a stamp was not answered. */
export interface Change {
  readonly tag: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
  readonly stamp: Stamp | undefined;
  /** The inode it made, if it did; 0 if not, or if that isn't known. */
  readonly madeIno: number;
  /** What its arguments refer to, as it was then. */
  readonly handles: readonly WireHandle[];
  readonly file: WireFile | undefined;
}

export type ClientMessage =
  | { readonly type: 'attach'; readonly attachment: Attachment }
  | { readonly type: 'redo'; readonly change: Change }
  /** All changes have been sent. */
  | { readonly type: 'redone' }
  | {
      readonly type: 'call';
      readonly tag: number;
      readonly name: CallName;
      readonly args: readonly unknown[];
      /** Tags of changes whose replies have arrived since the last message. */
      readonly received: readonly number[];
    }
  | { readonly type: 'cancel'; readonly tag: number }
  | { readonly type: 'post'; readonly name: PostName; readonly args: readonly unknown[] };

export interface Reply {
  readonly type: 'reply';
  readonly tag: number;
  readonly value: unknown;
  /** 0, or what went wrong. */
  readonly errno: number;
  /** Of a change that was made. */
  readonly stamp: Stamp | undefined;
  /** The inode that the change made; 0 if none. */
  readonly madeIno: number;
}

/** How the holder's filesystem is, and what is stored of it: the same for every tab. */
export type HolderStatus = Pick<CommitStatus, 'health' | 'lastError' | 'mirror'>;

/** What of a client's could not be had again. */
export interface Losses {
  readonly handles: readonly number[];
  readonly files: readonly number[];
}

export type HolderMessage =
  | Reply
  /** The client's state is as it was, but for what was lost: calls may come. */
  | { readonly type: 'attached'; readonly epoch: number; readonly losses: Losses }
  | {
      readonly type: 'event';
      readonly ino: number;
      readonly mask: number;
      readonly cookie: number;
      readonly name: string;
      readonly isUnlinked: boolean;
    }
  /** The watches on a file have ended. */
  | { readonly type: 'unwatched'; readonly ino: number }
  /** A dentry has moved, or was removed. */
  | { readonly type: 'moved'; readonly at: Chain }
  | { readonly type: 'readiness'; readonly file: number; readonly bits: number }
  /** All changes up to this one are committed. */
  | { readonly type: 'committed'; readonly stamp: Stamp }
  /** Comes before the reply to what changed it. */
  | { readonly type: 'status'; readonly status: HolderStatus };
