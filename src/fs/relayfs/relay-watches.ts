// RelayWatchTable: the watches of this tab on files that another tab holds. The holder tells all
// that happens to a watched file, and here each watch takes what it wants.

import type { Op } from '../../lib/op.ts';
import type { InodeHint } from '../../vfs/exported.ts';
import { nextCookie, WatchedFiles, Watches } from '../../vfs/watches.ts';
import type { HolderMessage } from './messages.ts';
import type { RelayClient } from './relay-client.ts';
import type { RelayDentry } from './relay-dentry.ts';

/** A rename's two events arrive one after the other, even if others come between. */
const COOKIES_KEPT = 64;

/** Nothing is told here of what this tab does: that comes from the holder, like the rest. */
export class RelayedWatches extends WatchedFiles {
  override get isEmpty(): boolean {
    return true;
  }
}

export class RelayWatchTable {
  readonly #client: RelayClient;
  readonly #watched: WatchedFiles;
  /** By inode: all names of a file share them. The path is where it was then. */
  readonly #files = new Map<number, { readonly watches: Watches; readonly path: string }>();
  readonly #cookies = new Map<number, number>();

  constructor(client: RelayClient, watched: WatchedFiles) {
    this.#client = client;
    this.#watched = watched;
  }

  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  get hints(): InodeHint[] {
    return [...this.#files].map(([ino, { path }]) => ({ ino, path }));
  }

  get(ino: number): Watches | undefined {
    return this.#files.get(ino)?.watches;
  }

  ensure({ ino, handle, path }: RelayDentry): Watches {
    const present = this.get(ino);
    if (present !== undefined) return present;
    const watches = new Watches(() => {
      this.#files.delete(ino);
      this.#watched.delete(watches);
      this.#client.post('unwatch', ino);
    });
    this.#files.set(ino, { watches, path });
    this.#watched.add(watches);
    this.#client.post('watch', handle);
    return watches;
  }

  /** Waits until the holder has set what there is now: others' messages to it may be faster. */
  set(): Op<void> {
    return this.#client.call('told');
  }

  notify(event: HolderMessage & { readonly type: 'event' }): void {
    const { ino, mask: events, name, isUnlinked } = event;
    const cookie = this.#cookieHere(event.cookie);
    this.get(ino)?.notify({ events, cookie, name, isUnlinked });
  }

  /** What happened between two holders nobody knows. */
  eventsLost(): void {
    for (const { watches } of this.#files.values()) watches.eventsLost();
  }

  /** Renames of this tab's other filesystems have cookies, too. */
  #cookieHere(cookie: number): number {
    if (cookie === 0) return 0;
    let here = this.#cookies.get(cookie);
    if (here === undefined) {
      here = nextCookie();
      this.#cookies.set(cookie, here);
      const [oldest] = this.#cookies.keys();
      if (this.#cookies.size > COOKIES_KEPT && oldest !== undefined) this.#cookies.delete(oldest);
    }
    return here;
  }
}
