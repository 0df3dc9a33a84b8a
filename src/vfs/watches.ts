// Watches: the inotify watches on files, and how what happens to a file gets to them.
// Mirrors gVisor pkg/sentry/vfs/inotify.go (Watches); Linux: fs/notify/fsnotify.c. Which operation
// gives which events, and in which order, is Linux's: include/linux/fsnotify.h.
//
// References: a file's Watches keep its inode in memory; the filesystem sees to that.

import {
  IN_ALL_EVENTS,
  IN_DELETE_SELF,
  IN_EXCL_UNLINK,
  IN_ISDIR,
  IN_MOVE_SELF,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '../abi/inotify.ts';
import type { Dentry } from './dentry.ts';

export interface InotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  /** Of the entry, for events on what is in a watched directory; else empty. */
  readonly name: string;
  /** As in Notification. */
  readonly isUnlinked?: boolean;
}

/** An inotify instance, as its watches know it. */
export interface WatchOwner {
  queue(event: InotifyEvent): void;
  /** Removes a watch, which IN_IGNORED tells of. */
  dropWatch(watch: Watch): void;
}

/** What happened to a file, on its way to its watches. */
export interface Notification {
  /** IN_ bits. */
  readonly events: number;
  readonly cookie?: number;
  readonly name?: string;
  /** It happened through an open file whose name was removed: IN_EXCL_UNLINK hides it. */
  readonly isUnlinked?: boolean;
}

let lastCookie = 0;

/** Ties the two events of a rename together. Never 0. */
export function nextCookie(): number {
  lastCookie = (lastCookie % 0xffff_ffff) + 1;
  return lastCookie;
}

/** The files of a filesystem that are watched. Most of the time none is, and nothing is told. */
export class WatchedFiles {
  readonly #files = new Set<Watches>();

  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  add(watches: Watches): void {
    this.#files.add(watches);
  }

  delete(watches: Watches): void {
    this.#files.delete(watches);
  }

  /** The filesystem goes: every watch gets IN_UNMOUNT and is removed. */
  unmount(): void {
    for (const watches of [...this.#files]) watches.removeAll(IN_UNMOUNT);
  }
}

/** The watches on one file, at most one an instance. */
export class Watches {
  readonly #watches = new Map<WatchOwner, Watch>();
  readonly #onEmpty: () => void;

  /** `onEmpty` is called when the last watch goes. */
  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  get(instance: WatchOwner): Watch | undefined {
    return this.#watches.get(instance);
  }

  add(instance: WatchOwner, watch: Watch): void {
    this.#watches.set(instance, watch);
  }

  delete(instance: WatchOwner): void {
    this.#watches.delete(instance);
    if (this.#watches.size === 0) this.#onEmpty();
  }

  notify({ events, cookie = 0, name = '', isUnlinked = false }: Notification): void {
    for (const [instance, watch] of [...this.#watches]) {
      if (isUnlinked && (watch.mask & IN_EXCL_UNLINK) !== 0) continue;
      if ((watch.mask & events & IN_ALL_EVENTS) === 0) continue;
      const event = { wd: watch.wd, mask: events, cookie, name };
      instance.queue(isUnlinked ? { ...event, isUnlinked } : event);
      if ((watch.mask & IN_ONESHOT) !== 0) instance.dropWatch(watch);
    }
  }

  /** What happened meanwhile is not known: IN_Q_OVERFLOW tells every instance to look again. */
  eventsLost(): void {
    const event = { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' };
    for (const instance of [...this.#watches.keys()]) instance.queue(event);
  }

  /** The file is gone: no name, and nobody who could do anything with it through this dentry. */
  fileDeleted(): void {
    this.notify({ events: IN_DELETE_SELF });
    this.removeAll(0);
  }

  /** Removes every watch, each after an event that comes unasked, unless that is 0. */
  removeAll(lastEvent: number): void {
    for (const [instance, watch] of [...this.#watches]) {
      if (lastEvent !== 0) instance.queue({ wd: watch.wd, mask: lastEvent, cookie: 0, name: '' });
      instance.dropWatch(watch);
    }
  }
}

export interface Watch {
  readonly wd: number;
  readonly target: Watches;
  mask: number;
}

/** Tells the watches of a file, and those of the directory its name is (or was last) in. */
export function notifyWithParent(dentry: Dentry, notification: Notification): void {
  const events = notification.events | (dentry.isDir ? IN_ISDIR : 0);
  const { place } = dentry;
  place?.parent.watches?.notify({ ...notification, events, name: place.name });
  dentry.watches?.notify({ ...notification, events: eventsOfSelf(events) });
}

/** Tells the watches of the file alone. */
export function notifySelf(dentry: Dentry, events: number): void {
  dentry.watches?.notify({ events: eventsOfSelf(events | (dentry.isDir ? IN_ISDIR : 0)) });
}

/** Linux: inotify_handle_inode_event(): the _SELF events come without IN_ISDIR. */
function eventsOfSelf(events: number): number {
  return (events & (IN_DELETE_SELF | IN_MOVE_SELF)) === 0 ? events : events & ~IN_ISDIR;
}

/** Tells the watches of a directory about an entry. */
export function notifyEntry(
  dir: Dentry,
  entry: { readonly name: string; readonly isDir: boolean },
  events: number,
  cookie = 0,
): void {
  const mask = events | (entry.isDir ? IN_ISDIR : 0);
  dir.watches?.notify({ events: mask, name: entry.name, cookie });
}
