// What a history is made of: calls on few names, of which each would fail, or leave something wrong
// behind, if it were made twice or not at all.

import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from '../../../src/abi/fcntl.ts';
import { LinuxError } from '../../../src/abi/errno.ts';
import { S_IFDIR, S_IFMT } from '../../../src/abi/stat.ts';
import type { Op } from '../../../src/lib/op.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { act, type Action, perform, printAction } from '../../support/history/action.ts';
import { namesIn } from './tree.ts';

export interface Step {
  readonly text: string;
  readonly kind: string;
  /** Of what it is about, if it is open. */
  readonly fd?: number | undefined;
  /** The name of an errno, or what came of it. */
  run(sys: Syscalls): Op<string>;
}

/** Numbers below `below`. */
export type Random = (below: number) => number;

/** Marsaglia's xorshift32. */
export function randomFrom(seed: number): Random {
  let state = (Math.imul(seed, 0x9e37_79b9) ^ 0x5bd1_e995) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

const OPEN_MAX = 10;
const DIRS = ['', '/a', '/a', '/b', '/a/s'];
const NAMES = ['f', 'g', 'h', 'i', 'j', 's'];
const OPEN_FLAGS = [
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT,
  O_RDWR | O_CREAT | O_EXCL,
  O_RDWR | O_CREAT | O_TRUNC,
  O_WRONLY | O_CREAT | O_APPEND,
  O_RDONLY,
];
const RENAME_FLAGS = [0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE];
/** As often as they stand here. */
const ANY_KINDS = [
  ...['open', 'open', 'open', 'open', 'open', 'close', 'close', 'write', 'write', 'write'],
  ...['pwrite', 'pwrite', 'pwrite', 'pwrite', 'read', 'pread', 'pread', 'ftruncate', 'truncate'],
  ...['rename', 'rename', 'rename', 'unlink', 'unlink', 'mkdir', 'mkdir', 'rmdir', 'link', 'link'],
  ...['symlink', 'readlink', 'stat', 'readdir', 'readdir', 'fsync', 'fsync', 'sync'],
] as const;
/** What changes data, of open files. */
const DATA_KINDS = ['write', 'pwrite', 'pwrite', 'ftruncate', 'pread', 'fsync', 'fsync'] as const;

export type Kind = (typeof ANY_KINDS)[number];

/** Directories there are from the beginning, and that may be moved. */
export const FIRST_STEPS: readonly Step[] = ['/a', '/b', '/a/s'].map((path) =>
  stepOf('mkdir', act('mkdirat', AT_FDCWD, path, 0o755, 0)),
);

function stepOf(kind: Kind, action: Action, fd?: number): Step {
  return { kind, text: printAction(action), fd, run: (sys) => perform(sys, action) };
}

function looking(kind: Kind, path: string, look: (sys: Syscalls) => Op<unknown>): Step {
  return {
    kind,
    text: `${kind}("${path}")`,
    *run(sys) {
      try {
        return JSON.stringify(yield* look(sys));
      } catch (error) {
        if (error instanceof LinuxError) return error.code;
        throw error;
      }
    },
  };
}

export function closing(fd: number): Step {
  return stepOf('close', act('close', fd), fd);
}

export const SYNC = stepOf('sync', act('sync'));

/** One by chance. `fds` are open; with `isData` it is about their data. */
export function anyStep(random: Random, fds: readonly number[], isData: boolean): Step {
  const pick = <T>(of: readonly T[]): T => of[random(of.length)]!;
  const path = (): string => `${pick(DIRS)}/${pick(NAMES)}`;
  const data = () => ({ seed: random(50), length: 1 + random(random(20) === 0 ? 300_000 : 6000) });
  const offset = random(30_000);
  if (fds.length >= OPEN_MAX) return closing(pick(fds));
  const kind: Kind = pick(isData ? DATA_KINDS : ANY_KINDS);
  const fd = fds.length > 0 ? pick(fds) : 99;
  const on = (action: Action): Step => stepOf(kind, action, fd);
  const at = (action: Action): Step => stepOf(kind, action);
  switch (kind) {
    case 'open':
      return at(act('openat', AT_FDCWD, path(), pick(OPEN_FLAGS), 0o644));
    case 'close':
      return on(act('close', fd));
    case 'write':
      return on(act('write', fd, data()));
    case 'pwrite':
      return on(act('pwrite', fd, data(), offset));
    case 'read':
      return on(act('read', fd, { buffer: 5000 }));
    case 'pread':
      return on(act('pread', fd, { buffer: 20_000 }, offset));
    case 'ftruncate':
      return on(act('ftruncate', fd, offset));
    case 'fsync':
      return on(act('fsync', fd));
    case 'truncate':
      return at(act('truncate', path(), offset));
    case 'rename':
      return at(act('renameat2', AT_FDCWD, path(), AT_FDCWD, path(), pick(RENAME_FLAGS)));
    case 'unlink':
      return at(act('unlinkat', AT_FDCWD, path(), 0));
    case 'rmdir':
      return at(act('unlinkat', AT_FDCWD, path(), AT_REMOVEDIR));
    case 'mkdir':
      return at(act('mkdirat', AT_FDCWD, path(), 0o755, 0));
    case 'link':
      return at(act('linkat', AT_FDCWD, path(), AT_FDCWD, path(), 0));
    case 'symlink':
      return at(act('symlinkat', pick(NAMES), AT_FDCWD, path(), 0));
    case 'readlink':
      return at(act('readlinkat', AT_FDCWD, path(), 0));
    case 'sync':
      return SYNC;
    case 'readdir': {
      const dir = pick(['/', ...DIRS.slice(1)]);
      return looking(kind, dir, (sys) => namesIn(sys, dir));
    }
    case 'stat': {
      const file = path();
      return looking(kind, file, (sys) => looksOf(sys, file));
    }
  }
}

/** What filesystems don't differ in. */
function* looksOf(sys: Syscalls, path: string): Op<unknown> {
  const { mode, size, nlink } = yield* sys.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  return (mode & S_IFMT) === S_IFDIR ? mode : [mode, size, nlink];
}
