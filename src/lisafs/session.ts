// Session: one client of a server, across the links it comes by. It has the client's FDs, and the
// replies the client may not have got: a request that comes again is answered again, and not done
// again. Mirrors gVisor pkg/lisafs/connection.go; NFSv4.1 keeps replies so (RFC 8881, 2.10.6).

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { nextMacrotask } from '../lib/macrotask.ts';
import { type Op, runAsync } from '../lib/op.ts';
import { RwLock } from '../lib/rw-lock.ts';
import type { FieldTable, StructField, StructValues } from '../lib/wire.ts';
import { WireError } from '../lib/wire-buffer.ts';
import type { LockTable } from '../locks/lock-table.ts';
import { encodePayload, type Frame, type HeaderVersion, isTagBefore } from './frame.ts';
import { MESSAGES, type MessageName, messageNameOf, messageRow } from './messages.ts';
import { Fds } from './server-fds.ts';
import { handlerOf } from './server-handlers.ts';
import { isPlainRead } from './server-data.ts';
import type { ServerObserver } from './server-observer.ts';
import { SessionLocks } from './server-locks.ts';
import { Request, type RequestScope, type ServerScope } from './server-request.ts';
import { SessionWatches } from './server-watches.ts';
import { Pushes } from './session-pushes.ts';

/** Bytes of a message, and which one. */
type Reply = Omit<Frame, 'tag'>;

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
]);

/** Of a reply that is kept, beside its payload. */
const KEPT_REPLY_BYTES = 256;

/** Where replies go: the link there is at the moment. */
export interface Outlet {
  readonly headerVersion: HeaderVersion;
  send(frame: Uint8Array): void;
  /** The client reads more slowly than it asks. */
  readonly isCongested: boolean;
  drained(): Promise<void>;
  /** The client doesn't keep to the rules. */
  refuse(reason: string): void;
}

export interface SessionOptions {
  readonly scope: ServerScope;
  readonly fdsMax: number;
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

export class Session {
  readonly #options: SessionOptions;
  readonly #scope: RequestScope;
  readonly #pushes: Pushes;
  /** Undefined while there is no link. */
  outlet: Outlet | undefined;
  /** Requests under way, by tag. */
  readonly #running = new Set<number>();
  /** Replies to what must not be done twice. */
  readonly #kept = new Map<number, Reply>();
  #keptBytes = 0;
  /** Requests that were answered, with a reply that isn't on its way yet. */
  #undrained = 0;
  #isEnded = false;

  constructor(options: SessionOptions) {
    const { scope, eventsMax, watchesMax: max, onError } = options;
    const { locks: table, newLockName: newName } = options;
    this.#options = options;
    const { payloadMax } = scope;
    const outlet = (): Outlet | undefined => this.outlet;
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
    const { fdsMax, onError, scope } = this.#options;
    return new Fds({
      max: fdsMax,
      files: scope.files,
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

  get isBusy(): boolean {
    return this.#running.size > 0;
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
    if (kept !== undefined) {
      if (this.outlet?.isCongested === true) this.outlet.refuse('replies are not read');
      else this.#send(tag, kept);
      return;
    }
    if (this.#running.size + this.#undrained >= inFlightMax) {
      this.outlet?.refuse(`more than ${inFlightMax} requests at a time`);
      return;
    }
    if (this.#keptBytes > keptBytesMax) {
      this.outlet?.refuse('replies are kept for too long: send Ack');
      return;
    }
    this.#running.add(tag);
    this.#run(frame).catch(this.#options.onError);
  }

  async #run(frame: Frame): Promise<void> {
    const { tag, mid } = frame;
    const name = messageNameOf(mid);
    const telling = SILENT.has(name) ? undefined : this.#pushes.began();
    const request = new Request(this.#scope, tag);
    const { clock, observer } = this.#options;
    const startMs = clock.monotonicMs();
    const reply = await this.#handle(name, frame, request);
    const durationMs = clock.monotonicMs() - startMs;
    observer?.onRequest({ messageName: name, errno: errnoOf(reply), durationMs });
    this.#running.delete(tag);
    if (this.#isEnded) {
      this.fds.closeAll();
      return;
    }
    if (this.#isKept(name, tag)) {
      this.#kept.set(tag, reply);
      this.#keptBytes += sizeOf(reply);
    }
    this.#send(tag, reply);
    if (telling !== undefined) this.#pushes.answered(telling);
    request.answered();
    await this.#drained();
  }

  /** Until then it counts as under way: who doesn't read can't ask. */
  async #drained(): Promise<void> {
    if (this.outlet?.isCongested !== true) return;
    this.#undrained++;
    await this.outlet.drained();
    this.#undrained--;
  }

  #isKept(name: MessageName | undefined, tag: number): boolean {
    return tag !== 0 && name !== undefined && !messageRow(name).isRetrySafe;
  }

  #send(tag: number, reply: Reply): void {
    const { outlet } = this;
    if (outlet === undefined) return;
    const { headerVersion } = outlet;
    outlet.send(encodePayload({ headerVersion, tag }, reply));
  }

  async #handle(
    name: MessageName | undefined,
    { mid, payload }: Frame,
    request: Request,
  ): Promise<Reply> {
    try {
      if (mid === MESSAGES.Error.mid) throw linuxerr.EINVAL;
      const handler = name === undefined ? undefined : handlerOf(name);
      if (name === undefined || handler === undefined) throw linuxerr.EOPNOTSUPP;
      const { request: table, response, onReadOnly } = messageRow(name);
      // Before anything else is looked at.
      if (this.#scope.isReadOnly && onReadOnly === 'refused') throw linuxerr.EROFS;
      const values = assertDefined(table).decode(payload);
      if (this.#scope.isReadOnly && onReadOnly !== 'served') checkOpensToRead(values);
      const { arrivalMu } = this.#scope;
      const answer = await runAsync(behind(arrivalMu, () => handler(request, values)));
      return { mid, payload: this.#encode(assertDefined(response), answer) };
    } catch (error) {
      return errorReply(this.#errorOf(error));
    } finally {
      request.end();
    }
  }

  /** Errors: EIO if it is too large. */
  #encode(table: StructField<FieldTable>, values: StructValues<FieldTable>): Uint8Array {
    if (table.sizeOf(values) > this.#scope.payloadMax) throw linuxerr.EIO;
    return table.encode(values);
  }

  #errorOf(error: unknown): LinuxError {
    if (error instanceof LinuxError) return error;
    if (error instanceof WireError) return linuxerr.EIO;
    this.#options.onError(error);
    return linuxerr.EREMOTEIO;
  }

  /** The client doesn't come again. What requests under way still make goes when they end. */
  end(): void {
    this.#isEnded = true;
    this.outlet = undefined;
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
function sizeOf({ payload }: Reply): number {
  return KEPT_REPLY_BYTES + payload.length;
}

function errnoOf({ mid, payload }: Reply): number {
  const { mid: errorMid, response } = MESSAGES.Error;
  return mid === errorMid ? response.decode(payload).errno : 0;
}

function errorReply({ errno }: LinuxError): Reply {
  const { mid, response } = MESSAGES.Error;
  return { mid, payload: response.encode({ errno }) };
}
