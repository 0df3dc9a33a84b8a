// Kernel: the mounts, the tasks and what they share. Runs in the kernel worker, or in Node for
// tests. Mirrors gVisor pkg/sentry/kernel/kernel.go.

import { linuxerr } from '../abi/errno.ts';
import { O_DIRECTORY, O_PATH, O_RDWR } from '../abi/fcntl.ts';
import { makeDev } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import { ROOT_CREDENTIALS } from '../auth/credentials.ts';
import { Devfs } from '../fs/devfs/devfs.ts';
import { Idbfs } from '../fs/idbfs/idbfs.ts';
import { Tmpfs, type TmpfsOptions } from '../fs/tmpfs/tmpfs.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, waitFor } from '../lib/op.ts';
import type { Store } from '../store/store.ts';
import { decRefVd, type VirtualDentry } from '../vfs/dentry.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { CommitStatus, Filesystem } from '../vfs/filesystem.ts';
import type { MountFlags } from '../vfs/mount.ts';
import { checkPathText } from '../vfs/resolving-path.ts';
import { type MountSource, VirtualFilesystem } from '../vfs/virtual-filesystem.ts';
import { Pipefs, type StreamOptions } from './streams.ts';
import { Task } from './task.ts';
import { TaskSyscalls } from './task-syscalls.ts';

export interface KernelMountOptions {
  readonly readOnly?: boolean;
  readonly noatime?: boolean;
}

/** What to mount: MountSpec of the public API, as the kernel takes it. */
export type KernelMountSpec =
  | {
      readonly type: 'idbfs';
      readonly source?: string;
      readonly options?: IdbfsMountOptions & KernelMountOptions;
    }
  | { readonly type: 'tmpfs'; readonly options?: TmpfsOptions & KernelMountOptions }
  | { readonly type: 'devfs'; readonly options?: KernelMountOptions }
  | { readonly type: 'bind'; readonly source: string; readonly options?: KernelMountOptions };

export interface IdbfsMountOptions {
  readonly cacheSize?: number;
  readonly dirtyLimit?: number;
  readonly commitInterval?: number;
  readonly lockTimeout?: number;
  readonly onDataLoss?: 'fail' | 'format';
}

export interface KernelPlatform {
  readonly clock: Clock;
  readonly fillRandom: (buffer: Uint8Array) => void;
  /** Opens the store of an idbfs. Errors: StoreError. */
  readonly openStore: (source: string, options: IdbfsMountOptions) => Promise<Store>;
}

export interface MountRow {
  readonly path: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
  readonly commit: CommitStatus | undefined;
}

/** pid 1 is the kernel's own task, on whose behalf kernel.fs acts. */
const FIRST_PID = 2;
const DEFAULT_UMASK = 0o022;

export class Kernel {
  readonly vfs: VirtualFilesystem;
  readonly #platform: KernelPlatform;
  readonly #pipefs: Pipefs;
  /** Devices nobody has mounted: /dev/null for programs without a /dev. */
  readonly #devices: VirtualFilesystem;
  readonly #tasks = new Map<number, Task>();
  /** Stores in use, by name. */
  readonly #sources = new Map<string, Filesystem>();
  #nextPid = FIRST_PID;
  #nextDev: number;

  /**
   * Starts a kernel whose "/" is `root`.
   *
   * Errors: those of makeSource().
   */
  static *boot(platform: KernelPlatform, root: KernelMountSpec): Op<Kernel> {
    const source = yield* makeSource(platform, root, 1);
    return new Kernel(platform, source);
  }

  private constructor(platform: KernelPlatform, root: MountSource) {
    this.#platform = platform;
    this.#nextDev = 4;
    const { clock, fillRandom } = platform;
    this.vfs = new VirtualFilesystem(root);
    this.#pipefs = new Pipefs({ dev: makeDev(0, 2), clock });
    const devfs = new Devfs({ dev: makeDev(0, 3), clock, fillRandom });
    this.#devices = new VirtualFilesystem({
      filesystem: devfs,
      root: devfs.root,
      source: 'devfs',
      flags: flagsOf({}),
    });
    this.#noteSource(root);
  }

  get clock(): Clock {
    return this.#platform.clock;
  }

  // Mounts.

  /**
   * Mounts at a path, making the mount point if it doesn't exist.
   *
   * Errors: those of makeSource() and VirtualFilesystem.mount().
   */
  *mount(path: string, spec: KernelMountSpec): Op<void> {
    checkPathText(path);
    const root = this.vfs.root;
    if (spec.type === 'bind') {
      const from = yield* this.vfs.getDentryAt(ROOT_CREDENTIALS, this.#operation(spec.source));
      try {
        const { filesystem } = from.mount;
        if (filesystem.isDirectory(from.dentry)) yield* this.#makeDirectories(path);
        yield* this.vfs.mount(ROOT_CREDENTIALS, this.#operation(path), {
          filesystem,
          root: from.dentry,
          source: this.vfs.pathOf(from, root) ?? spec.source,
          flags: flagsOf(spec.options),
        });
      } finally {
        decRefVd(from);
      }
      return;
    }
    yield* this.#makeDirectories(path);
    const source = yield* makeSource(this.#platform, spec, this.#nextDev++, this.#sources);
    try {
      yield* this.vfs.mount(ROOT_CREDENTIALS, this.#operation(path), source);
    } catch (error) {
      yield* source.filesystem.release();
      throw error;
    }
    this.#noteSource(source);
  }

  *umount(path: string): Op<void> {
    try {
      yield* this.vfs.umount(ROOT_CREDENTIALS, this.#operation(path));
    } finally {
      const mounted = new Set(this.vfs.mounts.map(({ filesystem }) => filesystem));
      for (const [source, filesystem] of this.#sources) {
        if (!mounted.has(filesystem)) this.#sources.delete(source);
      }
    }
  }

  remount(path: string, options: KernelMountOptions): Op<void> {
    return this.vfs.remount(ROOT_CREDENTIALS, this.#operation(path), flagsOf(options));
  }

  get mounts(): MountRow[] {
    return this.vfs.mounts.map((mount) => ({
      path: this.vfs.pathOf({ mount, dentry: mount.root }) ?? '/',
      type: mount.filesystem.type,
      source: mount.source,
      readOnly: mount.isReadOnly,
      commit: mount.filesystem.commitStatus,
    }));
  }

  #noteSource({ filesystem, source }: { filesystem: Filesystem; source: string }): void {
    if (filesystem.type === 'idbfs') this.#sources.set(source, filesystem);
  }

  #operation(path: string): {
    root: VirtualDentry;
    start: VirtualDentry;
    path: string;
    followFinalSymlink: boolean;
  } {
    const { root } = this.vfs;
    return { root, start: root, path, followFinalSymlink: true };
  }

  *#makeDirectories(path: string): Op<void> {
    let made = '';
    for (const name of path.split('/').filter((part) => part !== '')) {
      made += `/${name}`;
      try {
        yield* this.vfs.mkdirAt(ROOT_CREDENTIALS, this.#operation(made), { mode: 0o755 });
      } catch (error) {
        if (error !== linuxerr.EEXIST) throw error;
      }
    }
  }

  // Tasks.

  /**
   * Makes a task at the kernel's root, with its system calls.
   *
   * Errors: those of resolving `cwd`; ENOTDIR if it isn't a directory, EACCES if it may not be
   * searched.
   */
  *createTask(options: {
    readonly creds?: Credentials;
    readonly cwd?: string;
    readonly umask?: number;
  }): Op<{ task: Task; sys: TaskSyscalls }> {
    const creds = options.creds ?? ROOT_CREDENTIALS;
    const { root } = this.vfs;
    const directory = yield* this.vfs.openAt(creds, this.#operation(options.cwd ?? '/'), {
      flags: O_DIRECTORY | O_PATH,
      mode: 0,
    });
    const task = new Task({
      pid: this.#nextPid++,
      vfs: this.vfs,
      creds,
      root,
      cwd: directory.vd,
      umask: options.umask ?? DEFAULT_UMASK,
    });
    directory.decRef();
    this.#tasks.set(task.pid, task);
    return { task, sys: new TaskSyscalls(task, this.clock) };
  }

  endTask(task: Task): void {
    task.end();
    this.#tasks.delete(task.pid);
  }

  /** A pipe's end, or a terminal. The caller gets the reference. */
  openStream(options: StreamOptions, creds: Credentials): FileDescription {
    return this.#pipefs.openStream(options, creds);
  }

  /** /dev/null, whether or not there is a /dev. */
  openNull(): Op<FileDescription> {
    const { root } = this.#devices;
    const operation = { root, start: root, path: 'null', followFinalSymlink: true };
    return this.#devices.openAt(ROOT_CREDENTIALS, operation, { flags: O_RDWR, mode: 0 });
  }

  /** Ends every task, commits and unmounts everything. Errors: the first one of a filesystem. */
  *shutdown(): Op<void> {
    for (const task of [...this.#tasks.values()]) this.endTask(task);
    yield* this.vfs.shutdown();
  }
}

function flagsOf(options: KernelMountOptions | undefined): MountFlags {
  return { readOnly: options?.readOnly === true, noatime: options?.noatime === true };
}

/**
 * Makes the filesystem of a mount.
 *
 * Errors: EINVAL for options that make no sense; EBUSY if the store is mounted already; StoreError.
 */
function* makeSource(
  platform: KernelPlatform,
  spec: KernelMountSpec,
  minor: number,
  sourcesInUse: ReadonlyMap<string, unknown> = new Map(),
): Op<MountSource> {
  const { clock, fillRandom } = platform;
  const dev = makeDev(0, minor);
  const flags = flagsOf(spec.options);
  switch (spec.type) {
    case 'tmpfs': {
      const filesystem = new Tmpfs({ ...spec.options, dev, clock });
      return { filesystem, root: filesystem.root, source: 'tmpfs', flags };
    }
    case 'devfs': {
      const filesystem = new Devfs({ dev, clock, fillRandom });
      return { filesystem, root: filesystem.root, source: 'devfs', flags };
    }
    case 'idbfs': {
      const source = spec.source ?? 'default';
      if (sourcesInUse.has(source)) throw linuxerr.EBUSY;
      const options = spec.options ?? {};
      const store = yield* waitFor(platform.openStore(source, options));
      try {
        const filesystem = yield* Idbfs.mount({ ...options, store, dev, clock });
        return { filesystem, root: filesystem.root, source, flags };
      } catch (error) {
        yield* store.close();
        throw error;
      }
    }
    default:
      throw linuxerr.EINVAL;
  }
}
