// Server: the clients that use a tree by lisafs. Mirrors gVisor pkg/lisafs/server.go,
// connection.go.
//
// A client that has asked for a session may come back by another link within the time of grace, and
// finds everything as it was. Of any other client nothing stays when its link is gone.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import { assertDefined } from '../lib/assert.ts';
import { runAsync } from '../lib/op.ts';
import { hexOf } from '../lib/text.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import { ServedTree } from '../served/served-tree.ts';
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
import { MESSAGES, type MessageName, type RequestOf } from './messages.ts';
import { handlerOf } from './server-handlers.ts';
import { type ServerOptions, type SetOptions, withDefaults } from './server-options.ts';
import type { Root } from './server-request.ts';
import { type Outlet, Session } from './session.ts';

/** The client doesn't speak the protocol. */
const CLOSE_PROTOCOL_ERROR = 4002;

/** Bytes that are held for all clients whose links are gone. */
const LEFT_BYTES_MAX = 64 << 20;
/** Bytes with the first header that come while a request is under way. */
const WAITING_BYTES_MAX = 8 << 20;
/** Bytes of a name that no other session has. */
const LOCK_NAME_SIZE = 16;

/** How often a server that is to stop looks whether it can. */
const DRAIN_POLL_MS = 20;

const LOCKS_LOST = 'locks of the session were lost';

const SESSION_MIDS = [MESSAGES.Session.mid, MESSAGES.Ack.mid];

export class Server {
  readonly #options: SetOptions;
  readonly #root: Root;
  readonly #tree: ServedTree;
  /** By the id in hex. */
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #connections = new Set<Connection>();
  #isStopping = false;

  constructor(options: ServerOptions) {
    this.#options = withDefaults(options);
    const names = Object.keys(MESSAGES) as MessageName[];
    const served = names.filter((name) => handlerOf(name) !== undefined);
    const mids = [...served.map((name) => MESSAGES[name].mid), ...SESSION_MIDS];
    this.#root = { pin: options.root, mids };
    this.#tree = options.tree ?? new ServedTree();
  }

  get options(): SetOptions {
    return this.#options;
  }

  /** Clients that have a session, with a link or without. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /**
   * False if there can't be one more session. Of clients that have gone, who has least to come back
   * to makes room, and of those who has been gone longest.
   */
  hasRoom(): boolean {
    if (this.#sessions.size < this.#options.sessionsMax) return true;
    const [least] = this.#left().toSorted((a, b) => a.session.fds.count - b.session.fds.count);
    least?.end?.();
    return least !== undefined;
  }

  /** Those whose links are gone, the first one first. */
  #left(): SessionRecord[] {
    return [...this.#sessions.values()].filter(({ end }) => end !== undefined);
  }

  /** A client could come and go again and again, each time with as much as one may have. */
  #endTooMany(): void {
    const left = this.#left();
    let bytes = left.reduce((sum, { session }) => sum + session.heldBytes, 0);
    for (const { session, end } of left) {
      if (bytes <= LEFT_BYTES_MAX) return;
      bytes -= session.heldBytes;
      end?.();
    }
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
      tree: this.#tree,
      isReadOnly,
      payloadMax: PAYLOAD_SIZE_MAX,
    };
    const newLockName = (): string => hexOf(randomBytes(LOCK_NAME_SIZE));
    return new Session({ ...options, scope, newLockName, keptBytesMax: KEPT_REPLIES_BYTES_MAX });
  }

  /**
   * Gives the session an id, by which its client can come back. `lostId` is that of one it had,
   * which isn't known here.
   */
  register(session: Session, lostId: Uint8Array): Uint8Array {
    const { randomBytes, lockNameOf } = this.#options;
    const id = randomBytes(SESSION_ID_SIZE);
    this.#sessions.set(hexOf(id), { session, end: undefined, cancelEnd: undefined });
    if (lockNameOf !== undefined) {
      session.renameLocks(lockNameOf(id), lostId.length === 0 ? undefined : lockNameOf(lostId));
    }
    return id;
  }

  /**
   * Ends sessions whose locks were lost, by the names these have: their clients come back, find
   * that they have to take them again, and meanwhile do nothing that they thought was protected.
   */
  endByLocks(names: readonly string[]): void {
    const isMeant = ({ lockName }: Session): boolean =>
      lockName !== undefined && names.includes(lockName);
    for (const [key, { session, cancelEnd }] of this.#sessions) {
      if (!isMeant(session)) continue;
      this.#sessions.delete(key);
      cancelEnd?.();
      const { outlet } = session;
      session.end();
      outlet?.refuse(LOCKS_LOST);
    }
    for (const connection of [...this.#connections]) {
      if (isMeant(connection.session)) connection.refuse(LOCKS_LOST);
    }
  }

  /** Undefined if there is none of that id any more. */
  resume(id: Uint8Array): Session | undefined {
    const record = this.#sessions.get(hexOf(id));
    if (record === undefined) return undefined;
    record.cancelEnd?.();
    record.cancelEnd = undefined;
    record.end = undefined;
    return record.session;
  }

  /** The link of a session is gone. */
  left(id: Uint8Array, graceMs = this.#options.graceMs): void {
    const key = hexOf(id);
    const record = this.#sessions.get(key);
    if (record === undefined) return;
    const end = (): void => {
      record.cancelEnd?.();
      this.#sessions.delete(key);
      record.session.end();
    };
    record.cancelEnd?.();
    record.cancelEnd = undefined;
    if (graceMs === 0) {
      end();
      return;
    }
    record.end = end;
    record.cancelEnd = this.#options.clock.setTimer(graceMs, end);
    // The last of those that are gone.
    this.#sessions.delete(key);
    this.#sessions.set(key, record);
    this.#endTooMany();
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
      session.leave();
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
  /** Ends it. The client has gone, and may come back until then. */
  end: (() => void) | undefined;
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
    this.#session.use(this);
  }

  get session(): Session {
    return this.#session;
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
    else if (this.#waiting.length >= this.#server.options.inFlightMax || this.#waitTooLong(frame)) {
      this.refuse('too many requests at a time');
    } else this.#waiting.push(frame);
  }

  #waitTooLong({ payload }: Frame): boolean {
    const bytes = this.#waiting.reduce((sum, frame) => sum + frame.payload.length, 0);
    return bytes + payload.length > WAITING_BYTES_MAX;
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
      this.#sendError(tag, linuxerr.EINVAL);
      return;
    }
    const resumed = sessionId.length > 0 ? this.#server.resume(sessionId) : undefined;
    if (resumed === undefined && !this.#server.hasRoom()) {
      this.#sendError(tag, linuxerr.EMFILE);
      return;
    }
    if (resumed !== undefined) this.#take(resumed);
    resumed?.seen(seen);
    const id =
      resumed === undefined ? this.#server.register(this.#session, sessionId) : sessionId.slice();
    this.#id = id;
    const { graceMs, inFlightMax, bootVerifier } = this.#server.options;
    const answer = {
      headerVersion: 2,
      sessionId: id,
      isResumed: resumed !== undefined,
      graceMs,
      inFlightMax,
      bootVerifier,
    };
    this.#transport.send(encodeResponse(new WireWriter(), options, 'Session', answer));
    this.headerVersion = 2;
    if (resumed !== undefined) resumed.resumed();
  }

  /** No request of a session's: nothing else keeps who doesn't read from asking on. */
  #sendError(tag: number, error: LinuxError): void {
    const options = { headerVersion: this.headerVersion, tag, payloadMax: PAYLOAD_SIZE_MAX };
    if (this.isCongested) this.refuse('replies are not read');
    else this.#transport.send(encodeError(new WireWriter(), options, error));
  }

  /** A client has come back; its old link may not have noticed that it is gone. */
  #take(session: Session): void {
    const { outlet } = session;
    if (outlet instanceof Connection) outlet.#lose();
    this.#session = session;
    session.use(this);
  }

  #lose(): void {
    this.#id = undefined;
    this.#session = this.#server.newSession();
    this.#transport.close(CLOSE_PROTOCOL_ERROR, 'the session goes on by another link');
  }

  send(frame: Uint8Array, onSent: () => void): void {
    try {
      this.#transport.send(frame, onSent);
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

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
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
    this.#session.use(undefined);
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
