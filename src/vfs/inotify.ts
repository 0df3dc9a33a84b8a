// InotifyInstance: the queue of events that a program reads, and the watches that feed it.
// Mirrors gVisor pkg/sentry/vfs/inotify.go (Inotify); Linux: fs/notify/inotify, inotify(7).
//
// A watch and its instance know each other. An instance's watches go when its description is
// released.

import { linuxerr } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  INOTIFY_EVENT_SIZE,
} from '../abi/inotify.ts';
import { POLLIN, POLLRDNORM } from '../abi/poll.ts';
import type { Stat } from '../abi/stat.ts';
import type { Credentials } from '../auth/credentials.ts';
import { assert } from '../lib/assert.ts';
import { type Op, type Wait, WaitQueue } from '../lib/op.ts';
import { encodeUtf8, utf8Length } from '../lib/text.ts';
import type { Dentry, VirtualDentry } from './dentry.ts';
import { FileDescription } from './file-description.ts';
import type { SetStat } from './options.ts';
import { checkNanoseconds, checkSetStat, isSetToNow } from './permissions.ts';
import type { InotifyEvent, Watch, WatchOwner } from './watches.ts';

/** Events waiting in an instance: IN_Q_OVERFLOW. Linux: fs.inotify.max_queued_events. */
export const INOTIFY_QUEUE_MAX = 16_384;
/** Watches of an instance: ENOSPC. Linux: fs.inotify.max_user_watches. */
const INOTIFY_WATCHES_MAX = 1 << 20;
/** What comes back to the user of a mask: a watch's flags are not events. */
const WATCH_FLAGS = IN_EXCL_UNLINK | IN_ONESHOT;

export interface InotifyOptions {
  /** Events that may wait: one more, and IN_Q_OVERFLOW takes its place. */
  readonly queueMax: number;
  readonly onRelease: () => void;
}

/** An inotify instance: what inotify_init1(2) opens. */
export class InotifyInstance extends FileDescription implements WatchOwner {
  readonly #watches = new Map<number, Watch>();
  readonly #queue: InotifyEvent[] = [];
  readonly #changed = new WaitQueue();
  readonly #options: InotifyOptions;
  #lastWd = 0;
  #hasOverflowed = false;

  constructor(vd: VirtualDentry, flags: number, options: InotifyOptions) {
    super(vd, flags, { isSpecial: true });
    this.#options = options;
  }

  override get isSeekable(): boolean {
    return false;
  }

  override *stat(): Op<Stat> {
    return yield* this.vd.mount.filesystem.statDentry(this.vd.dentry);
  }

  /** Linux: fs/anon_inodes.c anon_inode_setattr(). */
  protected override *setStatImpl(change: SetStat, creds: Credentials): Op<number> {
    checkNanoseconds(change);
    // What is asked before of setting times to now: may_setattr().
    if (isSetToNow(change)) checkSetStat(creds, yield* this.stat(), change);
    throw change.size === undefined ? linuxerr.EOPNOTSUPP : linuxerr.EINVAL;
  }

  /**
   * Watches the file of a dentry. Returns the watch descriptor, the old one if it was watched
   * already: then `mask` replaces its mask, or is added with IN_MASK_ADD.
   *
   * Errors:
   *  - EEXIST if it was watched already, with IN_MASK_CREATE.
   *  - ENOSPC at INOTIFY_WATCHES_MAX watches.
   *  - those of Dentry.watchSet().
   */
  *addWatch(dentry: Dentry, mask: number): Op<number> {
    const kept = mask & (IN_ALL_EVENTS | WATCH_FLAGS);
    const existing = dentry.watches?.get(this);
    if (existing !== undefined) {
      if ((mask & IN_MASK_CREATE) !== 0) throw linuxerr.EEXIST;
      existing.mask = (mask & IN_MASK_ADD) === 0 ? kept : existing.mask | kept;
      return existing.wd;
    }
    if (this.#watches.size >= INOTIFY_WATCHES_MAX) throw linuxerr.ENOSPC;
    const target = dentry.ensureWatches();
    const watch = { wd: ++this.#lastWd, target, mask: kept };
    this.#watches.set(watch.wd, watch);
    target.add(this, watch);
    const set = dentry.watchSet();
    if (set === undefined) return watch.wd;
    try {
      yield* set;
    } catch (error) {
      // Unless it has been removed meanwhile.
      if (this.#watches.delete(watch.wd)) target.delete(this);
      throw error;
    }
    return watch.wd;
  }

  /** Errors: EINVAL if there is no such watch. */
  removeWatch(wd: number): void {
    const watch = this.#watches.get(wd);
    if (watch === undefined) throw linuxerr.EINVAL;
    this.dropWatch(watch);
  }

  dropWatch(watch: Watch): void {
    const had = this.#watches.delete(watch.wd);
    assert(had, 'an inotify watch removed twice');
    this.queue({ wd: watch.wd, mask: IN_IGNORED, cookie: 0, name: '' });
    watch.target.delete(this);
  }

  /** Linux: fsnotify_insert_event(), inotify_merge(). */
  queue(event: InotifyEvent): void {
    if (this.#queue.length >= this.#options.queueMax) {
      if (this.#hasOverflowed) return;
      this.#hasOverflowed = true;
      this.#queue.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
    } else {
      const last = this.#queue.at(-1);
      if (last !== undefined && isSameEvent(last, event)) return;
      this.#queue.push(event);
    }
    this.#changed.wakeAll();
  }

  /** Takes the first event. */
  next(): InotifyEvent | undefined {
    const event = this.#queue.shift();
    if (event?.mask === IN_Q_OVERFLOW) this.#hasOverflowed = false;
    return event;
  }

  /** Returns as many whole events as fit. Errors: EAGAIN; EINVAL if not even the first fits. */
  protected override *readImpl(buffer: Uint8Array): Op<number> {
    for (;;) {
      const count = this.#take(buffer);
      if (count > 0) return count;
      if ((this.statusFlags & O_NONBLOCK) !== 0) throw linuxerr.EAGAIN;
      yield this.#changed;
    }
  }

  #take(buffer: Uint8Array): number {
    let count = 0;
    for (;;) {
      const event = this.#queue[0];
      if (event === undefined) return count;
      const size = sizeOfEvent(event);
      if (count + size > buffer.length) {
        if (count === 0) throw linuxerr.EINVAL;
        return count;
      }
      encodeEvent(event, buffer.subarray(count, count + size));
      count += size;
      this.next();
    }
  }

  /** Moves nothing. Linux: noop_llseek(). */
  protected override *seekImpl(): Op<number> {
    return 0;
  }

  override *readableBytes(): Op<number> {
    return this.#queue.reduce((sum, event) => sum + sizeOfEvent(event), 0);
  }

  override readiness(events: number): number {
    return this.#queue.length > 0 ? events & (POLLIN | POLLRDNORM) : 0;
  }

  override get readinessChanged(): Wait {
    return this.#changed;
  }

  protected override releaseImpl(): void {
    for (const watch of this.#watches.values()) watch.target.delete(this);
    this.#watches.clear();
    this.#queue.length = 0;
    this.#options.onRelease();
  }
}

function isSameEvent(last: InotifyEvent, event: InotifyEvent): boolean {
  if ((last.mask & IN_IGNORED) !== 0) return false;
  return last.mask === event.mask && last.wd === event.wd && last.name === event.name;
}

/** The name takes a NUL and is padded to a multiple of the size of the fixed part. */
function sizeOfEvent({ name }: InotifyEvent): number {
  if (name === '') return INOTIFY_EVENT_SIZE;
  const units = Math.ceil((utf8Length(name) + 1) / INOTIFY_EVENT_SIZE);
  return INOTIFY_EVENT_SIZE * (1 + units);
}

/** struct inotify_event. */
function encodeEvent({ wd, mask, cookie, name }: InotifyEvent, target: Uint8Array): void {
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  view.setInt32(0, wd, true);
  view.setUint32(4, mask, true);
  view.setUint32(8, cookie, true);
  view.setUint32(12, target.length - INOTIFY_EVENT_SIZE, true);
  target.fill(0, INOTIFY_EVENT_SIZE);
  target.set(encodeUtf8(name), INOTIFY_EVENT_SIZE);
}
