// Session: one client of a server, across the links it comes by. It has the client's FDs, and the
// replies the client may not have got: a request that comes again is answered again, and not done
// again. Mirrors gVisor pkg/lisafs/connection.go; NFSv4.1 keeps replies so (RFC 8881, 2.10.6).

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assert, assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { nextMacrotask } from '../lib/macrotask.ts';
import { type Op, runAsync } from '../lib/op.ts';
import { RwLock } from '../lib/rw-lock.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import { WireError } from '../lib/wire-buffer.ts';
import type { LockTable } from '../locks/lock-table.ts';
import { BUFFERED_BYTES_MAX } from '../transport/transport.ts';
import { type Frame, type HeaderVersion, isTagBefore, PAYLOAD_SIZE_MAX } from './frame.ts';
import { MESSAGES, type MessageName, messageNameOf, messageRow } from './messages.ts';
import { type FdReserve, Fds } from './server-fds.ts';
import { handlerOf } from './server-handlers.ts';
import { isReplyKept, replyBytesMax } from './reply-size.ts';
import { isPlainRead } from './server-data.ts';
import type { ServerObserver } from '../served/server-observer.ts';
import { SessionLocks } from './server-locks.ts';
import { Reply } from './server-reply.ts';
import { Request, type RequestScope, type ServerScope } from './server-request.ts';
import { SessionWatches } from './server-watches.ts';
import { Pushes } from './session-pushes.ts';

/** Their answers say nothing of files, or they may take long: nobody is kept waiting for them. */
const SILENT: ReadonlySet<MessageName | undefined> = new Set([
  'Ping',
  'Close',
  'FSync',
  'Flush',
  'SetLock',
  'GetLock',
  'CancelLock',
  'Watch',
  'Unwatch',
  'Reserve',
]);

/** Of a reply that is kept, beside its payload. */
const KEPT_REPLY_BYTES = 256;
/**
 * Bytes of replies that wait until the client reads them, and of those to come: who reads slowly
 * is answered slowly. More than a transport calls much, and one of the largest.
 */
export const REPLIES_BYTES_MAX = 8 << 20;
assert(REPLIES_BYTES_MAX >= BUFFERED_BYTES_MAX + PAYLOAD_SIZE_MAX);

/** Where replies go: the link there is at the moment. */
export interface Outlet {
  readonly headerVersion: HeaderVersion;
  /** The frame's memory stays as it is until `onSent` is called, which may be never. */
  send(frame: Uint8Array, onSent: () => void): void;
  /** Of replies that are not on their way. */
  readonly bufferedBytes: number;
  /** Requests stay where they are until resume(). */
  pause(): void;
  resume(): void;
  /** The client reads more slowly than it asks. */
  readonly isCongested: boolean;
  drained(): Promise<void>;
  /** The client doesn't keep to the rules. */
  refuse(reason: string): void;
}

export interface SessionOptions {
  readonly scope: ServerScope;
  readonly fdsMax: number;
  readonly reserve?: FdReserve | undefined;
  /** Watches at a time. */
  readonly watchesMax: number;
  /** Events that wait until the client has room for them. */
  readonly eventsMax: number;
  readonly locks: LockTable;
  /** Of this session, for the table: not its id, which is a secret. */
  readonly newLockName: () => string;
  /** Requests at a time. */
  readonly inFlightMax: number;
  /** Bytes of replies that are kept until the client says that it has them. */
  readonly keptBytesMax: number;
  /** An error that nobody expects, of a handler or of a file that is closed. */
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
  readonly observer?: ServerObserver | undefined;
}

/** A request as it came, or one whose reply is there already. */
interface Asked {
  readonly frame: Frame;
  readonly name: MessageName | undefined;
  readonly values: StructValues<FieldTable> | undefined;
  /** Why it can't be done. */
  readonly refusal: unknown;
  readonly kept: Reply | undefined;
  /** What it takes, and its reply at most. */
  readonly bytesMax: number;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #scope: RequestScope;
  readonly #pushes: Pushes;
  /** Undefined while there is no link. */
  #outlet: Outlet | undefined;
  /** Requests under way, by tag. */
  readonly #running = new Set<number>();
  /** Came, and not begun: there is no room for the replies. Hardly more than one, as all pause. */
  readonly #waiting: Asked[] = [];
  /** Bytes of the replies to what is under way, at most. */
  #promisedBytes = 0;
  /** The link whose draining is waited for. */
  #draining: Outlet | undefined;
  /** Replies to what must not be done twice. */
  readonly #kept = new Map<number, Reply>();
  #keptBytes = 0;
  #isEnded = false;

  constructor(options: SessionOptions) {
    const { scope, eventsMax, watchesMax: max, onError } = options;
    const { locks: table, newLockName: newName } = options;
    this.#options = options;
    const { payloadMax } = scope;
    const outlet = (): Outlet | undefined => this.#outlet;
    const pushes = new Pushes({ outlet, payloadMax, eventsMax, soon });
    this.#pushes = pushes;
    this.#scope = {
      ...scope,
      fds: this.#newFds(),
      locks: new SessionLocks({ table, newName, onError }),
      watches: new SessionWatches({ max, pushes, onError }),
      arrivalMu: new RwLock(),
    };
  }

  #newFds(): Fds {
    const { fdsMax, onError, reserve, scope } = this.#options;
    return new Fds({
      max: fdsMax,
      reserve,
      files: scope.tree.files,
      onInvalidate: ({ id }, flags, name) => {
        this.#pushes.invalidate(id, flags, name);
      },
      onClose: ({ id }) => {
        this.#pushes.forget(id);
      },
      onCloseError: onError,
    });
  }

  get fds(): Fds {
    return this.#scope.fds;
  }

  /** By which its locks are known to other servers. */
  get lockName(): string | undefined {
    return this.#scope.locks.name;
  }

  /** SessionLocks.rename(). */
  renameLocks(name: string, lost: string | undefined): void {
    this.#scope.locks.rename(name, lost);
  }

  get isBusy(): boolean {
    return this.#running.size > 0 || this.#waiting.length > 0;
  }

  get outlet(): Outlet | undefined {
    return this.#outlet;
  }

  /** There is another link, or none. What waited came by the old one, and will come again. */
  use(outlet: Outlet | undefined): void {
    this.#outlet = outlet;
    this.#waiting.length = 0;
  }

  /** What its requests take, and the replies that are kept or may be. */
  get heldBytes(): number {
    return this.#keptBytes + this.#promisedBytes;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** The client has come back, and been told so. */
  resumed(): void {
    this.#pushes.resumed();
  }

  /** The client has the replies to all tags up to `lastTag`, but not to those it awaits. */
  seen({ lastTag, awaited }: { lastTag: number; awaited: readonly number[] }): void {
    const isAwaited = new Set(awaited);
    for (const [tag, reply] of this.#kept) {
      if (isAwaited.has(tag) || isTagBefore(lastTag, tag)) continue;
      this.#kept.delete(tag);
      this.#keptBytes -= sizeOf(reply);
    }
  }

  /** Answers a request, at once or when it is done. */
  receive(frame: Frame): void {
    const { tag } = frame;
    const { inFlightMax, keptBytesMax } = this.#options;
    // It came before, by another link; when it is done, it is answered by this one.
    if (this.#running.has(tag)) return;
    const kept = this.#kept.get(tag);
    if (kept === undefined) {
      if (this.#running.size + this.#waiting.length >= inFlightMax) {
        this.#outlet?.refuse(`more than ${inFlightMax} requests at a time`);
        return;
      }
      if (this.#keptBytes > keptBytesMax) {
        this.#outlet?.refuse('replies are kept for too long: send Ack');
        return;
      }
    }
    this.#waiting.push(this.#ask(frame, kept));
    this.#pump();
  }

  /** Begins what there is room for, and reads on or waits for the client to read. */
  #pump(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#hasRoomFor(next)) break;
      this.#waiting.shift();
      this.#begin(next);
    }
    const outlet = this.#outlet;
    if (outlet === undefined) return;
    if (this.#waiting.length === 0) {
      outlet.resume();
      return;
    }
    outlet.pause();
    if (!outlet.isCongested || this.#draining === outlet) return;
    this.#draining = outlet;
    void outlet.drained().then(() => {
      if (this.#draining === outlet) this.#draining = undefined;
      if (this.#outlet === outlet) this.#pump();
    });
  }

  /** Whatever is large is answered in the end: by itself, if need be. */
  #hasRoomFor({ bytesMax: bytes }: Asked): boolean {
    const outlet = this.#outlet;
    if (outlet === undefined) return true;
    if (this.#promisedBytes === 0 && !outlet.isCongested) return true;
    return outlet.bufferedBytes + this.#promisedBytes + bytes <= REPLIES_BYTES_MAX;
  }

  #begin(asked: Asked): void {
    const { frame, kept } = asked;
    if (kept !== undefined) {
      this.#send(frame.tag, kept);
      return;
    }
    this.#running.add(frame.tag);
    this.#promisedBytes += asked.bytesMax;
    this.#run(asked).catch(this.#options.onError);
  }

  async #run(asked: Asked): Promise<void> {
    const { frame, name } = asked;
    const { tag } = frame;
    const telling = SILENT.has(name) ? undefined : this.#pushes.began();
    const request = new Request(this.#scope, tag);
    const { clock, observer } = this.#options;
    const startMs = clock.monotonicMs();
    const reply = await this.#handle(asked, request);
    const durationMs = clock.monotonicMs() - startMs;
    observer?.onRequest({ messageName: name, errno: reply.errno, durationMs });
    this.#running.delete(tag);
    this.#promisedBytes -= asked.bytesMax;
    if (this.#isEnded) {
      this.fds.closeAll();
      return;
    }
    if (this.#isKept(asked)) {
      this.#kept.set(tag, reply);
      this.#keptBytes += sizeOf(reply);
    }
    this.#send(tag, reply);
    if (telling !== undefined) this.#pushes.answered(telling);
    request.answered();
    this.#pump();
  }

  /** Also of one that couldn't be decoded: its client takes it for one that is. */
  #isKept({ frame, name, values }: Asked): boolean {
    if (frame.tag === 0 || name === undefined) return false;
    return values === undefined ? !messageRow(name).isRetrySafe : isReplyKept(name, values);
  }

  #send(tag: number, reply: Reply): void {
    const outlet = this.#outlet;
    if (outlet === undefined) return;
    outlet.send(reply.frame(outlet.headerVersion, tag), () => {
      reply.sent();
    });
  }

  #ask(frame: Frame, kept: Reply | undefined): Asked {
    const name = messageNameOf(frame.mid);
    const asked = { frame, name, kept, values: undefined, refusal: undefined };
    if (kept !== undefined) return { ...asked, bytesMax: kept.size };
    try {
      const values = this.#decode(name, frame);
      // A lock may be waited for as long as others like: that keeps no room.
      const isSmall = name === undefined || name === 'SetLock';
      const { payload } = frame;
      const bytesMax = isSmall ? 0 : replyBytesMax(name, values, this.#scope.payloadMax);
      return { ...asked, values, bytesMax: isSmall ? 0 : payload.length + bytesMax };
    } catch (refusal) {
      return { ...asked, refusal, bytesMax: 0 };
    }
  }

  /** Errors: EINVAL, EOPNOTSUPP, EROFS; WireError. */
  #decode(name: MessageName | undefined, { mid, payload }: Frame): StructValues<FieldTable> {
    if (mid === MESSAGES.Error.mid) throw linuxerr.EINVAL;
    if (name === undefined || handlerOf(name) === undefined) throw linuxerr.EOPNOTSUPP;
    const { request: table, onReadOnly } = messageRow(name);
    // Before anything else is looked at.
    if (this.#scope.isReadOnly && onReadOnly === 'refused') throw linuxerr.EROFS;
    const values = assertDefined(table).decode(payload);
    if (this.#scope.isReadOnly && onReadOnly !== 'served') checkOpensToRead(values);
    return values;
  }

  async #handle({ name, values, refusal }: Asked, request: Request): Promise<Reply> {
    try {
      if (name === undefined || values === undefined) throw refusal;
      const handler = assertDefined(handlerOf(name));
      const { arrivalMu } = this.#scope;
      const answer = await runAsync(behind(arrivalMu, () => handler(request, values)));
      return Reply.to(name, answer, this.#scope.payloadMax);
    } catch (error) {
      return Reply.error(this.#errorOf(error));
    } finally {
      request.end();
    }
  }

  #errorOf(error: unknown): LinuxError {
    if (error instanceof LinuxError) return error;
    if (error instanceof WireError) return linuxerr.EIO;
    this.#options.onError(error);
    return linuxerr.EREMOTEIO;
  }

  /** The same, because the server stops: what it has locked is kept for it at another one. */
  leave(): void {
    this.#scope.locks.end({ isLeft: true });
    this.end();
  }

  /** The client doesn't come again. What requests under way still make goes when they end. */
  end(): void {
    this.#isEnded = true;
    this.use(undefined);
    this.#kept.clear();
    this.#keptBytes = 0;
    this.fds.closeAll();
    this.#scope.locks.end();
    this.#scope.watches.endAll();
  }
}

/** Begins when nobody who came before has the lock. */
function* behind<T>(lock: RwLock, run: () => Op<T>): Op<T> {
  yield* lock.lockRead();
  lock.unlockRead();
  return yield* run();
}

function soon(run: () => void): void {
  void nextMacrotask().then(run);
}

/** Errors: EROFS. */
function checkOpensToRead(values: StructValues<FieldTable>): void {
  const { flags } = values as { readonly flags: number };
  if (!isPlainRead(flags)) throw linuxerr.EROFS;
}

/** What a reply takes while it is kept, about. */
function sizeOf({ size }: Reply): number {
  return KEPT_REPLY_BYTES + size;
}
