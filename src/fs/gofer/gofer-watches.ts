// GoferWatches: what others do to files that are watched here, as the server tells. A watched file
// or directory has a watch at the server, and what happens there is told to the watches here, less
// what was done from here: own-changes.ts.
//
// The server, and others who read, open and close files all the time: IN_OPEN, IN_ACCESS and
// IN_CLOSE_NOWRITE are only told of programs here.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import {
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from '../../abi/inotify.ts';
import { type Op, startOp, uninterrupted, WaitQueue } from '../../lib/op.ts';
import type { RecoveryCalls } from '../../lisafs/client-recovery.ts';
import type { RequestOf } from '../../lisafs/messages.ts';
import type { Statx } from '../../lisafs/records.ts';
import { nextCookie } from '../../vfs/watches.ts';
import type { LocalDentry } from '../shared/inode.ts';
import type { GoferInode } from './gofer-inode.ts';
import { ExpectedEvents, type NameEvent, type OwnChange, OwnStates } from './own-changes.ts';
import type { Pending, RemoteFd, RemoteWatches } from './remote.ts';

const NAMES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
const STATE = IN_MODIFY | IN_ATTRIB;
const WATCHED = NAMES | STATE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;

/** Names that were given up here, of one directory: events of their files may still come. */
const FORMER_KEPT = 64;
/** A rename's two events come one after the other, even if others come between. */
const COOKIES_KEPT = 64;

type HostEvent = RequestOf<'Event'>['events'][number];

export interface WatchedTree {
  readonly watches: RemoteWatches;
  fdOf(inode: GoferInode): Op<RemoteFd>;
  stat(inode: GoferInode): Op<Statx>;
  /** Undefined for what isn't kept here, or is to be looked at or sent. */
  sizeThere(inode: GoferInode): number | undefined;
  /** Others have changed a file. */
  invalidateFile(inode: GoferInode): void;
  /** They have made, removed or replaced a name. */
  forgetEntry(dir: LocalDentry, name: string): void;
  /** Everything about a directory's names may be wrong. */
  forgetNames(dir: LocalDentry): void;
  /** A file's name is another's, or nobody's. */
  invalidate(dentry: LocalDentry): void;
}

/** A watch at the server. */
class HostWatch {
  readonly inode: GoferInode;
  /** Undefined until the server has answered. */
  id: number | undefined;
  /** The server is being asked for it. */
  isAsking = true;
  isEnded = false;
  readonly expected: ExpectedEvents;
  /** Files that had a name until it was given up here: what is written is told by it. */
  readonly #former = new Map<string, GoferInode>();

  constructor(inode: GoferInode, deliver: (watch: HostWatch, event: NameEvent) => void) {
    this.inode = inode;
    this.expected = new ExpectedEvents((event) => {
      deliver(this, event);
    });
  }

  /** The file with a name, or that had it last. */
  fileAt(name: string): GoferInode | undefined {
    return this.#known(name) ?? this.#former.get(name);
  }

  #known(name: string): GoferInode | undefined {
    return this.inode.dentry?.children?.get(name)?.inode as GoferInode | undefined;
  }

  /** A name is given up here. */
  leave(name: string): void {
    const file = this.#known(name);
    if (file === undefined) return;
    this.#former.delete(name);
    this.#former.set(name, file);
    const [oldest] = this.#former.keys();
    if (this.#former.size > FORMER_KEPT && oldest !== undefined) this.#former.delete(oldest);
  }
}

/**
 * Until the server has done what was sent before there was a watch: nobody has noted it as one's
 * own, and it may be done there only after the watch is set.
 */
function* untilAnswered(inode: GoferInode): Op<void> {
  const children = [...(inode.dentry?.children?.values() ?? [])];
  for (const each of [inode, ...children.map((child) => child.inode as GoferInode)]) {
    yield* each.untilAnswered();
  }
}

export class GoferWatches {
  readonly #tree: WatchedTree;
  readonly #byInode = new Map<GoferInode, HostWatch>();
  readonly #byId = new Map<number, HostWatch>();
  readonly #settled = new WaitQueue();
  readonly #own: OwnStates;
  /** Files here that others have written to since they were last told to be closed. */
  readonly #written = new WeakSet<GoferInode>();
  readonly #cookies = new Map<number, number>();
  /** Not looked at yet. */
  #queue: HostEvent[] = [];
  #isWorking = false;
  /** Counts sessions that were lost, with all watches. */
  #generation = 0;

  constructor(tree: WatchedTree) {
    this.#tree = tree;
    this.#own = new OwnStates(
      (inode) => tree.stat(inode),
      (inode) => tree.sizeThere(inode),
    );
  }

  // Watches.

  /** Waits until the server tells of all that happens to a file. Undefined: it does. */
  set(inode: GoferInode): Op<void> | undefined {
    const watch = this.#byInode.get(inode);
    if (watch === undefined) return this.#set(inode);
    return watch.isAsking ? this.#untilSet(watch) : undefined;
  }

  *#untilSet(watch: HostWatch): Op<void> {
    while (watch.isAsking) yield this.#settled;
  }

  /** Errors: ENOSPC, EACCES; EIO. */
  *#set(inode: GoferInode): Op<void> {
    const watch = new HostWatch(inode, (to, event) => {
      this.#deliver(to, event);
    });
    this.#byInode.set(inode, watch);
    try {
      yield* uninterrupted(this.#ask(watch));
    } catch (error) {
      if (this.#byInode.get(inode) === watch) this.#byInode.delete(inode);
      // It tells nobody anything: watches are of what is done here.
      if (error !== linuxerr.EOPNOTSUPP) throw error;
    } finally {
      watch.isAsking = false;
      this.#settled.wakeAll();
    }
  }

  *#ask(watch: HostWatch): Op<void> {
    yield* untilAnswered(watch.inode);
    for (;;) {
      const generation = this.#generation;
      try {
        const pending = this.#tree.watches.set(yield* this.#tree.fdOf(watch.inode), WATCHED);
        // Events come right behind the answer.
        pending.onSettled((_error, id) => {
          if (id !== undefined) this.#setAs(watch, id);
        });
        yield* pending.wait();
        return;
      } catch (error) {
        const isSessionLost = error === linuxerr.EIO && generation !== this.#generation;
        if (!isSessionLost) throw error;
      }
    }
  }

  #setAs(watch: HostWatch, id: number): void {
    if (watch.isEnded) {
      this.#tree.watches.end(id);
      return;
    }
    watch.id = id;
    this.#byId.set(id, watch);
  }

  /** Nobody watches the file any more. */
  unset(inode: GoferInode): void {
    const watch = this.#byInode.get(inode);
    if (watch === undefined) return;
    this.#byInode.delete(inode);
    watch.isEnded = true;
    if (watch.id === undefined) return;
    this.#byId.delete(watch.id);
    this.#tree.watches.end(watch.id);
  }

  // What is done from here.

  /** A request was sent that makes one event of a directory's name, or of a file (''). */
  expect(inode: GoferInode, bits: number, name: string, pending: Pending<unknown>): void {
    const watch = this.#byInode.get(inode);
    if ((bits & (IN_DELETE | IN_MOVED_FROM)) !== 0) watch?.leave(name);
    watch?.expected.add(bits, name, pending);
  }

  /** A request was sent that changes a file, perhaps a new one in `dir`. */
  changed(inode: GoferInode, change: OwnChange & { readonly dir?: GoferInode } = {}): void {
    if (this.#byInode.size === 0) return;
    const isWatched =
      this.#byInode.has(inode) ||
      (change.dir !== undefined && this.#byInode.has(change.dir)) ||
      this.#isInWatched(inode) ||
      // Events of when it was may still come.
      this.#own.has(inode);
    if (isWatched) this.#own.changed(inode, change);
  }

  /**
   * By any of its names: the host tells the directory by whose name the server found the file,
   * whatever name it is used by here.
   */
  #isInWatched(inode: GoferInode): boolean {
    for (const { parent } of inode.names()) {
      if (parent !== undefined && this.#byInode.has(parent.inode as GoferInode)) return true;
    }
    return false;
  }

  // What the server tells.

  onEvents(events: readonly HostEvent[]): void {
    this.#queue.push(...events);
    if (this.#isWorking) return;
    this.#isWorking = true;
    startOp(this.#work(), {
      resolve: () => {
        this.#isWorking = false;
      },
      reject: (error) => {
        this.#isWorking = false;
        void Promise.reject(error);
      },
    });
  }

  /** In the order in which they came. */
  *#work(): Op<void> {
    while (this.#queue.length > 0) {
      const events = this.#queue;
      this.#queue = [];
      const doubtful = new Set<GoferInode>();
      // Now: until it is known what has become of a file, its name may be another's.
      const files = events.map((event) => this.#stateOf(event));
      for (const file of files) {
        if (file !== undefined && this.#own.has(file)) doubtful.add(file);
      }
      const unchanged = yield* this.#unchangedOf([...doubtful]);
      for (const [index, event] of events.entries()) this.#take(event, files[index], unchanged);
    }
  }

  /** Those that nobody else has changed. All are asked for at once. */
  *#unchangedOf(inodes: readonly GoferInode[]): Op<ReadonlySet<GoferInode>> {
    const unchanged = new Set<GoferInode>();
    let left = inodes.length;
    const looked = new WaitQueue();
    for (const inode of inodes) {
      inode.keepInMemory();
      const end = (): void => {
        left--;
        looked.wakeAll();
        inode.letGo();
      };
      startOp(this.#own.isChangedByOthers(inode), {
        resolve: (isChanged) => {
          if (!isChanged) unchanged.add(inode);
          end();
        },
        reject: (error) => {
          end();
          void Promise.reject(error);
        },
      });
    }
    while (left > 0) yield looked;
    return unchanged;
  }

  /** The file whose state an event is about, if it is known here. */
  #stateOf({ watchId, mask, name }: HostEvent): GoferInode | undefined {
    const watch = this.#byId.get(watchId);
    if (watch === undefined || (mask & (STATE | IN_CLOSE_WRITE)) === 0) return undefined;
    if (name === '') return watch.inode;
    return typeof name === 'string' ? watch.fileAt(name) : undefined;
  }

  #take(host: HostEvent, file: GoferInode | undefined, unchanged: ReadonlySet<GoferInode>): void {
    const { watchId, mask, cookie, name } = host;
    const watch = this.#byId.get(watchId);
    // A name that isn't text is none here.
    if (watch === undefined || typeof name !== 'string') return;
    const event = { mask, cookie, name };
    if (watch.expected.take(event)) return;
    if ((mask & (STATE | IN_CLOSE_WRITE)) !== 0) {
      // It is being removed, or has been: from here.
      if (watch.expected.has(IN_DELETE | IN_MOVED_FROM, name)) return;
      if (file !== undefined && !this.#isByOthers(file, mask, unchanged)) return;
    }
    this.#deliver(watch, event);
  }

  /**
   * The server closes what it has open for us whenever it likes: of a file that was open here to be
   * written, only the end of what others wrote is told.
   */
  #isByOthers(file: GoferInode, mask: number, unchanged: ReadonlySet<GoferInode>): boolean {
    if ((mask & IN_CLOSE_WRITE) !== 0) {
      const isWritten = this.#written.delete(file) || !unchanged.has(file);
      return isWritten || !file.wasOpenToWrite;
    }
    if (unchanged.has(file)) return false;
    if ((mask & IN_MODIFY) !== 0) this.#written.add(file);
    return true;
  }

  /** Somebody else did it. */
  #deliver({ inode }: HostWatch, { mask, cookie, name }: NameEvent): void {
    const { dentry } = inode;
    if ((mask & NAMES) !== 0 && dentry !== undefined) this.#tree.forgetEntry(dentry, name);
    const file = name === '' ? inode : dentry?.children?.get(name)?.inode;
    if ((mask & STATE) !== 0 && file !== undefined) {
      this.#tree.invalidateFile(file as GoferInode);
    }
    if ((mask & IN_MOVE_SELF) !== 0 && dentry !== undefined) this.#tree.invalidate(dentry);
    if ((mask & IN_DELETE_SELF) !== 0) {
      this.#deleted(inode);
      return;
    }
    inode.watches?.notify({ events: mask, name, cookie: this.#cookieHere(cookie) });
  }

  #deleted(inode: GoferInode): void {
    const { dentry, watches } = inode;
    inode.nlink = 0;
    if (dentry !== undefined) this.#tree.invalidate(dentry);
    watches?.fileDeleted();
  }

  /** Renames of programs here have cookies, too. */
  #cookieHere(cookie: number): number {
    if (cookie === 0) return 0;
    const known = this.#cookies.get(cookie);
    if (known !== undefined) return known;
    const here = nextCookie();
    this.#cookies.set(cookie, here);
    const [oldest] = this.#cookies.keys();
    if (this.#cookies.size > COOKIES_KEPT && oldest !== undefined) this.#cookies.delete(oldest);
    return here;
  }

  /** Nobody knows what has happened: all that is watched may be different. */
  onOverflow(): void {
    for (const { inode, expected } of [...this.#byInode.values()]) {
      expected.onOverflow();
      this.#tree.invalidateFile(inode);
      if (inode.isDir && inode.dentry !== undefined) this.#tree.forgetNames(inode.dentry);
      inode.watches?.eventsLost();
    }
  }

  /** The session is lost. FDs are open again. */
  *recover(calls: RecoveryCalls): Op<void> {
    this.#generation++;
    this.#byId.clear();
    for (const watch of [...this.#byInode.values()]) {
      // Whoever is setting it sees to it.
      if (watch.isAsking) continue;
      const { fd } = watch.inode;
      watch.id = undefined;
      if (fd === undefined || fd.isLost) continue;
      const asked = { fd: fd.id, mask: WATCHED, isRecursive: false };
      const reply = calls.send('Watch', asked);
      reply.onSettled((_error, value) => {
        if (value !== undefined) this.#setAs(watch, value.watchId);
      });
      try {
        yield* reply.wait();
      } catch (error) {
        // It can't be watched any more; what happened meanwhile is told below.
        if (error === linuxerr.EIO || !(error instanceof LinuxError)) throw error;
      }
    }
    this.onOverflow();
  }
}
