// The public API's types: what boot() takes and what a Kernel, a Process and kernel.fs offer.
// Types only; the implementation is worker/kernel-client.ts (page side) and worker/kernel-host.ts.

/// <reference lib="esnext.disposable" preserve="true" />

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
      readonly type: 'bind';
      /** Absolute path of the directory or file to bind. */
      readonly source: string;
      readonly options?: MountOptions;
    };

export interface MountOptions {
  readonly readOnly?: boolean;
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
  /** How long to wait for another tab to release the store, in milliseconds. Default: 5000. */
  readonly lockTimeout?: number;
  /**
   * What to do when the browser reports that it lost the database: 'fail' (default) refuses to
   * mount and says so; 'format' starts an empty filesystem, which gives up what was lost.
   */
  readonly onDataLoss?: 'fail' | 'format';
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

/** State of the last commit of a persistent filesystem, for a user interface. */
export interface CommitState {
  /** Bytes changed and not yet committed. */
  readonly dirtyBytes: number;
  /** True while a commit is under way. */
  readonly committing: boolean;
  /** Number of commits since the mount. */
  readonly commits: number;
  /** Time of the last finished commit in ms since 1970, or null. */
  readonly lastCommit: number | null;
  /** Why the last commit failed, or null. */
  readonly error: string | null;
}

export interface MountInfo {
  readonly path: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
  /** Null for filesystems that keep nothing. */
  readonly commit: CommitState | null;
}

export interface Kernel {
  readonly fs: FileSystem;
  /** How spawn() runs programs by default on this page. */
  readonly isolation: Isolation;
  spawn(program: Program, options?: SpawnOptions): Promise<Process>;
  mount(path: string, spec: MountSpec): Promise<void>;
  umount(path: string): Promise<void>;
  /** Changes a mount's options in place, as mount -o remount does. */
  remount(path: string, options: MountOptions): Promise<void>;
  mounts(): Promise<MountInfo[]>;
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
  close(): Promise<void>;
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
  rename(oldPath: string, newPath: string): Promise<void>;
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
}
