// Our kernel as a side of a history: one task a process, on a fresh filesystem.

import { crc32 } from 'node:zlib';
import { LinuxError } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_DIRECTORY,
  O_NOATIME,
  O_RDONLY,
  O_TRUNC,
} from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import { Credentials, ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import type { Task } from '../../../src/kernel/task.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8 } from '../../../src/lib/text.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { SYSCALLS, type Syscalls } from '../../../src/syscalls/table.ts';
import { decRefVd } from '../../../src/vfs/dentry.ts';
import { InotifyInstance } from '../../../src/vfs/inotify.ts';
import { newTask, openIdbfs, openTmpfs, type Session } from '../../support/history/session.ts';
import { leakedReferences } from '../../support/references.ts';
import {
  FIRST_FD,
  makeData,
  materialize,
  type Outcome,
  PROCESSES,
  type SideResult,
  type Step,
  type TreeEntry,
} from './step.ts';

export type Variant = 'tmpfs' | 'idbfs' | 'small idbfs';

export interface BurrowResult extends SideResult {
  /** Steps that acted on an inotify instance: what they read are events. */
  readonly onInotify: ReadonlySet<number>;
  /** Steps that acted on a directory: positions there are a filesystem's own. */
  readonly onDirectory: ReadonlySet<number>;
  /** The first step whose outcome is anybody's: Undefined says which. */
  readonly undefinedFrom: number;
}

/** As histories.py has them. */
const SHOWN_MAX = 4096;
const CONTENTS_MAX = 400_000;
const XATTR_ROOM = 1 << 17;

const ROOT = '/root';
const UMASK = 0o022;
const START_MS = 1_700_000_000_000;
/** Between two ticks. The write-back commits after some of them. */
const TICK_MS = 300;
/** No step takes so long unless it waits for somebody else. */
const STEP_MS_MAX = 5000;

/** next to nothing stays in memory, and the store always waits. */
const SMALL_LIMITS = { dentries: 2, listingBatch: 2, cacheSizeMin: 0 };

function* openSession(variant: Variant, clock: FakeClock): Op<Session> {
  if (variant === 'tmpfs') return openTmpfs(clock);
  const store = new MemoryStore({ yields: true });
  if (variant === 'idbfs') {
    return yield* openIdbfs({ store, clock, cacheSize: 1 << 30, dirtyLimit: 1 << 30 });
  }
  const sizes = { cacheSize: 40_000, dirtyLimit: 3000 };
  return yield* openIdbfs({ store, clock, ...sizes, limits: SMALL_LIMITS });
}

function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error('a call waits on ours'));
    }, STEP_MS_MAX);
  });
  return Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
  });
}

type Call = (...args: readonly unknown[]) => Op<unknown>;

function contents(buffer: Uint8Array, size: number): [number, string | number] {
  const data = buffer.subarray(0, Math.min(size, buffer.length));
  const shown = buffer.length <= SHOWN_MAX ? Buffer.from(data).toString('base64') : crc32(data);
  return [size, shown];
}

/** Makes the call of a step. What it gives is as histories.py has it. */
function* perform(sys: Syscalls, step: Step): Op<Outcome> {
  if (step.call === 'tick') throw new Error('a tick is no call');
  const args = materialize<unknown>(step, {
    data: makeData,
    buffer: ({ room }) => new Uint8Array(room),
    time: (time) => time,
  });
  try {
    const value = yield* (sys[step.call] as Call).apply(sys, args);
    const bufferIndex = (SYSCALLS[step.call].args as readonly string[]).indexOf('buffer');
    if (bufferIndex < 0) return { value: value ?? null };
    const buffer = args[bufferIndex] as Uint8Array;
    const isXattr = step.call.includes('xattr');
    if (!isXattr) return { value: contents(buffer, value as number) };
    const data = buffer.subarray(0, value as number);
    return { value: [value, Buffer.from(data).toString('base64')] };
  } catch (error) {
    if (error instanceof LinuxError) return { errno: error.errno };
    throw error;
  }
}

class Run {
  readonly #session: Session;
  readonly #clock: FakeClock;
  readonly #processes: { readonly task: Task; readonly sys: Syscalls }[] = [];
  readonly #ticks: [number, number][] = [];

  constructor(session: Session, clock: FakeClock) {
    this.#session = session;
    this.#clock = clock;
  }

  /** A moment that is later than all stamps so far and earlier than all that follow. */
  tick(): void {
    this.#clock.advance(TICK_MS);
    const { sec, nsec } = this.#clock.now();
    this.#ticks.push([sec, nsec - 1]);
  }

  *start(): Op<void> {
    const { sys, vfs } = this.#session;
    yield* sys.mkdirat(AT_FDCWD, ROOT, 0o777, 0);
    yield* sys.fchmodat(AT_FDCWD, ROOT, 0o777, 0);
    const { root } = vfs.namespace;
    const place = { root, start: root, path: ROOT, followFinalSymlink: true };
    const vd = yield* vfs.getDentryAt(ROOT_CREDENTIALS, place);
    for (const [index, { uid, gid, groups }] of PROCESSES.entries()) {
      const creds = new Credentials(uid, gid, groups);
      const process = newTask(vfs, this.#clock, { creds, pid: 10 + index, umask: UMASK });
      process.task.setRoot(vd);
      process.task.setCwd(vd);
      for (let fd = 0; fd < FIRST_FD; fd++) yield* process.sys.pipe2(0);
      for (let fd = FIRST_FD; fd < 2 * FIRST_FD; fd++) yield* process.sys.close(fd);
      this.#processes.push(process);
    }
    decRefVd(vd);
    this.tick();
  }

  async history(history: readonly Step[]): Promise<BurrowResult> {
    const results: Outcome[] = [];
    const [onInotify, onDirectory] = [new Set<number>(), new Set<number>()];
    const undefinedFrom = new Undefined();
    for (const step of history) {
      const process = this.#processes[step.who];
      if (step.call === 'tick' || process === undefined) {
        this.tick();
        continue;
      }
      const [fd] = step.args;
      const file = typeof fd === 'number' ? process.task.fds.find(fd) : undefined;
      if (file instanceof InotifyInstance) onInotify.add(results.length);
      if (file?.vd.dentry.isDir === true) onDirectory.add(results.length);
      const index = results.length;
      undefinedFrom.begins(index, process.task, step);
      const outcome = await inTime(runAsync(perform(process.sys, step)));
      undefinedFrom.ended(process.task, step, outcome);
      results.push(outcome);
    }
    const tree = await inTime(runAsync(readTree(this.#session.sys, ROOT, '', [])));
    const pids = this.#processes.map(({ task }) => task.pid);
    return {
      results,
      ticks: this.#ticks,
      pids,
      tree,
      onInotify,
      onDirectory,
      undefinedFrom: undefinedFrom.index,
    };
  }

  end(): void {
    for (const { task } of this.#processes) task.end();
    this.#session.task.end();
    const leaks = leakedReferences(this.#session.vfs);
    if (leaks.length > 0) throw new Error(`references are left: ${leaks.join('; ')}`);
  }
}

/** What may change the data of a file. */
const CHANGES: ReadonlySet<Step['call']> = new Set([
  ...(['write', 'pwrite', 'truncate', 'ftruncate', 'fallocate'] as const),
  ...(['copy_file_range', 'sendfile'] as const),
]);

/**
 * From which step on the outcomes of a history are anybody's. sendfile(2) says to leave alone what
 * it reads until nobody can see it any more: from a file to itself, pages may overlap; and a pipe
 * has the file's own pages until somebody reads them.
 */
class Undefined {
  index = Infinity;
  /** A pipe may have pages of a file. */
  #isLent = false;

  begins(index: number, task: Task, step: Step): void {
    const changes = CHANGES.has(step.call) || (step.call === 'openat' && hasTruncate(step));
    const isOntoItself = step.call === 'sendfile' && isSameFile(task, step);
    if (isOntoItself || (this.#isLent && changes)) this.index = Math.min(this.index, index);
  }

  ended({ fds }: Task, { call, args: [target] }: Step, outcome: Outcome): void {
    if (call !== 'sendfile' || !('value' in outcome) || outcome.value === 0) return;
    if (fds.find(Number(target))?.isSeekable === false) this.#isLent = true;
  }
}

function hasTruncate({ args: [, , flags] }: Step): boolean {
  return (Number(flags) & O_TRUNC) !== 0;
}

/** Are both descriptors of the same file? */
function isSameFile({ fds }: Task, { args: [target, source] }: Step): boolean {
  const [to, from] = [fds.find(Number(target)), fds.find(Number(source))];
  return to !== undefined && to.vd.dentry === from?.vd.dentry;
}

function* readTree(
  sys: Syscalls,
  path: string,
  name: string,
  entries: TreeEntry[],
): Op<TreeEntry[]> {
  const stat = yield* sys.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  const type = stat.mode & S_IFMT;
  let shown: string | number = '';
  if (type === S_IFLNK) shown = yield* sys.readlinkat(AT_FDCWD, path, 0);
  if (type === S_IFREG) shown = yield* readContents(sys, path);
  entries.push([name, { ...stat }, shown, yield* readXattrs(sys, path)]);
  if (type !== S_IFDIR) return entries;
  for (const child of yield* listNames(sys, path)) {
    yield* readTree(sys, `${path}/${child}`, `${name}/${child}`, entries);
  }
  return entries;
}

function* readContents(sys: Syscalls, path: string): Op<number> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_NOATIME, 0);
  const buffer = new Uint8Array(CONTENTS_MAX);
  const size = yield* sys.pread(fd, buffer, 0);
  yield* sys.close(fd);
  return crc32(buffer.subarray(0, size));
}

function* readXattrs(sys: Syscalls, path: string): Op<Record<string, number>> {
  const buffer = new Uint8Array(XATTR_ROOM);
  const size = yield* sys.listxattr(path, buffer, AT_SYMLINK_NOFOLLOW);
  const names = decodeUtf8(buffer.subarray(0, size)).split('\0').slice(0, -1).sort();
  const xattrs: Record<string, number> = {};
  for (const name of names) {
    const length = yield* sys.getxattr(path, name, buffer, AT_SYMLINK_NOFOLLOW);
    xattrs[name] = crc32(buffer.subarray(0, length));
  }
  return xattrs;
}

function* listNames(sys: Syscalls, path: string): Op<string[]> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_NOATIME | O_DIRECTORY, 0);
  const names: string[] = [];
  for (;;) {
    const entries = yield* sys.getdents(fd, 1 << 16);
    if (entries.length === 0) break;
    for (const { name } of entries) if (name !== '.' && name !== '..') names.push(name);
  }
  yield* sys.close(fd);
  return names.sort();
}

/** Runs a history. Errors: Error for a call that waits, or a reference that is left. */
export async function runOnBurrow(
  variant: Variant,
  history: readonly Step[],
): Promise<BurrowResult> {
  const clock = new FakeClock({ startMs: START_MS });
  const session = await runAsync<Session>(openSession(variant, clock));
  const run = new Run(session, clock);
  await runAsync(run.start());
  const result = await run.history(history);
  run.end();
  await runAsync(session.vfs.namespace.shutdown());
  return result;
}
