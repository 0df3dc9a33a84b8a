// The public API's types: what boot() takes and what a Kernel, a Process and kernel.fs offer.
// Types only; the implementation is worker/kernel-client.ts (page side) and worker/kernel-host.ts.

/// <reference lib="esnext.disposable" preserve="true" />

import type { LinkChange, Links, UmountOptions } from './api-links.ts';
import type { HolderChange, MountInfo, StorageInfo } from './api-storage.ts';
import type { GoferOptions } from './fs/gofer/mount-options.ts';
import type { Snapshots } from './api-snapshots.ts';
import type { Archives } from './archive/options.ts';
import type { Stores } from './image/options.ts';

/** A filesystem to mount. `source` names the store (idbfs); options depend on the type. */
export type MountSpec =
  | {
      readonly type: 'idbfs';
      /** Name of the store within this origin. Default: 'default'. */
      readonly source?: string;
      readonly options?: IdbfsOptions & MountOptions;
    }
  | { readonly type: 'tmpfs'; readonly options?: TmpfsOptions & MountOptions }
  | { readonly type: 'devfs'; readonly options?: MountOptions }
  | {
      readonly type: 'gofer';
      /** What `burrowfs gofer` prints: ws://host:port/#token=… */
      readonly source: string;
      readonly options?: GoferOptions & MountOptions;
    }
  | {
      readonly type: 'bind';
      /** Absolute path of the directory or file to bind. */
      readonly source: string;
      readonly options?: MountOptions;
    };

export interface MountOptions {
  readonly readOnly?: boolean;
  /** Device nodes don't open: EACCES. */
  readonly nodev?: boolean;
  /** Programs can't be started from it: EACCES. */
  readonly noexec?: boolean;
  readonly noatime?: boolean;
}

export interface TmpfsOptions {
  /**
   * Limit in bytes, or a string as mount(8) takes it: '64m', '1g', '50%'. 0 means no limit.
   * Default: 512 MiB.
   */
  readonly size?: number | string;
  /** Limit on inodes; 0 means no limit. */
  readonly nrInodes?: number;
  /** Mode of the root directory. Default: 0o1777. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface IdbfsOptions {
  /** Bound of the cache for clean data, in bytes. Default: 64 MiB. */
  readonly cacheSize?: number;
  /**
   * Largest amount of unwritten data before a background commit starts, in bytes. Default: 8 MiB.
   */
  readonly dirtyLimit?: number;
  /** Time between a change and its background commit, in milliseconds. Default: 1000. */
  readonly commitInterval?: number;
  /**
   * How long the tab that has the store is given to share it (or, with sharing 'none', to release
   * it), in milliseconds. Default: 5000.
   */
  readonly lockTimeout?: number;
  /**
   * 'tabs' (default): other tabs of the site may use the store at the same time, through the one
   * that has it open. 'none': it is this kernel's alone.
   */
  readonly sharing?: 'tabs' | 'none';
  /**
   * What to do when something that was stored is lost or damaged and no other copy has it: 'fail'
   * (default) refuses to mount and says so; 'format' starts an empty filesystem if nothing is left;
   * 'accept' goes on with what is left, if there is something.
   */
  readonly onDataLoss?: 'fail' | 'format' | 'accept';
  /**
   * 'mirrored' (default): in IndexedDB and in a file of OPFS beside it, where the browser has OPFS:
   * what one of them loses is restored from the other. Takes twice the room. 'indexeddb': there
   * alone; a file that is there is copied back and removed.
   */
  readonly media?: 'mirrored' | 'indexeddb';
  /**
   * Name of a snapshot or clone of the store, which is mounted in place of its main tree: read-only
   * if it was made so. Mounts of one store share its lock and cache: `cacheSize`, `lockTimeout`,
   * `onDataLoss` and `media` of the first one count.
   */
  readonly snapshot?: string;
}

export interface BootOptions {
  /**
   * Mount point → filesystem. '/' defaults to idbfs 'default'; '/dev' to devfs; '/tmp' to tmpfs.
   */
  readonly mounts?: Readonly<Record<string, MountSpec>>;
  /**
   * Where programs run when spawn() doesn't say. Default: 'worker' if crossOriginIsolated, else
   * 'inline'.
   */
  readonly isolation?: Isolation;
  /**
   * Events that wait in a program's inotify instance before the rest becomes one IN_Q_OVERFLOW.
   * Default: 16,384, as on Linux.
   */
  readonly inotifyQueueMax?: number;
  /** Ask the browser to keep what is stored once an idbfs is mounted. Default: true. */
  readonly persist?: boolean;
  /** Told when another tab, this one, or none has come to hold a store, or the other is silent. */
  readonly onHolderChange?: (change: HolderChange) => void;
  /** Told when the link of a gofer breaks, is there again or is given up, and of its latency. */
  readonly onLinkChange?: (change: LinkChange) => void;
  /** Aborts booting (for example while waiting for another tab's lock). */
  readonly signal?: AbortSignal;
}

/**
 * 'worker': a thread of its own, needs cross-origin isolation. 'inline': in the kernel worker; JSPI
 * when it must wait.
 */
export type Isolation = 'worker' | 'inline';

/** A path in the VFS, a URL, the bytes of a module, or a compiled module. */
export type Program = string | URL | Uint8Array | ArrayBuffer | WebAssembly.Module;

/** A terminal a program's stdio can be attached to. Web streams of bytes plus a size. */
export interface Terminal {
  /** Bytes typed by the user. The kernel reads; the terminal's owner writes. */
  readonly input: ReadableStream<Uint8Array>;
  /** Bytes to show. */
  readonly output: WritableStream<Uint8Array>;
}

export type StdinSpec = 'null' | 'pipe' | Terminal | ReadableStream<Uint8Array>;
export type StdoutSpec = 'null' | 'pipe' | 'inherit' | Terminal | WritableStream<Uint8Array>;

export interface SpawnOptions {
  /** argv[1..]; argv[0] is the program's name unless `argv0` says otherwise. */
  readonly args?: readonly string[];
  readonly argv0?: string;
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Working directory. WASI preview1 has none: see the README on how relative paths find it.
   * Default '/'.
   */
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly umask?: number;
  /** Guest path → VFS path. Default: { '/': '/' }. */
  readonly preopens?: Readonly<Record<string, string>>;
  /** Default 'null'. */
  readonly stdin?: StdinSpec | { readonly file: string };
  /**
   * Default 'pipe'. 'inherit' writes to the page's console. A file is created or truncated, or
   * appended to.
   */
  readonly stdout?: StdoutSpec | { readonly file: string; readonly append?: boolean };
  readonly stderr?: StdoutSpec | { readonly file: string; readonly append?: boolean };
  readonly isolation?: Isolation;
  /**
   * Told about the download (bytes so far, bytes in all or 0 if unknown) when the program is a URL.
   */
  readonly onProgress?: (loaded: number, total: number) => void;
}

export interface ExitStatus {
  /** The exit code; 128 + signal number when a signal ended the program, 134 after a trap. */
  readonly code: number;
  /** 'SIGKILL', 'SIGINT' …, or null when the program ended by itself. */
  readonly signal: string | null;
  /** A sentence for the user when the program trapped; otherwise null. */
  readonly error: string | null;
}

export interface Process {
  readonly pid: number;
  /** Set when stdin is 'pipe'. */
  readonly stdin: WritableStream<Uint8Array> | null;
  /** Set when stdout is 'pipe'. */
  readonly stdout: ReadableStream<Uint8Array> | null;
  /** Set when stderr is 'pipe'. */
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly exited: Promise<ExitStatus>;
  /** Ends the program at once. Files it wrote stay as they are at that moment. */
  kill(signal?: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<void>;
}

export interface Kernel extends Archives, Links, Snapshots, Stores {
  readonly fs: FileSystem;
  /** How spawn() runs programs by default on this page. */
  readonly isolation: Isolation;
  spawn(program: Program, options?: SpawnOptions): Promise<Process>;
  mount(path: string, spec: MountSpec): Promise<void>;
  umount(path: string, options?: UmountOptions): Promise<void>;
  /** Changes a mount's options in place, as mount -o remount does. */
  remount(path: string, options: MountOptions): Promise<void>;
  mounts(): Promise<MountInfo[]>;
  /** Asks the browser. */
  storage(): Promise<StorageInfo>;
  /**
   * Makes a socket at a path and listens there: a program that opens the file is connected. Rejects
   * with EADDRINUSE if there is a file.
   */
  listen(path: string, options?: { mode?: number; signal?: AbortSignal }): Promise<SocketServer>;
  /** Resolves when everything written before the call is on stable storage. */
  sync(): Promise<void>;
  /** Ends every program, commits, unmounts and stops the kernel worker. */
  shutdown(): Promise<void>;
}

/**
 * A time to set: milliseconds-precision Date, seconds (as in node:fs), or nanoseconds since 1970.
 */
export type TimeLike = Date | number | bigint;

/** As node:fs's Stats: numbers, Dates, and the nanosecond fields of BigIntStats. */
export interface Stats {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

export interface Dirent {
  readonly name: string;
  readonly parentPath: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

export type Encoding = 'utf8' | 'utf-8';
export type Data = string | Uint8Array | ArrayBuffer | DataView;
/** 'r', 'r+', 'rs+', 'w', 'wx', 'w+', 'wx+', 'a', 'ax', 'a+', 'ax+', or O_ flags. */
export type OpenFlags = string | number;

export interface FileHandle extends AsyncDisposable {
  readonly fd: number;
  read(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: Uint8Array }>;
  write(
    data: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array }>;
  write(data: string, position?: number | null): Promise<{ bytesWritten: number; buffer: string }>;
  readFile(options: Encoding | { encoding: Encoding }): Promise<string>;
  readFile(options?: { encoding?: null }): Promise<Uint8Array>;
  writeFile(data: Data): Promise<void>;
  appendFile(data: Data): Promise<void>;
  stat(): Promise<Stats>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void>;
  truncate(length?: number): Promise<void>;
  /** Resolves when the file's data and metadata are on stable storage. */
  sync(): Promise<void>;
  datasync(): Promise<void>;
  /** A copy from this file's `offset`, or its own, to another's. Resolves with the bytes copied. */
  copyRange(
    target: FileHandle,
    length: number,
    options?: { offset?: number | null; targetOffset?: number | null },
  ): Promise<number>;
  /** lseek(2): SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA or SEEK_HOLE; see `constants`. */
  seek(offset: number, whence?: number): Promise<number>;
  /** fallocate(2): FALLOC_FL_ flags; see `constants`. */
  allocate(offset: number, length: number, mode?: number): Promise<void>;
  /** Gives the file another name, or its first one if it was made with O_TMPFILE. */
  link(path: string): Promise<void>;
  /** flock(2), held until it is unlocked or the handle is closed. Waits unless `wait` is false. */
  flock(
    mode: 'shared' | 'exclusive' | 'unlock',
    options?: { wait?: boolean; signal?: AbortSignal },
  ): Promise<void>;
  /**
   * A byte-range lock of this handle (F_OFD_SETLK): it conflicts with programs' record locks.
   * Rejects with EAGAIN if `wait` is false and another one is in the way.
   */
  lock(
    type: 'read' | 'write' | 'unlock',
    options?: { start?: number; length?: number; wait?: boolean; signal?: AbortSignal },
  ): Promise<void>;
  /** What is in the way of such a lock, or null. */
  findLock(
    type: 'read' | 'write',
    options?: { start?: number; length?: number },
  ): Promise<FileLock | null>;
  setxattr(name: string, value: Data, options?: { flag?: 'create' | 'replace' }): Promise<void>;
  getxattr(name: string): Promise<Uint8Array>;
  listxattr(): Promise<string[]>;
  removexattr(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface FileLock {
  readonly type: 'read' | 'write';
  readonly start: number;
  /** 0: to the end of the file, however far it grows. */
  readonly length: number;
  /** The process that holds it; -1 for an open file description. */
  readonly pid: number;
}

/** A program that opened the socket's file, as a stream each way. */
export interface SocketConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** Somebody who listens at a socket in the tree: iterate over it for the connections. */
export interface SocketServer extends AsyncIterable<SocketConnection>, AsyncDisposable {
  readonly path: string;
  /** The file stays, and opening it fails with ENXIO. */
  close(): Promise<void>;
}

/** What inotify(7) tells, with paths. */
export interface WatchEvent {
  readonly type:
    | 'create'
    | 'delete'
    | 'modify'
    | 'attrib'
    | 'access'
    | 'open'
    | 'close'
    | 'moved-from'
    | 'moved-to'
    | 'delete-self'
    | 'move-self'
    | 'unmount'
    /** Events were lost, as more were waiting than the kernel keeps: look for yourself. */
    | 'overflow';
  readonly path: string;
  /** The same number for both ends of a move; 0 for everything else. */
  readonly cookie: number;
  readonly isDirectory: boolean;
}

export interface Watcher extends AsyncIterable<WatchEvent>, AsyncDisposable {
  /** Resolves when it is in place: what is done from then on is told of. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** Options of extended attributes; `follow` (default true) goes on to a symlink's target. */
export interface XattrOptions {
  follow?: boolean;
}

export interface Dir extends AsyncIterable<Dirent>, AsyncDisposable {
  readonly path: string;
  read(): Promise<Dirent | null>;
  close(): Promise<void>;
}

/** Shaped like node:fs/promises. Paths are absolute, or relative to '/'. Rejects with FsError. */
export interface FileSystem {
  readonly constants: Readonly<Record<string, number>>;
  open(path: string, flags?: OpenFlags, mode?: number): Promise<FileHandle>;
  readFile(
    path: string,
    options: Encoding | { encoding: Encoding; flag?: OpenFlags; signal?: AbortSignal },
  ): Promise<string>;
  readFile(
    path: string,
    options?: { encoding?: null; flag?: OpenFlags; signal?: AbortSignal },
  ): Promise<Uint8Array>;
  writeFile(
    path: string,
    data: Data,
    options?: Encoding | { mode?: number; flag?: OpenFlags; flush?: boolean; signal?: AbortSignal },
  ): Promise<void>;
  appendFile(path: string, data: Data, options?: { mode?: number; flush?: boolean }): Promise<void>;
  mkdir(
    path: string,
    options?: number | { recursive?: boolean; mode?: number },
  ): Promise<string | undefined>;
  readdir(
    path: string,
    options?: { withFileTypes?: false; recursive?: boolean },
  ): Promise<string[]>;
  readdir(path: string, options: { withFileTypes: true; recursive?: boolean }): Promise<Dirent[]>;
  opendir(path: string): Promise<Dir>;
  rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void>;
  rmdir(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** `flag`, as renameat2(2): fail if there is something, swap both, leave a whiteout behind. */
  rename(
    oldPath: string,
    newPath: string,
    options?: { flag?: 'noreplace' | 'exchange' | 'whiteout' },
  ): Promise<void>;
  link(existingPath: string, newPath: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  realpath(path: string): Promise<string>;
  stat(path: string): Promise<Stats>;
  lstat(path: string): Promise<Stats>;
  statfs(path: string): Promise<StatFs>;
  chmod(path: string, mode: number): Promise<void>;
  chown(path: string, uid: number, gid: number): Promise<void>;
  lchown(path: string, uid: number, gid: number): Promise<void>;
  utimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void>;
  lutimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void>;
  truncate(path: string, length?: number): Promise<void>;
  access(path: string, mode?: number): Promise<void>;
  copyFile(source: string, destination: string, mode?: number): Promise<void>;
  cp(
    source: string,
    destination: string,
    options?: {
      recursive?: boolean;
      force?: boolean;
      errorOnExist?: boolean;
      preserveTimestamps?: boolean;
      dereference?: boolean;
    },
  ): Promise<void>;
  mkdtemp(prefix: string): Promise<string>;
  /**
   * Tells of changes to a file, a directory and what is in it, or, with `recursive`, a whole tree.
   * Starts at once. `all` adds access, open and close. Ends when `signal` aborts, without an error.
   */
  watch(
    path: string,
    options?: { recursive?: boolean; all?: boolean; signal?: AbortSignal },
  ): Watcher;
  mkfifo(path: string, mode?: number): Promise<void>;
  /** A file of the type in `mode`: S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR or S_IFBLK. */
  mknod(path: string, mode: number, dev?: number): Promise<void>;
  setxattr(
    path: string,
    name: string,
    value: Data,
    options?: XattrOptions & { flag?: 'create' | 'replace' },
  ): Promise<void>;
  getxattr(path: string, name: string, options?: XattrOptions): Promise<Uint8Array>;
  listxattr(path: string, options?: XattrOptions): Promise<string[]>;
  removexattr(path: string, name: string, options?: XattrOptions): Promise<void>;
}
