// Watches: what a client is told of files by inotify's events, unasked.

import { linuxerr } from '../abi/errno.ts';
import { IN_ALL_EVENTS } from '../abi/inotify.ts';
import { type Op, startOp } from '../lib/op.ts';
import type { ServedEvent, ServedWatch, WatchSink } from '../served/served-file.ts';
import type { ControlFD } from './server-fds.ts';
import type { Handlers } from './server-request.ts';
import type { Pushes } from './session-pushes.ts';

export interface SessionWatchesOptions {
  /** Most watches at a time. */
  readonly max: number;
  readonly pushes: Pushes;
  readonly onError: (error: unknown) => void;
}

/** Those of one client. */
export class SessionWatches {
  readonly #options: SessionWatchesOptions;
  readonly #watches = new Map<number, Watch>();
  #lastId = 0;

  constructor(options: SessionWatchesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#watches.size;
  }

  /** Events come once the watch is known(). Errors: ServedFile.watch()'s; ENOSPC. */
  *add(fd: ControlFD, mask: number, isRecursive: boolean): Op<Watch> {
    const { max, pushes } = this.#options;
    if (!pushes.canPush) throw linuxerr.EOPNOTSUPP;
    if (this.#watches.size >= max) throw linuxerr.ENOSPC;
    const watch = new Watch(++this.#lastId, pushes);
    // It has its place before it is there.
    this.#watches.set(watch.id, watch);
    const end = (): void => {
      this.end(watch.id);
    };
    watch.onEnd = () => fd.onClose.delete(end);
    fd.onClose.add(end);
    try {
      watch.start(yield* fd.file.watch(mask, isRecursive, watch));
      // The client has closed the FD meanwhile, or has gone.
      if (!fd.fds.has(fd.id)) throw linuxerr.EBADF;
      return watch;
    } catch (error) {
      end();
      throw error;
    } finally {
      if (watch.isEnded) this.#close(watch);
    }
  }

  /** Nothing to do if there is none. */
  end(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#watches.delete(id);
    watch.end();
    this.#close(watch);
  }

  endAll(): void {
    for (const id of [...this.#watches.keys()]) this.end(id);
  }

  #close(watch: Watch): void {
    startOp(watch.close(), { resolve: () => undefined, reject: this.#options.onError });
  }
}

class Watch implements WatchSink {
  readonly id: number;
  readonly #pushes: Pushes;
  #served: ServedWatch | undefined;
  /** What has happened before the client knows of the watch. */
  #early: ServedEvent[] | undefined = [];
  isEnded = false;
  onEnd: (() => void) | undefined;

  constructor(id: number, pushes: Pushes) {
    this.id = id;
    this.#pushes = pushes;
  }

  start(served: ServedWatch): void {
    this.#served = served;
  }

  event(event: ServedEvent): void {
    if (this.isEnded) return;
    if (this.#early === undefined) this.#pushes.event({ watchId: this.id, ...event });
    else if (this.#early.length < this.#pushes.eventsMax) this.#early.push(event);
    else this.#pushes.overflow();
  }

  overflow(): void {
    if (!this.isEnded) this.#pushes.overflow();
  }

  /** The client has been told its id. */
  known(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.event(event);
  }

  end(): void {
    this.isEnded = true;
    this.onEnd?.();
  }

  /** If it was started, and not closed yet. */
  *close(): Op<void> {
    const served = this.#served;
    this.#served = undefined;
    if (served !== undefined) yield* served.close();
  }
}

export const WATCH_HANDLERS: Handlers<'Watch' | 'Unwatch'> = {
  *Watch(request, { fd: id, mask, isRecursive }) {
    const events = mask & IN_ALL_EVENTS;
    if (events === 0) throw linuxerr.EINVAL;
    const fd = yield* request.control(id);
    if (isRecursive && !fd.isDirectory) throw linuxerr.ENOTDIR;
    const watch = yield* request.reading(fd, () =>
      request.scope.watches.add(fd, events, isRecursive),
    );
    request.afterwards(() => {
      watch.known();
    });
    return { watchId: watch.id };
  },

  *Unwatch(request, { watchId }) {
    request.scope.watches.end(watchId);
    return {};
  },
};
