// TreeWatch: kernel.fs.watch(): an inotify instance on a file or directory, or on a whole tree,
// with paths instead of watch descriptors.
//
// inotify tells of one directory at a time. For a tree, every directory in it is watched; one that
// appears is watched and then listed, so that what was made in it meanwhile is told of, too, and
// told once. A directory that moves within the tree keeps its watches and gets its new path. All
// that is done as the events come, not when somebody asks for them: by then it might be too late.

import { AT_FDCWD, O_NOFOLLOW } from '../abi/fcntl.ts';
import type { LinuxError } from '../abi/errno.ts';
import { linuxerr } from '../abi/errno.ts';
import * as inotify from '../abi/inotify.ts';
import { DT_DIR, S_IFDIR, S_IFMT } from '../abi/stat.ts';
import { anyOf, type Op, startOp, WaitQueue } from '../lib/op.ts';
import type { Syscalls } from '../syscalls/table.ts';
import type { InotifyInstance } from '../vfs/inotify.ts';
import { join, listDirectory } from './listing.ts';
import type { InotifyEvent } from '../vfs/watches.ts';

export type TreeEventType =
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
  | 'overflow';

export interface TreeEvent {
  readonly type: TreeEventType;
  readonly path: string;
  /** The same for both ends of a move; 0 for everything else. */
  readonly cookie: number;
  readonly isDirectory: boolean;
}

export interface TreeWatchOptions {
  readonly recursive: boolean;
  /** Also access, open and close. */
  readonly all: boolean;
}

const {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_ONLYDIR,
  IN_OPEN,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} = inotify;

const TYPES: readonly (readonly [bits: number, type: TreeEventType])[] = [
  [IN_CREATE, 'create'],
  [IN_DELETE, 'delete'],
  [IN_MODIFY, 'modify'],
  [IN_ATTRIB, 'attrib'],
  [IN_MOVED_FROM, 'moved-from'],
  [IN_MOVED_TO, 'moved-to'],
  [IN_ACCESS, 'access'],
  [IN_OPEN, 'open'],
  [IN_CLOSE_WRITE | IN_CLOSE_NOWRITE, 'close'],
  [IN_DELETE_SELF, 'delete-self'],
  [IN_MOVE_SELF, 'move-self'],
  [IN_UNMOUNT, 'unmount'],
];

const CHANGES = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO;
const SELF = IN_DELETE_SELF | IN_MOVE_SELF;
const ACCESSES = IN_ACCESS | IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE;
/** Events nobody has asked for yet: 'overflow' above, and the rest is dropped. */
const EVENTS_MAX = 16_384;

export class TreeWatch {
  readonly #sys: Syscalls;
  readonly #fd: number;
  readonly #instance: InotifyInstance;
  readonly #root: string;
  readonly #options: TreeWatchOptions;
  /** Events to be handed out. */
  #events: TreeEvent[] = [];
  /** Woken when there are some, or never will be. */
  readonly #arrived = new WaitQueue();
  readonly #closing = new WaitQueue();
  #failure: { readonly error: unknown } | undefined;
  /** Watch descriptor → path. */
  readonly #paths = new Map<number, string>();
  /** What a listing found before its event came, by watch descriptor. */
  readonly #found = new Map<number, Set<string>>();
  /** A directory that has left its place; its next event says where to, or it left the tree. */
  #leaving: { readonly cookie: number; readonly path: string } | undefined;
  #rootWd = 0;
  #isClosed = false;

  private constructor(
    sys: Syscalls,
    descriptor: { readonly fd: number; readonly instance: InotifyInstance },
    root: string,
    options: TreeWatchOptions,
  ) {
    this.#sys = sys;
    this.#fd = descriptor.fd;
    this.#instance = descriptor.instance;
    this.#root = root.replace(/\/+$/, '') || '/';
    this.#options = options;
  }

  /** `find` gives the instance behind a descriptor. Errors: as inotify_add_watch(2). */
  static *open(
    sys: Syscalls,
    find: (fd: number) => InotifyInstance,
    path: string,
    options: TreeWatchOptions,
  ): Op<TreeWatch> {
    const { mode } = yield* sys.fstatat(AT_FDCWD, path, 0);
    const fd = yield* sys.inotify_init1(inotify.IN_NONBLOCK);
    try {
      const watch = new TreeWatch(sys, { fd, instance: find(fd) }, path, options);
      watch.#rootWd = yield* sys.inotify_add_watch(fd, path, watch.#mask | SELF);
      watch.#paths.set(watch.#rootWd, watch.#root);
      const isTree = options.recursive && (mode & S_IFMT) === S_IFDIR;
      if (isTree) yield* watch.#watchBelow(watch.#root, undefined);
      startOp(watch.#pump(), {
        resolve: () => undefined,
        reject: (error) => {
          watch.#failure = { error };
          watch.#arrived.wakeAll();
        },
      });
      return watch;
    } catch (error) {
      yield* sys.close(fd);
      throw error;
    }
  }

  get #mask(): number {
    return this.#options.all ? CHANGES | ACCESSES : CHANGES;
  }

  *close(): Op<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.wakeAll();
    this.#arrived.wakeAll();
    yield* this.#sys.close(this.#fd);
  }

  /** Waits for events. None at all: it was closed. */
  *next(): Op<TreeEvent[]> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#events.length > 0 || this.#isClosed) {
        const events = this.#events;
        this.#events = [];
        return events;
      }
      yield this.#arrived;
    }
  }

  *#pump(): Op<void> {
    while (!this.#isClosed) {
      const events: TreeEvent[] = [];
      for (let event = this.#instance.next(); event !== undefined; event = this.#instance.next()) {
        yield* this.#take(event, events);
      }
      // Whatever a listing told of before its event came, the event has come by now.
      this.#found.clear();
      yield* this.#settleLeaving();
      if (events.length > 0) this.#deliver(events);
      yield anyOf([this.#instance.readinessChanged, this.#closing]);
    }
  }

  #deliver(events: readonly TreeEvent[]): void {
    if (this.#events.length + events.length > EVENTS_MAX) {
      const last = this.#events.at(-1);
      if (last?.type !== 'overflow') this.#events.push(this.#overflow);
    } else this.#events.push(...events);
    this.#arrived.wakeAll();
  }

  get #overflow(): TreeEvent {
    return { type: 'overflow', path: this.#root, cookie: 0, isDirectory: true };
  }

  *#take(event: InotifyEvent, events: TreeEvent[]): Op<void> {
    const { wd, mask, cookie, name } = event;
    if ((mask & IN_Q_OVERFLOW) !== 0) {
      events.push(this.#overflow);
      if (this.#options.recursive) yield* this.#watchBelow(this.#root, undefined);
      return;
    }
    const dir = this.#paths.get(wd);
    if (dir === undefined) return;
    if ((mask & IN_IGNORED) !== 0) {
      this.#paths.delete(wd);
      return;
    }
    // What happens to a directory in the tree itself, its parent's watch has told.
    if (name === '' && wd !== this.#rootWd) return;
    const isDirectory = (mask & IN_ISDIR) !== 0;
    const path = name === '' ? dir : join(dir, name);
    const wasFound = name !== '' && this.#takeFound(wd, name, mask);
    const type = TYPES.find(([bits]) => (mask & bits) !== 0)?.[1];
    if (type === undefined || wasFound) return;
    events.push({ type, path, cookie, isDirectory });
    if (isDirectory && this.#options.recursive) yield* this.#follow(event, path, events);
  }

  /** Has a listing told of this creation already? */
  #takeFound(wd: number, name: string, mask: number): boolean {
    if ((mask & (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM)) === 0) return false;
    const wasFound = this.#found.get(wd)?.delete(name) === true;
    return wasFound && (mask & (IN_CREATE | IN_MOVED_TO)) !== 0;
  }

  /** A directory has come or gone. */
  *#follow({ mask, cookie }: InotifyEvent, path: string, events: TreeEvent[]): Op<void> {
    if ((mask & IN_MOVED_TO) !== 0 && this.#leaving?.cookie === cookie) {
      this.#rename(this.#leaving.path, path);
      this.#leaving = undefined;
      return;
    }
    if ((mask & IN_MOVED_FROM) !== 0) {
      yield* this.#settleLeaving();
      this.#leaving = { cookie, path };
    } else if ((mask & (IN_CREATE | IN_MOVED_TO)) !== 0) {
      yield* this.#watchTree(path, events);
    }
  }

  #rename(from: string, to: string): void {
    for (const [wd, path] of this.#paths) {
      if (isSameOrBelow(path, from)) this.#paths.set(wd, to + path.slice(from.length));
    }
  }

  /** A directory that left and came nowhere is no longer of the tree. */
  *#settleLeaving(): Op<void> {
    const leaving = this.#leaving;
    if (leaving === undefined) return;
    this.#leaving = undefined;
    for (const [wd, path] of [...this.#paths]) {
      if (!isSameOrBelow(path, leaving.path)) continue;
      this.#paths.delete(wd);
      yield* ignoring(linuxerr.EINVAL, this.#sys.inotify_rm_watch(this.#fd, wd));
    }
  }

  /** Watches a directory and everything below it. Told of: what is there, if `events` is given. */
  *#watchTree(path: string, events: TreeEvent[] | undefined): Op<void> {
    try {
      const wd = yield* this.#sys.inotify_add_watch(this.#fd, path, this.#mask | IN_ONLYDIR);
      this.#paths.set(wd, path);
      yield* this.#watchBelow(path, events === undefined ? undefined : { wd, events });
    } catch (error) {
      // It may be gone again, be something else by now, or not be readable.
      const isExpected = [linuxerr.ENOENT, linuxerr.ENOTDIR, linuxerr.EACCES].some(
        (each) => each === error,
      );
      if (!isExpected) throw error;
    }
  }

  *#watchBelow(
    path: string,
    telling: { readonly wd: number; readonly events: TreeEvent[] } | undefined,
  ): Op<void> {
    for (const { name, type } of yield* listDirectory(this.#sys, path, O_NOFOLLOW)) {
      const isDirectory = type === DT_DIR;
      const child = join(path, name);
      if (telling !== undefined) {
        const { wd, events } = telling;
        let found = this.#found.get(wd);
        if (found === undefined) this.#found.set(wd, (found = new Set()));
        found.add(name);
        events.push({ type: 'create', path: child, cookie: 0, isDirectory });
      }
      if (isDirectory) yield* this.#watchTree(child, telling?.events);
    }
  }
}

function* ignoring(expected: LinuxError, op: Op<void>): Op<void> {
  try {
    yield* op;
  } catch (error) {
    if (error !== expected) throw error;
  }
}

function isSameOrBelow(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir === '/' ? '/' : `${dir}/`);
}
