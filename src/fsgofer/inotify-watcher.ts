// InotifyWatcher: one inotify instance for all clients. The kernel has one watch for each file, so
// that those of several clients share it.
//
// Node can't wait for such a descriptor without giving a thread to it, of which it has four. So it
// is read every POLL_MS as long as there are watches, which takes a microsecond.

import { Buffer } from 'node:buffer';
import {
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_DELETE_SELF,
  IN_DONT_FOLLOW,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_Q_OVERFLOW,
  INOTIFY_EVENT_SIZE,
} from '../abi/inotify.ts';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { S_IFDIR } from '../abi/stat.ts';
import type { Clock } from '../lib/clock.ts';
import type { InotifyCalls } from './host-calls.ts';
import { fromHostBytes } from './host-name.ts';
import {
  atOnce,
  type HostEvent,
  type HostWatch,
  type HostWatcher,
  type HostWatchSink,
} from './host-watcher.ts';
import { close } from './node-fs.ts';
import { settleAlone, type SharedFile } from './shared-file.ts';

const POLL_MS = 15;
const BUFFER_SIZE = 64 << 10;
/** Reads of one poll: others have their turn, too. */
const READS_MAX = 16;

interface Listener {
  readonly wd: number;
  readonly mask: number;
  readonly sink: HostWatchSink;
  readonly file: SharedFile;
}

export class InotifyWatcher implements HostWatcher {
  readonly #calls: InotifyCalls;
  readonly #clock: Clock;
  /** Open as long as there are watches. */
  #fd: number | undefined;
  readonly #listeners = new Map<number, Set<Listener>>();
  readonly #buffer = Buffer.alloc(BUFFER_SIZE);
  #cancelPoll: (() => void) | undefined;

  constructor(calls: InotifyCalls, clock: Clock) {
    this.#calls = calls;
    this.#clock = clock;
  }

  watch(file: SharedFile, mask: number, sink: HostWatchSink): Promise<HostWatch> {
    return file.use(({ place }) =>
      place.withPath(
        // At once: between adding and removing the same file there must be nothing.
        (path) => atOnce(() => this.#add(path, { mask, sink, file }, place.isPinned)),
        (watch) => watch.close(),
      ),
    );
  }

  #add(path: Buffer, listener: Omit<Listener, 'wd'>, isPinned: boolean): HostWatch {
    const fd = (this.#fd ??= this.#calls.init());
    let added: Listener;
    try {
      const { mask } = listener;
      // A file that goes is told by its attributes, as long as somebody holds it.
      const selfGone = (mask & IN_DELETE_SELF) === 0 ? 0 : IN_ATTRIB;
      const flags = IN_MASK_ADD | (isPinned ? 0 : IN_DONT_FOLLOW);
      const wd = this.#calls.addWatch(fd, path, mask | selfGone | flags);
      added = { ...listener, wd };
    } catch (error) {
      this.#closeIfUnused();
      throw error;
    }
    const known = this.#listeners.get(added.wd);
    if (known === undefined) this.#listeners.set(added.wd, new Set([added]));
    else known.add(added);
    this.#arm();
    return {
      close: () =>
        atOnce(() => {
          this.#remove(added);
        }),
    };
  }

  #remove(listener: Listener): void {
    const { wd } = listener;
    const listeners = this.#listeners.get(wd);
    if (listeners?.delete(listener) !== true || listeners.size > 0) return;
    this.#listeners.delete(wd);
    try {
      if (this.#fd !== undefined) this.#calls.removeWatch(this.#fd, wd);
    } catch (error) {
      // The file has gone, and its watch with it: that is yet to be read.
      if (error !== linuxerr.EINVAL) throw error;
    }
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#listeners.size > 0 || this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
    settleAlone(close(fd));
  }

  #arm(): void {
    if (this.#fd === undefined) return;
    this.#cancelPoll ??= this.#clock.setTimer(POLL_MS, () => {
      this.#cancelPoll = undefined;
      this.#poll();
      this.#arm();
    });
  }

  #poll(): void {
    for (let count = 0; count < READS_MAX && this.#fd !== undefined; count++) {
      const length = this.#calls.read(this.#fd, this.#buffer);
      if (length === 0) return;
      for (const { wd, event } of eventsOf(this.#buffer.subarray(0, length))) this.#tell(wd, event);
    }
  }

  #tell(wd: number, event: HostEvent): void {
    if ((event.mask & IN_Q_OVERFLOW) !== 0) {
      const all = [...this.#listeners.values()].flatMap((listeners) => [...listeners]);
      for (const { sink } of all) sink.overflow();
      return;
    }
    const listeners = [...(this.#listeners.get(wd) ?? [])];
    if ((event.mask & IN_IGNORED) !== 0) {
      this.#listeners.delete(wd);
      this.#closeIfUnused();
      return;
    }
    for (const listener of listeners) {
      if ((event.mask & listener.mask & IN_ALL_EVENTS) !== 0) listener.sink.event(event);
      if ((event.mask & IN_ATTRIB) !== 0 && event.name === '')
        settleAlone(this.#checkGone(listener));
    }
  }

  /** The kernel tells that a file has gone when nobody holds it any more; a control FD does. */
  async #checkGone({ wd, mask, sink, file }: Listener): Promise<void> {
    if ((mask & IN_DELETE_SELF) === 0 || file.file.type === S_IFDIR) return;
    const isGone = await hasNoName(file);
    // Only once.
    const listeners = this.#listeners.get(wd);
    const listener = [...(listeners ?? [])].find((each) => each.sink === sink);
    if (isGone && listener !== undefined) sink.event({ mask: IN_DELETE_SELF, cookie: 0, name: '' });
  }
}

async function hasNoName(file: SharedFile): Promise<boolean> {
  try {
    const { nlink } = await file.use(({ place }) => place.stat());
    return nlink === 0;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return error === linuxerr.ENOENT || error === linuxerr.ESTALE;
  }
}

/** struct inotify_event, one after the other. */
function* eventsOf(bytes: Buffer): Generator<{ readonly wd: number; readonly event: HostEvent }> {
  for (let at = 0; at + INOTIFY_EVENT_SIZE <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 12);
    const start = at + INOTIFY_EVENT_SIZE;
    const padded = bytes.subarray(start, start + length);
    const end = padded.indexOf(0);
    const name = fromHostBytes(end < 0 ? padded : padded.subarray(0, end));
    const [mask, cookie] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
    yield { wd: bytes.readInt32LE(at), event: { mask, cookie, name } };
    at = start + length;
  }
}
