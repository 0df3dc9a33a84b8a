// Pushes: what a client is told unasked. It waits until the client has room for it, and takes
// no more room itself than the client has FDs, and `eventsMax` events.
//
// An Invalidate comes after the answers to all requests that were under way when the file was
// changed: they may say what was so before. What comes later begins another one, so that a client
// who asks on and on is told all the same.

import { WireWriter } from '../lib/wire-buffer.ts';
import { utf8Length } from '../lib/text.ts';
import { INVALIDATE_ENTRY, INVALIDATE_LISTING } from './extensions.ts';
import { encodeRequest, PUSHED } from './frame.ts';
import type { MessageName, RequestOf } from './messages.ts';
import type { ServedEvent } from '../served/served-file.ts';
import type { Outlet } from './session.ts';

interface InvalidatedFile {
  readonly fd: number;
  readonly flags: number;
  readonly name: string;
}

interface WatchEvent extends ServedEvent {
  readonly watchId: number;
}

/** Bytes of events' names that wait: those of a tree that is watched may be long. */
const EVENT_BYTES_MAX = 1 << 20;
/** Names of a directory that are told one by one. */
const NAMES_MAX = 16;
/** Files, or events, of a frame. */
const FRAME_COUNT_MAX = 128;
/** Of a name: its length has 16 bits. */
const NAME_SIZE_MAX = 0xffff;

/** What has changed, by FD. */
class Invalidated {
  readonly #files = new Map<number, { flags: number; readonly names: Set<string> }>();
  /** The last request that had begun before. */
  after = 0;

  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  add(fd: number, flags: number, name: string): void {
    const file = this.#files.get(fd) ?? { flags: 0, names: new Set<string>() };
    this.#files.set(fd, file);
    file.flags |= flags & ~INVALIDATE_ENTRY;
    if ((flags & INVALIDATE_ENTRY) !== 0) file.names.add(name);
    if (file.names.size > NAMES_MAX) file.flags |= INVALIDATE_LISTING;
    if ((file.flags & INVALIDATE_LISTING) !== 0) file.names.clear();
  }

  addAll(files: readonly InvalidatedFile[]): void {
    for (const { fd, flags, name } of files) this.add(fd, flags, name);
  }

  delete(fd: number): void {
    this.#files.delete(fd);
  }

  /** The first name comes with the other flags. */
  list(): readonly InvalidatedFile[] {
    return [...this.#files].flatMap(([fd, { flags, names }]) => {
      if (names.size === 0) return [{ fd, flags, name: '' }];
      return [...names].map((name, index) => ({
        fd,
        flags: index === 0 ? flags | INVALIDATE_ENTRY : INVALIDATE_ENTRY,
        name,
      }));
    });
  }
}

export interface PushesOptions {
  readonly outlet: () => Outlet | undefined;
  readonly payloadMax: number;
  /** Most events that wait. */
  readonly eventsMax: number;
  /** Calls `run` soon, when what is happening just now has happened. */
  readonly soon: (run: () => void) => void;
}

export class Pushes {
  readonly #options: PushesOptions;
  /** Requests under way whose answers say what they have seen; the oldest first. */
  readonly #telling = new Set<number>();
  #lastTelling = 0;
  /** Complete, and waiting for such requests. */
  #waiting: Invalidated | undefined;
  #next = new Invalidated();
  /** Sent by this link: it may have been lost with what was under way. */
  #sent = new Invalidated();
  #events: WatchEvent[] = [];
  #eventBytes = 0;
  #hasOverflowed = false;
  #haveEventsGone = false;
  #isScheduled = false;
  #isDraining = false;

  constructor(options: PushesOptions) {
    this.#options = options;
  }

  get eventsMax(): number {
    return this.#options.eventsMax;
  }

  /** A client that has no session can't be told anything unasked. */
  get canPush(): boolean {
    return this.#options.outlet()?.headerVersion !== 1;
  }

  /** A request has begun whose answer will say what it sees. To be ended with answered(). */
  began(): number {
    this.#telling.add(++this.#lastTelling);
    return this.#lastTelling;
  }

  answered(request: number): void {
    this.#telling.delete(request);
    if (this.#waiting !== undefined) this.#schedule();
  }

  invalidate(fd: number, flags: number, name: string): void {
    if (!this.canPush) return;
    this.#next.add(fd, flags, name);
    this.#next.after = this.#lastTelling;
    this.#schedule();
  }

  /** The client has closed an FD. */
  forget(fd: number): void {
    for (const invalidated of [this.#waiting, this.#next, this.#sent]) invalidated?.delete(fd);
  }

  event(event: WatchEvent): void {
    const size = utf8Length(event.name);
    const isFull =
      this.#events.length >= this.#options.eventsMax || this.#eventBytes + size > EVENT_BYTES_MAX;
    if (this.#hasOverflowed || isFull || size > NAME_SIZE_MAX) {
      this.overflow();
      return;
    }
    this.#events.push(event);
    this.#eventBytes += size;
    this.#schedule();
  }

  overflow(): void {
    this.#hasOverflowed = true;
    this.#schedule();
  }

  /** By another link: what went by the one before may not have come. */
  resumed(): void {
    this.#next.addAll(this.#sent.list());
    this.#sent = new Invalidated();
    if (this.#haveEventsGone) this.#hasOverflowed = true;
    this.#haveEventsGone = false;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isDraining) return;
    this.#isScheduled = true;
    this.#options.soon(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const outlet = this.#options.outlet();
    if (outlet?.headerVersion !== 2) return;
    while (this.#mayGoOn(outlet) && this.#sendInvalidated(outlet));
    while (this.#mayGoOn(outlet) && this.#events.length > 0) {
      const events = this.#events.splice(0, FRAME_COUNT_MAX);
      for (const { name } of events) this.#eventBytes -= utf8Length(name);
      this.#send(outlet, 'Event', { events });
      this.#haveEventsGone = true;
    }
    if (!this.#hasOverflowed || !this.#mayGoOn(outlet)) return;
    this.#hasOverflowed = false;
    this.#send(outlet, 'Overflow', {});
    this.#haveEventsGone = true;
  }

  /** False, until it has been made room, if the client doesn't take what it was sent. */
  #mayGoOn(outlet: Outlet): boolean {
    if (this.#isDraining) return false;
    if (!outlet.isCongested) return true;
    this.#isDraining = true;
    void outlet.drained().then(() => {
      this.#isDraining = false;
      this.#schedule();
    });
    return false;
  }

  /** False if there is nothing that may be sent now. */
  #sendInvalidated(outlet: Outlet): boolean {
    if (this.#waiting === undefined) {
      if (this.#next.isEmpty) return false;
      this.#waiting = this.#next;
      this.#next = new Invalidated();
    }
    const [oldest = Infinity] = this.#telling;
    if (oldest <= this.#waiting.after) return false;
    const files = this.#waiting.list();
    this.#waiting = undefined;
    this.#sent.addAll(files);
    for (let at = 0; at < files.length; at += FRAME_COUNT_MAX) {
      this.#send(outlet, 'Invalidate', { files: files.slice(at, at + FRAME_COUNT_MAX) });
    }
    return true;
  }

  #send<Name extends MessageName>(outlet: Outlet, name: Name, values: RequestOf<Name>): void {
    const { payloadMax } = this.#options;
    const options = { headerVersion: 2, tag: PUSHED, payloadMax } as const;
    outlet.send(encodeRequest(new WireWriter(), options, name, values), () => undefined);
  }
}
