// The system calls of the scenarios, in short.

import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  F_SETLKW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_RDONLY,
  O_RDWR,
  SEEK_SET,
} from '../../src/abi/fcntl.ts';
import { flagsOf } from '../../src/kernel/filesystem-types.ts';
import { Tmpfs } from '../../src/fs/tmpfs/tmpfs.ts';
import { act, type Action } from '../support/history/action.ts';
import type { Session } from '../support/history/session.ts';
import { asOutcome, type Deed } from './scenario.ts';

export function mkdir(path: string): Action {
  return act('mkdirat', AT_FDCWD, path, 0o755, 0);
}

export function rmdir(path: string): Action {
  return act('unlinkat', AT_FDCWD, path, AT_REMOVEDIR);
}

export function unlink(path: string): Action {
  return act('unlinkat', AT_FDCWD, path, 0);
}

export function open(path: string, flags = O_RDWR): Action {
  return act('openat', AT_FDCWD, path, flags, 0o644);
}

export function openDirectory(path: string): Action {
  return open(path, O_RDONLY | O_DIRECTORY | O_NOATIME);
}

export function create(path: string): Action {
  return open(path, O_RDWR | O_CREAT | O_EXCL);
}

export function rename(from: string, to: string, flags = 0): Action {
  return act('renameat2', AT_FDCWD, from, AT_FDCWD, to, flags);
}

export function link(from: string, to: string): Action {
  return act('linkat', AT_FDCWD, from, AT_FDCWD, to, 0);
}

export function symlink(target: string, path: string): Action {
  return act('symlinkat', target, AT_FDCWD, path, 0);
}

export function stat(path: string): Action {
  return act('fstatat', AT_FDCWD, path, 0);
}

export function list(fd: number): Action {
  return act('getdents', fd, 32_768);
}

export function close(fd: number): Action {
  return act('close', fd);
}

export function write(fd: number, seed: number, length: number): Action {
  return act('write', fd, { seed, length });
}

export function pwrite(fd: number, seed: number, length: number, offset: number): Action {
  return act('pwrite', fd, { seed, length }, offset);
}

export function pread(fd: number, length: number, offset: number): Action {
  return act('pread', fd, { buffer: length }, offset);
}

/** Of its first `length` bytes; waits for what is in the way. */
export function lockRange(fd: number, type: number, length: number): Deed {
  const lock = { type, whence: SEEK_SET, start: 0, length, pid: 0 };
  return {
    title: `setlk(${fd}, F_SETLKW, ${type}, ${length})`,
    run: ({ sys }) =>
      asOutcome(function* () {
        yield* sys.setlk(fd, F_SETLKW, lock);
        return 'done';
      }),
  };
}

/** Mounts a tmpfs. */
export function mount(path: string): Deed {
  return {
    title: `mount(${path})`,
    run: ({ vfs, filesystem: { clock } }) =>
      asOutcome(function* () {
        const filesystem = new Tmpfs({ size: 0, mode: 0o755, dev: 2, clock });
        const flags = flagsOf();
        const source = { filesystem, root: filesystem.root, source: 'tmpfs', flags };
        yield* vfs.mount(ROOT_CREDENTIALS, operation(vfs, path), source);
        return 'mounted';
      }),
  };
}

/** Makes a directory visible at another place, too. */
export function bind(from: string, path: string): Deed {
  return {
    title: `bind(${from}, ${path})`,
    run: ({ vfs, filesystem }) =>
      asOutcome(function* () {
        const { dentry: root } = yield* vfs.getDentryAt(ROOT_CREDENTIALS, operation(vfs, from));
        const flags = flagsOf();
        yield* vfs.mount(ROOT_CREDENTIALS, operation(vfs, path), {
          filesystem,
          root,
          source: from,
          flags,
        });
        root.decRef();
        vfs.namespace.root.mount.decRef();
        return 'bound';
      }),
  };
}

export function umount(path: string): Deed {
  return {
    title: `umount(${path})`,
    run: ({ vfs }) =>
      asOutcome(function* () {
        yield* vfs.umount(ROOT_CREDENTIALS, operation(vfs, path));
        return 'unmounted';
      }),
  };
}

function operation(
  { namespace: { root } }: Session['vfs'],
  path: string,
): Parameters<Session['vfs']['umount']>[1] {
  return { root, start: root, path, followFinalSymlink: true };
}
