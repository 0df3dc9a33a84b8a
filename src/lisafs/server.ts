// Server: one tree, and the clients that use it. Clients of one tree must be clients of one server:
// it is what keeps their requests apart. Mirrors gVisor pkg/lisafs/server.go, connection.go.
//
// A client that has asked for a session may come back by another link within the time of grace, and
// finds everything as it was. Of any other client nothing stays when its link is gone.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { assertDefined } from '../lib/assert.ts';
import { type Op, runAsync } from '../lib/op.ts';
import { RwLock } from '../lib/rw-lock.ts';
import { hexOf } from '../lib/text.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import { LocalLockTable, type LockTable } from '../locks/lock-table.ts';
import {
  BUFFERED_BYTES_MAX,
  CLOSE_NORMAL,
  type CloseInfo,
  type Receiver,
  type Transport,
  whenDrained,
} from '../transport/transport.ts';
import { KEPT_REPLIES_BYTES_MAX, SESSION_ID_SIZE } from './extensions.ts';
import {
  decodeFrame,
  encodeError,
  encodeRequest,
  encodeResponse,
  type Frame,
  type HeaderVersion,
  PAYLOAD_SIZE_MAX,
  PUSHED,
} from './frame.ts';
import { FileIndex } from './file-index.ts';
import { MESSAGES, type MessageName, type RequestOf } from './messages.ts';
import { Node } from './node.ts';
import type { PinnedFile } from './served-file.ts';
import { handlerOf } from './server-handlers.ts';
import type { ServerObserver } from './server-observer.ts';
import type { Root } from './server-request.ts';
import { type Outlet, Session } from './session.ts';

/** The client doesn't speak the protocol. */
const CLOSE_PROTOCOL_ERROR = 4002;

export interface ServerOptions {
  /** Pins the root of the tree for a client, which is the same object whenever it mounts. */
  readonly root: (client: object) => Op<PinnedFile>;
  readonly clock: Clock;
  /** So many random bytes, which nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly isReadOnly?: boolean;
  /** Most clients that can come back. */
  readonly sessionsMax?: number;
  /** Most FDs of a client. */
  readonly fdsMax?: number;
  /** Most requests of a client at a time. */
  readonly inFlightMax?: number;
  /** How long a client whose link is gone may take to come back, in milliseconds. */
  readonly graceMs?: number;
  /** Most watches of a client. */
  readonly watchesMax?: number;
  /** Most events that wait for a client to take them. */
  readonly eventsMax?: number;
  /** Who has which file locked. Servers of the same files share one. */
  readonly locks?: LockTable;
  /** Errors that nobody expects. */
  readonly onError: (error: unknown) => void;
  /** Is told of every request. */
  readonly observer?: ServerObserver;
}

type SetOptions = Required<Omit<ServerOptions, 'observer'>> & Pick<ServerOptions, 'observer'>;

const SESSIONS_MAX = 1000;
const FDS_MAX = 10_000;
const IN_FLIGHT_MAX = 128;
const GRACE_MS = 60_000;
const WATCHES_MAX = 1000;
const EVENTS_MAX = 4096;
/** Of a client, if the table of locks isn't given. */
const LOCKS_MAX = 10_000;
/** Bytes of a name that no other session has. */
const LOCK_NAME_SIZE = 16;

/** How often a server that is to stop looks whether it can. */
const DRAIN_POLL_MS = 20;

const SESSION_MIDS = [MESSAGES.Session.mid, MESSAGES.Ack.mid];

export class Server {
  readonly #options: SetOptions;
  readonly #root: Root;
  readonly #renameMu = new RwLock();
  readonly #files = new FileIndex();
  /** By the id in hex. */
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #connections = new Set<Connection>();
  #isStopping = false;

  constructor(options: ServerOptions) {
    this.#options = {
      isReadOnly: false,
      sessionsMax: SESSIONS_MAX,
      fdsMax: FDS_MAX,
      inFlightMax: IN_FLIGHT_MAX,
      graceMs: GRACE_MS,
      watchesMax: WATCHES_MAX,
      eventsMax: EVENTS_MAX,
      locks: new LocalLockTable({ locksMax: LOCKS_MAX }),
      ...options,
    };
    const names = Object.keys(MESSAGES) as MessageName[];
    const served = names.filter((name) => handlerOf(name) !== undefined);
    const mids = [...served.map((name) => MESSAGES[name].mid), ...SESSION_MIDS];
    const node = new Node();
    node.retain();
    this.#root = { node, pin: options.root, mids };
  }

  get options(): SetOptions {
    return this.#options;
  }

  /** Clients that have a session, with a link or without. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** There can't be more sessions. */
  get isFull(): boolean {
    return this.#sessions.size >= this.#options.sessionsMax;
  }

  /** Serves whoever is at the other end. */
  accept(transport: Transport): void {
    if (this.#isStopping) {
      transport.close(CLOSE_PROTOCOL_ERROR, 'the server is stopping');
      return;
    }
    const connection = new Connection(this, transport);
    this.#connections.add(connection);
    transport.start(connection);
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  newSession(): Session {
    const { isReadOnly, randomBytes, ...options } = this.#options;
    const scope = {
      root: this.#root,
      renameMu: this.#renameMu,
      isReadOnly,
      payloadMax: PAYLOAD_SIZE_MAX,
      files: this.#files,
    };
    const newLockName = (): string => hexOf(randomBytes(LOCK_NAME_SIZE));
    return new Session({ ...options, scope, newLockName, keptBytesMax: KEPT_REPLIES_BYTES_MAX });
  }

  /** Gives the session an id, by which its client can come back. */
  register(session: Session): Uint8Array {
    const id = this.#options.randomBytes(SESSION_ID_SIZE);
    this.#sessions.set(hexOf(id), { session, cancelEnd: undefined });
    return id;
  }

  /** Undefined if there is none of that id any more. */
  resume(id: Uint8Array): Session | undefined {
    const record = this.#sessions.get(hexOf(id));
    if (record === undefined) return undefined;
    record.cancelEnd?.();
    record.cancelEnd = undefined;
    return record.session;
  }

  /** The link of a session is gone. */
  left(id: Uint8Array, graceMs = this.#options.graceMs): void {
    const key = hexOf(id);
    const record = this.#sessions.get(key);
    if (record === undefined) return;
    const end = (): void => {
      this.#sessions.delete(key);
      record.session.end();
    };
    record.cancelEnd?.();
    record.cancelEnd = undefined;
    if (graceMs === 0) end();
    else record.cancelEnd = this.#options.clock.setTimer(graceMs, end);
  }

  /**
   * Takes no more links, and tells the clients it has that it will stop in `graceMs`. Returns once
   * they have gone, or none has asked for anything and no request was under way for `quietMs`, or
   * the time is up. stop() is the caller's to call.
   */
  async drain({ graceMs, quietMs }: DrainOptions): Promise<void> {
    this.#isStopping = true;
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + graceMs;
    for (const connection of this.#connections) connection.announceStop(graceMs);
    let quietSinceMs = clock.monotonicMs();
    for (;;) {
      const connections = [...this.#connections];
      const nowMs = clock.monotonicMs();
      const isBusy = connections.some((connection) => connection.takeActivity());
      if (isBusy) quietSinceMs = nowMs;
      const isQuiet = nowMs - quietSinceMs >= quietMs;
      if (connections.length === 0 || isQuiet || nowMs >= endMs) return;
      await new Promise<void>((resolve) => {
        clock.setTimer(Math.min(DRAIN_POLL_MS, endMs - nowMs), resolve);
      });
    }
  }

  /** Closes all links, and ends all sessions. */
  stop(): void {
    this.#isStopping = true;
    for (const connection of [...this.#connections]) connection.stop();
    for (const { session, cancelEnd } of this.#sessions.values()) {
      cancelEnd?.();
      session.end();
    }
    this.#sessions.clear();
  }
}

export interface DrainOptions {
  /** How long clients have to write back what they hold. */
  readonly graceMs: number;
  /** Who has asked for nothing for so long has nothing to write back. */
  readonly quietMs: number;
}

interface SessionRecord {
  readonly session: Session;
  /** The client has gone, and may come back until then. */
  cancelEnd: (() => void) | undefined;
}

/** One link of a client. */
class Connection implements Receiver, Outlet {
  readonly #server: Server;
  readonly #transport: Transport;
  #session: Session;
  /** Of the session, if its client can come back. */
  #id: Uint8Array | undefined;
  headerVersion: HeaderVersion = 1;
  /** With the first header: what came while a request was under way. */
  readonly #waiting: Frame[] = [];
  #hasReceived = false;

  constructor(server: Server, transport: Transport) {
    this.#server = server;
    this.#transport = transport;
    this.#session = server.newSession();
    this.#session.outlet = this;
  }

  onMessage(message: Uint8Array): void {
    if (!this.#transport.isOpen) return;
    this.#hasReceived = true;
    let frame: Frame;
    try {
      frame = decodeFrame(message, {
        headerVersion: this.headerVersion,
        payloadMax: PAYLOAD_SIZE_MAX,
      });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse('that is no frame of lisafs');
      return;
    }
    if (this.headerVersion === 1) this.#receiveUntagged(frame);
    else this.#receive(frame);
  }

  /** One at a time, in order. */
  #receiveUntagged(frame: Frame): void {
    if (!this.#session.isBusy && this.#waiting.length === 0) this.#receive(frame);
    else if (this.#waiting.length >= this.#server.options.inFlightMax) {
      this.refuse('too many requests at a time');
    } else this.#waiting.push(frame);
  }

  #receive(frame: Frame): void {
    const { mid, tag } = frame;
    if (mid === MESSAGES.Session.mid) this.#startSession(frame);
    else if (mid === MESSAGES.Ack.mid) this.#acknowledge(frame);
    else if (this.headerVersion === 2 && tag === 0) this.refuse('a request without a tag');
    else this.#session.receive(frame);
  }

  #acknowledge({ payload }: Frame): void {
    const seen = this.#decode('Ack', payload);
    if (seen !== undefined) this.#session.seen(seen);
  }

  /** Undefined, and refused, if it isn't one. */
  #decode<Name extends 'Ack' | 'Session'>(
    name: Name,
    payload: Uint8Array,
  ): RequestOf<Name> | undefined {
    try {
      return MESSAGES[name].request.decode(payload) as RequestOf<Name>;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse(`that is no ${name} request`);
      return undefined;
    }
  }

  #startSession({ payload, tag }: Frame): void {
    const asked = this.#decode('Session', payload);
    if (asked === undefined) return;
    const { headerVersion: wanted, sessionId, ...seen } = asked;
    const { headerVersion } = this;
    const options = { headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    const isUsed = this.#session.isBusy || this.#session.fds.count > 0 || this.#waiting.length > 0;
    if (wanted < 2 || isUsed || this.#id !== undefined) {
      this.#transport.send(encodeError(new WireWriter(), options, linuxerr.EINVAL));
      return;
    }
    const resumed = sessionId.length > 0 ? this.#server.resume(sessionId) : undefined;
    if (resumed === undefined && this.#server.isFull) {
      this.#transport.send(encodeError(new WireWriter(), options, linuxerr.EMFILE));
      return;
    }
    if (resumed !== undefined) this.#take(resumed);
    resumed?.seen(seen);
    const id = resumed === undefined ? this.#server.register(this.#session) : sessionId.slice();
    this.#id = id;
    const { graceMs, inFlightMax } = this.#server.options;
    const answer = {
      headerVersion: 2,
      sessionId: id,
      isResumed: resumed !== undefined,
      graceMs,
      inFlightMax,
    };
    this.#transport.send(encodeResponse(new WireWriter(), options, 'Session', answer));
    this.headerVersion = 2;
    if (resumed !== undefined) resumed.resumed();
  }

  /** A client has come back; its old link may not have noticed that it is gone. */
  #take(session: Session): void {
    const { outlet } = session;
    if (outlet instanceof Connection) outlet.#lose();
    this.#session = session;
    session.outlet = this;
  }

  #lose(): void {
    this.#id = undefined;
    this.#session = this.#server.newSession();
    this.#transport.close(CLOSE_PROTOCOL_ERROR, 'the session goes on by another link');
  }

  send(frame: Uint8Array): void {
    try {
      this.#transport.send(frame);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      this.refuse('a reply is too large for the link');
    }
    this.#receiveWaiting();
  }

  #receiveWaiting(): void {
    while (!this.#session.isBusy && this.#waiting.length > 0) {
      this.#receive(assertDefined(this.#waiting.shift()));
    }
  }

  get isCongested(): boolean {
    return this.#transport.isOpen && this.#transport.bufferedBytes > BUFFERED_BYTES_MAX;
  }

  drained(): Promise<void> {
    return runAsync(whenDrained(this.#transport));
  }

  refuse(reason: string): void {
    this.#transport.close(CLOSE_PROTOCOL_ERROR, reason);
  }

  onClose({ code, isLocal }: CloseInfo): void {
    this.#server.forget(this);
    this.#waiting.length = 0;
    if (this.#session.outlet !== this) return;
    this.#session.outlet = undefined;
    if (this.#id === undefined) this.#session.end();
    // Who says good-bye doesn't come back.
    else this.#server.left(this.#id, !isLocal && code === CLOSE_NORMAL ? 0 : undefined);
  }

  /** Only a frame with a tag can be pushed: other clients are told when the link is closed. */
  announceStop(graceMs: number): void {
    const { headerVersion } = this;
    if (headerVersion === 1) return;
    const options = { headerVersion, tag: PUSHED, payloadMax: PAYLOAD_SIZE_MAX };
    this.#transport.send(encodeRequest(new WireWriter(), options, 'Drain', { graceMs }));
  }

  /** Has anything come since the last call, or is a request under way or a reply still here? */
  takeActivity(): boolean {
    const hasReceived = this.#hasReceived;
    this.#hasReceived = false;
    return hasReceived || this.#session.isBusy || this.#transport.bufferedBytes > 0;
  }

  stop(): void {
    this.#transport.close(1000, 'the server is stopping');
  }
}
