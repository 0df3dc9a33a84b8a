// OwnChanges: which of a host's events tell only what was done from here, of which the watches here
// have been told when it was done.
//
// What is done to a name gives one event for each request that succeeds, in their order: they are
// counted off. What is done to a file may give any number of events, as equal ones become one. So
// the server is asked what the file is like after each change of ours, and again when an event has
// come: if it is still the same, nobody else has done anything that matters.

import { LinuxError } from '../../abi/errno.ts';
import { type Op, startOp, WaitQueue } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { GoferInode } from './gofer-inode.ts';
import type { Pending } from './remote.ts';

export interface NameEvent {
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

interface Expected {
  readonly bits: number;
  readonly name: string;
  isDone: boolean;
  /** It came before the answer. */
  event: NameEvent | undefined;
}

/** Events that a watch is to get for what was done from here. */
export class ExpectedEvents {
  #expected: Expected[] = [];
  readonly #deliver: (event: NameEvent) => void;

  /** `deliver` takes what was not ours after all. */
  constructor(deliver: (event: NameEvent) => void) {
    this.#deliver = deliver;
  }

  /** `pending`: the request that is the reason. */
  add(bits: number, name: string, pending: Pending<unknown>): void {
    const expected: Expected = { bits, name, isDone: false, event: undefined };
    this.#expected.push(expected);
    pending.onSettled((error) => {
      const { event } = expected;
      if (error === undefined && event === undefined) {
        expected.isDone = true;
        return;
      }
      this.#delete(expected);
      if (error !== undefined && event !== undefined) this.#deliver(event);
    });
  }

  /** Is it ours? Then it isn't expected any more. */
  take(event: NameEvent): boolean {
    const found = this.#expected.find(
      ({ bits, name, event: before }) =>
        (event.mask & bits) !== 0 && name === event.name && before === undefined,
    );
    if (found === undefined) return false;
    if (found.isDone) this.#delete(found);
    else found.event = event;
    return true;
  }

  has(bits: number, name: string): boolean {
    return this.#expected.some((each) => (each.bits & bits) !== 0 && each.name === name);
  }

  /** Events were lost: better tell something twice than wait for what doesn't come. */
  onOverflow(): void {
    this.#expected = this.#expected.filter(({ isDone }) => !isDone);
  }

  #delete(expected: Expected): void {
    this.#expected = this.#expected.filter((each) => each !== expected);
  }
}

/** What becomes of something that takes more than one request, or is waited for. */
export class Outcome implements Pending<void> {
  #isSettled = false;
  #error: LinuxError | undefined;
  readonly #listeners: ((error: LinuxError | undefined, value: undefined) => void)[] = [];
  readonly #settled = new WaitQueue();

  settle(error: LinuxError | undefined): void {
    this.#isSettled = true;
    this.#error = error;
    for (const listener of this.#listeners.splice(0)) listener(error, undefined);
    this.#settled.wakeAll();
  }

  *wait(): Op<void> {
    while (!this.#isSettled) yield this.#settled;
    if (this.#error !== undefined) throw this.#error;
  }

  onSettled(listener: (error: LinuxError | undefined, value: undefined) => void): void {
    if (this.#isSettled) listener(this.#error, undefined);
    else this.#listeners.push(listener);
  }
}

/** What a file is like after what was done to it last. */
class OwnState {
  print: string | undefined;
  size: number | undefined;
  /** Changes whose outcome isn't known yet. */
  pending = 0;
  /** Counts changes. */
  version = 0;
  readonly settled = new WaitQueue();
}

/** A request that changes a file. */
export interface OwnChange {
  /** Its answer says what the file is like. */
  readonly made?: Pending<Statx>;
  /** It is no request of the file, so that what is sent next isn't done after it. */
  readonly elsewhere?: Pending<unknown>;
}

export class OwnStates {
  readonly #states = new WeakMap<GoferInode, OwnState>();
  readonly #stat: (inode: GoferInode) => Op<Statx>;
  readonly #sizeThere: (inode: GoferInode) => number | undefined;

  /** `sizeThere`: what the size must be if nobody else has changed it, if that is known. */
  constructor(
    stat: (inode: GoferInode) => Op<Statx>,
    sizeThere: (inode: GoferInode) => number | undefined,
  ) {
    this.#stat = stat;
    this.#sizeThere = sizeThere;
  }

  /** It is being changed from here, by what was sent last. */
  changed(inode: GoferInode, { made, elsewhere }: OwnChange): void {
    const state = this.#states.get(inode) ?? new OwnState();
    this.#states.set(inode, state);
    state.pending++;
    state.version++;
    if (made !== undefined) {
      made.onSettled((_error, statx) => {
        this.#settle(inode, state, statx);
      });
    } else if (elsewhere === undefined) this.#look(inode, state);
    else {
      elsewhere.onSettled(() => {
        this.#look(inode, state);
      });
    }
  }

  #look(inode: GoferInode, state: OwnState): void {
    if (isForgotten(inode)) {
      this.#settle(inode, state, undefined);
      return;
    }
    startOp(this.#stat(inode), {
      resolve: (statx) => {
        this.#settle(inode, state, statx);
      },
      reject: (error) => {
        this.#settle(inode, state, undefined);
        if (!(error instanceof LinuxError)) void Promise.reject(error);
      },
    });
  }

  #settle(inode: GoferInode, state: OwnState, statx: Statx | undefined): void {
    state.pending--;
    if (statx !== undefined) {
      state.print = printOf(inode, statx);
      state.size = statx.size;
    }
    state.settled.wakeAll();
  }

  has(inode: GoferInode): boolean {
    return this.#states.has(inode);
  }

  /** Has anybody else changed it? From now on it counts as it is. */
  *isChangedByOthers(inode: GoferInode): Op<boolean> {
    const state = this.#states.get(inode);
    if (state === undefined) return true;
    for (;;) {
      while (state.pending > 0) yield state.settled;
      if (isForgotten(inode)) return false;
      const { version, print } = state;
      try {
        const statx = yield* this.#stat(inode);
        // What is being done from here just now has its own look.
        if (state.version !== version) continue;
        // A look may have come too late to be one at what was done from here.
        const known = this.#sizeThere(inode);
        const isOther = known !== undefined && state.size !== undefined && state.size !== known;
        state.print = printOf(inode, statx);
        state.size = statx.size;
        return isOther || state.print !== print;
      } catch (error) {
        if (error instanceof LinuxError) return true;
        throw error;
      }
    }
  }
}

/** It was removed from here, and nobody here has it any more. */
function isForgotten({ fd, dentry }: GoferInode): boolean {
  return fd === undefined && dentry === undefined;
}

/** Names that come and go in a directory are another matter. */
function printOf(inode: GoferInode, { mode, uid, gid, size, mtime, ctime }: Statx): string {
  const attributes = [mode, uid, gid];
  if (inode.isDir) return attributes.join(' ');
  return [...attributes, size, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec].join(' ');
}
