// What Linux does in one go, and what it doesn't. A call that takes a path walks it, one component
// after the other, and locks nothing meanwhile; only then does it lock the directories and do its
// work (fs/namei.c: link_path_walk(), filename_parentat(), then do_renameat2(), do_linkat() …). So
// even on Linux two calls at once are not always as one after the other. They are as one after the
// other if a call is taken apart into its lookups and its work: which is what is done here, with
// O_PATH descriptors for the places it has got to.
//
// Likewise getdents64() lists under a lock as much as fits the buffer, no more; and a call that
// takes a descriptor looks it up first (fdget()): closed while the call waits, it stays until then.

import { linuxerr } from '../../src/abi/errno.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  O_TRUNC,
} from '../../src/abi/fcntl.ts';
import { S_IFLNK, S_IFMT } from '../../src/abi/stat.ts';
import type { FdTable } from '../../src/kernel/fd-table.ts';
import type { TaskSyscalls } from '../../src/kernel/task-syscalls.ts';
import { type Op, runSync } from '../../src/lib/op.ts';
import type { DirentRecord } from '../../src/syscalls/table.ts';
import { type Action, type Outcome, perform } from '../support/history/action.ts';
import type { Session } from '../support/history/session.ts';
import { asOutcome, isDeed, type Step } from './scenario.ts';

/** A call in parts: between two of them it yields. */
export type Parts<T> = Generator<void, T, void>;

/** Descriptors of a walk are up here, where they don't change what a call returns. */
const HANDLES_FROM = 1000;
/** Room for one entry. */
const SMALL_LISTING = 32;

/** The step in parts. Errors: WouldWait if it has to wait for others. */
export function* inParts(step: Step, session: Session): Parts<Outcome> {
  if (isDeed(step)) return runSync(step.run(session));
  const handles = new Handles(session.sys, session.task.fds);
  try {
    return yield* partsOf(step, session, handles);
  } finally {
    handles.close();
  }
}

function* partsOf(action: Action, session: Session, handles: Handles): Parts<Outcome> {
  const { call, args } = action;
  const { sys } = session;
  const [first, second, third, fourth] = args;
  const bare = (...changed: Action['args']): Outcome => {
    return runSync(perform(sys, { call, args: [...changed, ...args.slice(changed.length)] }));
  };
  switch (call) {
    case 'renameat2':
      return yield* asOutcome(function* () {
        const from = yield* handles.parentOf(second as string);
        yield;
        const to = yield* handles.parentOf(fourth as string);
        return bare(from.dir, from.name, to.dir, to.name);
      });
    case 'linkat':
      return yield* asOutcome(function* () {
        const from = yield* handles.parentOf(second as string);
        const file = handles.open(from.dir, from.name, O_PATH | O_NOFOLLOW);
        yield;
        const to = yield* handles.parentOf(fourth as string);
        return bare(file, '', to.dir, to.name, AT_EMPTY_PATH);
      });
    case 'symlinkat':
      return yield* asOutcome(function* () {
        const at = yield* handles.parentOf(third as string);
        return bare(first!, at.dir, at.name);
      });
    case 'openat':
      return yield* asOutcome(() => open(action, sys, handles));
    case 'mkdirat':
    case 'unlinkat':
    case 'fstatat':
    case 'fchmodat':
      return yield* asOutcome(function* () {
        const at = yield* handles.parentOf(second as string);
        return bare(at.dir, at.name);
      });
    case 'truncate':
      return yield* asOutcome(function* () {
        const at = yield* handles.parentOf(first as string);
        const file = handles.open(at.dir, at.name, O_RDWR);
        yield;
        runSync(sys.ftruncate(file, second as number));
        return '"done"';
      });
    case 'flock':
      return yield* asOutcome(function* () {
        const file = session.task.fds.get(first as number);
        file.incRef();
        yield;
        runSync(file.flock(second as number, { mustNotWait: false }));
        file.decRef();
        return '"done"';
      });
    case 'getdents':
      return yield* asOutcome(() => list(sys, first as number, second as number));
    default:
      return bare();
  }
}

function* open({ args }: Action, sys: TaskSyscalls, handles: Handles): Parts<Outcome> {
  const [, path, flagsArgument, mode] = args;
  const flags = flagsArgument as number;
  const isExclusive = (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0;
  let at = yield* handles.parentOf(path as string);
  for (let target = handles.linkAt(at); target !== undefined; target = handles.linkAt(at)) {
    if (isExclusive || (flags & O_NOFOLLOW) !== 0) break;
    yield;
    at = yield* handles.parentOf(target, at.dir);
  }
  const truncates = (flags & O_TRUNC) !== 0;
  const fd = runSync(sys.openat(at.dir, at.name, flags & ~O_TRUNC, mode as number));
  if (truncates) {
    yield;
    runSync(sys.ftruncate(fd, 0));
  }
  return JSON.stringify(fd);
}

function* list(sys: TaskSyscalls, fd: number, size: number): Parts<Outcome> {
  const entries: DirentRecord[] = [];
  for (;;) {
    const more = runSync(sys.getdents(fd, Math.min(size, SMALL_LISTING)));
    if (more.length === 0) return JSON.stringify(entries);
    entries.push(...more);
    yield;
  }
}

interface Place {
  readonly dir: number;
  readonly name: string;
}

/** The places a walk holds on to. */
class Handles {
  readonly #sys: TaskSyscalls;
  readonly #fds: FdTable;
  readonly #open: number[] = [];

  constructor(sys: TaskSyscalls, fds: FdTable) {
    this.#sys = sys;
    this.#fds = fds;
  }

  open(dir: number, name: string, flags: number): number {
    const low = this.#run(this.#sys.openat(dir, name, flags, 0));
    let high = HANDLES_FROM;
    while (this.#fds.find(high) !== undefined) high++;
    const file = this.#fds.get(low);
    file.incRef();
    this.#fds.installAt(file, high);
    this.#fds.close(low);
    this.#open.push(high);
    return high;
  }

  /** Walks to the directory of the last component. Each component is a part. */
  *parentOf(path: string, from: number = AT_FDCWD): Parts<Place> {
    let dir = path.startsWith('/') ? this.open(AT_FDCWD, '/', O_PATH) : from;
    const names = path.split('/').filter((name) => name !== '');
    while (names.length > 1) {
      const name = names.shift()!;
      const target = this.linkAt({ dir, name });
      if (target === undefined) dir = this.open(dir, name, O_PATH);
      else names.unshift(...target.split('/'));
      yield;
    }
    return { dir, name: names[0] ?? '.' };
  }

  /** The target of a symlink; undefined for anything else, or nothing. */
  linkAt({ dir, name }: Place): string | undefined {
    try {
      const { mode } = this.#run(this.#sys.fstatat(dir, name, AT_SYMLINK_NOFOLLOW));
      if ((mode & S_IFMT) !== S_IFLNK) return undefined;
      return this.#run(this.#sys.readlinkat(dir, name, 0));
    } catch (error) {
      if (error === linuxerr.ENOENT) return undefined;
      throw error;
    }
  }

  #run<T>(op: Op<T>): T {
    return runSync(op);
  }

  close(): void {
    for (const fd of this.#open) this.#fds.close(fd);
  }
}
