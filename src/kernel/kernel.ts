// Kernel: the mounts, the tasks and what they share. Runs in the kernel worker, or in Node for
// tests. Mirrors gVisor pkg/sentry/kernel/kernel.go.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { O_DIRECTORY, O_PATH, O_RDWR } from '../abi/fcntl.ts';
import { makeDev, S_IFSOCK, S_PERMISSIONS } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import { ROOT_CREDENTIALS } from '../auth/credentials.ts';
import { Devfs } from '../fs/devfs/devfs.ts';
import type { Idbfs } from '../fs/idbfs/idbfs.ts';
import { repairDevice } from '../fs/idbfs/repair.ts';
import { makeDevices } from '../fs/shared/devices.ts';
import type { StreamOptions } from '../fs/shared/stream-description.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, waitFor } from '../lib/op.ts';
import type { OpenDevice } from '../store/idb-store.ts';
import type { Store } from '../store/store.ts';
import { decRefVd } from '../vfs/dentry.ts';
import type { FileDescription } from '../vfs/file-description.ts';
import type { CommitStatus, StoreHolder } from '../vfs/filesystem.ts';
import { INOTIFY_QUEUE_MAX, type InotifyInstance } from '../vfs/inotify.ts';
import { MountNamespace, type MountSource } from '../vfs/mount-namespace.ts';
import type { Mount } from '../vfs/mount.ts';
import type { RemoteStatus } from '../vfs/remote-link.ts';
import { checkPathText, type PathOperation } from '../vfs/resolving-path.ts';
import type { SocketEndpoint } from '../vfs/socket.ts';
import { VirtualFilesystem } from '../vfs/virtual-filesystem.ts';
import {
  FilesystemTypes,
  type FilesystemTypesOptions,
  flagsOf,
  type KernelMountOptions,
  type KernelMountSpec,
  specOf,
} from './filesystem-types.ts';
import { heldStoreOf } from './held-store.ts';
import { Pipefs } from './pipefs.ts';
import type { MountRequest, Services } from './services.ts';
import { snapshotOf, Snapshots } from './snapshots.ts';
import { Task } from './task.ts';
import { TaskSyscalls } from './task-syscalls.ts';

export interface KernelPlatform {
  readonly clock: Clock;
  readonly fillRandom: (buffer: Uint8Array) => void;
  readonly openStore: FilesystemTypesOptions['openStore'];
  readonly tabs?: FilesystemTypesOptions['tabs'];
  readonly onHolderChanged?: FilesystemTypesOptions['onHolderChanged'];
  readonly onLinkChanged?: FilesystemTypesOptions['onLinkChanged'];
  readonly connectGofer?: FilesystemTypesOptions['connectGofer'];
  /** The medium of a source, for repairs; missing: there are none. Errors: StoreError. */
  readonly openDevice?: (source: string) => Promise<OpenDevice>;
}

export interface KernelOptions {
  /** Events waiting in an inotify instance before IN_Q_OVERFLOW. Default: 16,384. */
  readonly inotifyQueueMax?: number | undefined;
}

export interface MountRow {
  readonly path: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
  /** Name of the snapshot or clone of an idbfs; undefined: its main tree, or another type. */
  readonly snapshot: string | undefined;
  readonly commit: CommitStatus | undefined;
  readonly holder: StoreHolder | undefined;
  readonly link: RemoteStatus | undefined;
}

/** pid 1 is the kernel's own task, on whose behalf kernel.fs acts. */
const FIRST_PID = 2;
const DEFAULT_UMASK = 0o022;
/** Minor device numbers of filesystems that are mounted nowhere. */
const PIPEFS_MINOR = 0xffffe;
const DEVFS_MINOR = 0xfffff;

/** Instances of one user: EMFILE. Linux: fs.inotify.max_user_instances. */
const INOTIFY_INSTANCES_MAX = 128;

export class Kernel implements Services {
  readonly vfs: VirtualFilesystem;
  readonly snapshots: Snapshots;
  readonly #platform: KernelPlatform;
  readonly #options: KernelOptions;
  readonly #types: FilesystemTypes;
  readonly #pipefs: Pipefs;
  /** Devices nobody has mounted: /dev/null for programs without a /dev. */
  readonly #devices: VirtualFilesystem;
  readonly #tasks = new Map<number, Task>();
  /** Inotify instances in use, by user. */
  readonly #instances = new Map<number, number>();
  #nextPid = FIRST_PID;

  /**
   * Starts a kernel whose "/" is `root`.
   *
   * Errors: those of FilesystemTypes.make().
   */
  static *boot(
    platform: KernelPlatform,
    root: KernelMountSpec,
    options: KernelOptions = {},
  ): Op<Kernel> {
    const devices = makeDevices(platform.fillRandom);
    const types = new FilesystemTypes({ ...platform, devices });
    const source = yield* types.make(root);
    const { clock } = platform;
    const devfs = new Devfs({ dev: makeDev(0, DEVFS_MINOR), clock, devices });
    return new Kernel(platform, { types, source, devfs, options });
  }

  private constructor(
    platform: KernelPlatform,
    parts: {
      readonly types: FilesystemTypes;
      readonly source: MountSource;
      readonly devfs: Devfs;
      readonly options: KernelOptions;
    },
  ) {
    const { types, source, devfs, options } = parts;
    this.#platform = platform;
    this.#types = types;
    this.#options = options;
    this.vfs = new VirtualFilesystem(new MountNamespace(source));
    this.snapshots = new Snapshots({
      vfs: this.vfs,
      clock: platform.clock,
      tasks: () => this.#tasks.values(),
    });
    this.#pipefs = new Pipefs({ dev: makeDev(0, PIPEFS_MINOR), clock: platform.clock });
    this.#devices = new VirtualFilesystem(
      new MountNamespace({
        filesystem: devfs,
        root: devfs.root,
        source: 'devfs',
        flags: flagsOf({}),
      }),
    );
  }

  get clock(): Clock {
    return this.#platform.clock;
  }

  // Mounts.

  /**
   * Mounts at a path, making the mount point if it doesn't exist.
   *
   * Errors: those of FilesystemTypes.make() and VirtualFilesystem.mount().
   */
  *mount(path: string, spec: KernelMountSpec): Op<void> {
    checkPathText(path);
    const { root } = this.vfs.namespace;
    if (spec.type === 'bind') {
      const from = yield* this.vfs.getDentryAt(ROOT_CREDENTIALS, this.#operation(spec.source));
      try {
        if (from.dentry.isDir) yield* this.#makeDirectories(path);
        yield* this.vfs.mount(ROOT_CREDENTIALS, this.#operation(path), {
          filesystem: from.mount.filesystem,
          root: from.dentry,
          source: this.vfs.namespace.pathOf(from, root) ?? spec.source,
          flags: flagsOf(spec.options),
        });
      } finally {
        decRefVd(from);
      }
      return;
    }
    yield* this.#makeDirectories(path);
    yield* this.#mount(ROOT_CREDENTIALS, this.#operation(path), spec);
  }

  /** Errors: of the path; EACCES on a mount with noexec. */
  *checkMayExecute(path: string): Op<void> {
    const vd = yield* this.vfs.getDentryAt(ROOT_CREDENTIALS, this.#operation(path));
    const { noexec } = vd.mount.flags;
    decRefVd(vd);
    if (noexec === true) throw linuxerr.EACCES;
  }

  *#mount(creds: Credentials, operation: PathOperation, spec: KernelMountSpec): Op<void> {
    const source = yield* this.#types.make(spec);
    try {
      yield* this.vfs.mount(creds, operation, source);
    } catch (error) {
      yield* source.filesystem.release();
      throw error;
    }
  }

  mountFor(creds: Credentials, operation: PathOperation, request: MountRequest): Op<void> {
    return this.#mount(creds, operation, specOf(request));
  }

  /**
   * Unmounts what is mounted at a path. With `isForced` (MNT_FORCE) what waits for the server of a
   * remote filesystem is given up first, and files that are open are no obstacle.
   *
   * Errors: those of VirtualFilesystem.umount().
   */
  *umount(path: string, { isForced = false }: { readonly isForced?: boolean } = {}): Op<void> {
    const mount = this.#mountAt(path);
    const link = mount?.filesystem.remoteLink;
    if (mount === undefined || link === undefined) {
      yield* this.umountFor(ROOT_CREDENTIALS, this.#operation(path), { isLazy: isForced });
      return;
    }
    // Resolving a path to its root would ask a server that may not answer.
    const { namespace } = this.vfs;
    if (!isForced) {
      yield* namespace.detach(mount);
      return;
    }
    link.abort();
    try {
      yield* namespace.detachTree(mount);
    } catch (error) {
      // That something couldn't be sent any more is what was asked for.
      if (!(error instanceof LinuxError)) throw error;
    }
  }

  /**
   * Has the broken link of what is mounted at a path made anew now. Errors: EINVAL if nothing is
   * mounted there, or nothing with a link.
   */
  *reconnect(path: string): Op<void> {
    const link = this.#mountAt(path)?.filesystem.remoteLink;
    if (link === undefined) throw linuxerr.EINVAL;
    link.reconnectNow();
  }

  /** Somebody looks at the mounts, and wants to know how long a round trip takes now. */
  measureLinks(): void {
    for (const { filesystem } of this.vfs.namespace.mounts) filesystem.remoteLink?.measure();
  }

  /** What is mounted at a path, on top; found by its place, without asking a filesystem. */
  #mountAt(path: string): Mount | undefined {
    const { namespace } = this.vfs;
    const plain = `/${path.split('/').filter(Boolean).join('/')}`;
    return namespace.mounts.findLast(
      (mount) => namespace.pathOf({ mount, dentry: mount.root }) === plain,
    );
  }

  umountFor(
    creds: Credentials,
    operation: PathOperation,
    options: { readonly isLazy: boolean },
  ): Op<void> {
    return this.vfs.umount(creds, operation, options);
  }

  remount(path: string, options: KernelMountOptions): Op<void> {
    return this.vfs.remount(ROOT_CREDENTIALS, this.#operation(path), flagsOf(options));
  }

  /**
   * The persistent filesystem that is mounted at a path, and its source.
   *
   * Errors: those of the path; those of heldStoreOf().
   */
  *persistentAt(path: string): Op<{ filesystem: Idbfs; source: string }> {
    const vd = yield* this.vfs.getDentryAt(ROOT_CREDENTIALS, this.#operation(path));
    const { mount } = vd;
    decRefVd(vd);
    return { filesystem: heldStoreOf(mount), source: mount.source };
  }

  /** Errors: as FilesystemTypes.openUnmounted(). */
  openUnmounted(source: string): Op<Store> {
    return this.#types.openUnmounted(source);
  }

  /**
   * Mends the filesystem of a source that nobody has mounted.
   *
   * Errors: EBUSY if it is mounted; EOPNOTSUPP without such a medium; StoreError; those of
   * repairDevice().
   */
  *repair(
    source: string,
    options: { readonly dryRun: boolean; readonly discardDamaged: boolean },
  ): Op<{ repairs: readonly string[]; problems: readonly string[] }> {
    const { openDevice, clock } = this.#platform;
    yield* this.#types.checkUnmounted(source);
    if (openDevice === undefined) throw linuxerr.EOPNOTSUPP;
    const { device, checksum } = yield* waitFor(openDevice(source));
    try {
      return yield* repairDevice(device, { ...options, checksum, now: clock.now() });
    } finally {
      yield* device.close();
    }
  }

  get mounts(): MountRow[] {
    return this.vfs.namespace.mounts.map((mount) => ({
      path: this.vfs.namespace.pathOf({ mount, dentry: mount.root }) ?? '/',
      type: mount.filesystem.type,
      source: mount.source,
      readOnly: mount.isReadOnly,
      snapshot: snapshotOf(mount),
      commit: mount.filesystem.commitStatus,
      holder: mount.filesystem.holder,
      link: mount.filesystem.remoteLink?.status,
    }));
  }

  #operation(path: string): PathOperation {
    const { root } = this.vfs.namespace;
    return { root, start: root, path, followFinalSymlink: true };
  }

  *#makeDirectories(path: string): Op<void> {
    let made = '';
    for (const name of path.split('/').filter((part) => part !== '')) {
      made += `/${name}`;
      try {
        yield* this.vfs.mkdirAt(ROOT_CREDENTIALS, this.#operation(made), { mode: 0o755, umask: 0 });
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
    const { root } = this.vfs.namespace;
    const directory = yield* this.vfs.openAt(creds, this.#operation(options.cwd ?? '/'), {
      flags: O_DIRECTORY | O_PATH,
      mode: 0,
      umask: 0,
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
    return { task, sys: new TaskSyscalls(task, this) };
  }

  endTask(task: Task): void {
    task.end();
    this.#tasks.delete(task.pid);
  }

  /**
   * Makes a socket at a path, with somebody who listens there. bind(2). Errors: EADDRINUSE if there
   * is something; those of the path.
   */
  *bind(
    path: string,
    options: { readonly mode: number; readonly endpoint: SocketEndpoint },
  ): Op<void> {
    checkPathText(path);
    const mode = S_IFSOCK | (options.mode & S_PERMISSIONS);
    const node = { mode, umask: 0, rdev: 0, endpoint: options.endpoint };
    try {
      yield* this.vfs.mknodAt(ROOT_CREDENTIALS, this.#operation(path), node);
    } catch (error) {
      throw error === linuxerr.EEXIST ? linuxerr.EADDRINUSE : error;
    }
  }

  openInotify(flags: number, creds: Credentials): InotifyInstance {
    const { uid } = creds;
    const count = this.#instances.get(uid) ?? 0;
    if (count >= INOTIFY_INSTANCES_MAX) throw linuxerr.EMFILE;
    this.#instances.set(uid, count + 1);
    return this.#pipefs.openInotify(flags, {
      queueMax: this.#options.inotifyQueueMax ?? INOTIFY_QUEUE_MAX,
      onRelease: () => {
        this.#instances.set(uid, (this.#instances.get(uid) ?? 1) - 1);
      },
    });
  }

  openPipe(flags: number, creds: Credentials): [FileDescription, FileDescription] {
    return this.#pipefs.openPipe(flags, creds);
  }

  /** A pipe's end, or a terminal. The caller gets the reference. */
  openStream(options: StreamOptions, creds: Credentials): FileDescription {
    return this.#pipefs.openStream(options, creds);
  }

  /** /dev/null, whether or not there is a /dev. */
  openNull(): Op<FileDescription> {
    const { root } = this.#devices.namespace;
    const operation = { root, start: root, path: 'null', followFinalSymlink: true };
    return this.#devices.openAt(ROOT_CREDENTIALS, operation, { flags: O_RDWR, mode: 0, umask: 0 });
  }

  /** Ends every task, commits and unmounts everything. Errors: the first one of a filesystem. */
  *shutdown(): Op<void> {
    for (const task of [...this.#tasks.values()]) this.endTask(task);
    yield* this.vfs.namespace.shutdown();
  }
}
