// Session: one task on one filesystem, without a kernel around it, so that tests get at the
// filesystem itself and can set its limits.

import { linuxerr } from '../../../src/abi/errno.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import type { Gofer } from '../../../src/fs/gofer/gofer.ts';
import { type Mounting, mountGofer } from '../../../src/fs/gofer/mount-gofer.ts';
import type { GoferOptions } from '../../../src/fs/gofer/mount-options.ts';
import { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import type { IdbfsOptions } from '../../../src/fs/idbfs/options.ts';
import { makeDevices } from '../../../src/fs/shared/devices.ts';
import type { LocalFilesystem } from '../../../src/fs/shared/local-filesystem.ts';
import { Tmpfs } from '../../../src/fs/tmpfs/tmpfs.ts';
import { flagsOf } from '../../../src/kernel/filesystem-types.ts';
import { Pipefs } from '../../../src/kernel/pipefs.ts';
import type { Services } from '../../../src/kernel/services.ts';
import { Task, type TaskOptions } from '../../../src/kernel/task.ts';
import { TaskSyscalls } from '../../../src/kernel/task-syscalls.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import type { Op } from '../../../src/lib/op.ts';
import { INOTIFY_QUEUE_MAX } from '../../../src/vfs/inotify.ts';
import { MountNamespace } from '../../../src/vfs/mount-namespace.ts';
import { VirtualFilesystem } from '../../../src/vfs/virtual-filesystem.ts';

export interface Session<Fs extends LocalFilesystem = LocalFilesystem> {
  readonly filesystem: Fs;
  readonly vfs: VirtualFilesystem;
  readonly task: Task;
  readonly sys: TaskSyscalls;
}

/** One for all tasks, as in a kernel: they share what inotify instances are open on. */
const pipefilesystems = new WeakMap<VirtualFilesystem, Pipefs>();

function servicesOf(vfs: VirtualFilesystem, clock: Clock): Services {
  const pipefs = pipefilesystems.get(vfs) ?? new Pipefs({ dev: 2, clock });
  pipefilesystems.set(vfs, pipefs);
  const inotify = { queueMax: INOTIFY_QUEUE_MAX, onRelease: () => undefined };
  return {
    clock,
    openInotify: (flags) => pipefs.openInotify(flags, inotify),
    openPipe: (flags, creds) => pipefs.openPipe(flags, creds),
    mountFor: () => {
      throw linuxerr.ENODEV;
    },
    umountFor: (creds, operation, how) => vfs.umount(creds, operation, how),
  };
}

const PROGRAM = { pid: 2, creds: ROOT_CREDENTIALS, umask: 0o022 };

/** Another task at the root of a namespace: root's, unless `program` says otherwise. */
export function newTask(
  vfs: VirtualFilesystem,
  clock: Clock,
  program: Pick<TaskOptions, 'pid' | 'creds' | 'umask'> = PROGRAM,
): { task: Task; sys: TaskSyscalls } {
  const { root } = vfs.namespace;
  const task = new Task({ ...program, vfs, root, cwd: root });
  return { task, sys: new TaskSyscalls(task, servicesOf(vfs, clock)) };
}

function sessionOn<Fs extends LocalFilesystem>(filesystem: Fs, clock: Clock): Session<Fs> {
  const flags = flagsOf();
  const source = filesystem.type;
  const vfs = new VirtualFilesystem(
    new MountNamespace({ filesystem, root: filesystem.root, source, flags }),
  );
  return { filesystem, vfs, ...newTask(vfs, clock) };
}

/** Without a limit, and with a root like idbfs's. */
export function openTmpfs(clock: Clock): Session<Tmpfs> {
  return sessionOn(new Tmpfs({ size: 0, mode: 0o755, dev: 1, clock }), clock);
}

export function* openIdbfs(options: Omit<IdbfsOptions, 'dev'>): Op<Session<Idbfs>> {
  return sessionOn(yield* Idbfs.mount({ ...options, dev: 1 }), options.clock);
}

/** What a server serves that `connect` leads to. */
export function* openGofer(
  mounting: Pick<Mounting, 'connect' | 'clock'>,
  options: GoferOptions,
): Op<Session<Gofer>> {
  const devices = makeDevices((buffer) => {
    buffer.fill(0);
  });
  const link = { source: 'ws://gofer/', dev: 1, devices };
  // As in any other run.
  const randomBytes = (count: number): Uint8Array => new Uint8Array(count);
  const all = { ...mounting, ...link, randomBytes };
  return sessionOn(yield* mountGofer(all, options), mounting.clock);
}

/** Ends the task and unmounts. Errors: those of the last commit. */
export function* closeSession({ task, vfs }: Session): Op<void> {
  task.end();
  yield* vfs.namespace.shutdown();
}
