// Server: the clients that use a tree by 9P2000.L, and gVisor's messages for those that ask for
// them. Mirrors gVisor pkg/p9/server.go; diod protocol.md; 9P: intro(5), version(5).

import { linuxerr, type LinuxError } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, runAsync } from '../lib/op.ts';
import { hexOf } from '../lib/text.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import type { LockTable } from '../locks/lock-table.ts';
import type { PinnedFile } from '../served/served-file.ts';
import type { ServedTree } from '../served/served-tree.ts';
import type { ServerObserver } from '../served/server-observer.ts';
import {
  BUFFERED_BYTES_MAX,
  CLOSE_NORMAL,
  CLOSE_TIMED_OUT,
  type Receiver,
  type Transport,
} from '../transport/transport.ts';
import { decodeFrame, encodeError, encodeR, type Frame, MSIZE_MAX } from './frame.ts';
import { MESSAGES, type TMessage } from './messages.ts';
import { QidPaths } from './qid-paths.ts';
import { Fids } from './server-fids.ts';
import { ClientLocks } from './server-locks.ts';
import { type Outlet, Session } from './server-session.ts';
import { LATEST_VERSION, parseVersion, UNKNOWN_VERSION, versionText } from './version.ts';

/** The client doesn't speak the protocol. */
const CLOSE_PROTOCOL_ERROR = 4002;

export interface ServerOptions {
  /** Pins the root of the tree for a client, which is the same object whenever it attaches. */
  readonly root: (client: object) => Op<PinnedFile>;
  /** Servers of the same files share one, and one of `locks`. */
  readonly tree: ServedTree;
  readonly locks: LockTable;
  readonly clock: Clock;
  /** So many random bytes, which nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly isReadOnly?: boolean;
  /** Most fids of a client. */
  readonly fidsMax?: number;
  /** Most requests of a client under way at a time; more wait. */
  readonly inFlightMax?: number;
  /** Bytes of these, and of their replies. */
  readonly inFlightBytesMax?: number;
  /** Bytes of a client's requests that wait: from there on no more are read. */
  readonly waitingBytesMax?: number;
  /** Bytes of a client's locks that are waited for: ENOLCK for one more. */
  readonly parkedBytesMax?: number;
  /** Most answers of a client that wait to be read, if they aren't few bytes. */
  readonly unreadMax?: number;
  /** How long a link may have no session. */
  readonly handshakeTimeoutMs?: number;
  /** Bytes of extended attributes that a client's fids hold. */
  readonly xattrBytesMax?: number;
  /** Errors that nobody expects. */
  readonly onError: (error: unknown) => void;
  /** Is told of every request. */
  readonly observer?: ServerObserver;
}

const FIDS_MAX = 10_000;
const IN_FLIGHT_MAX = 64;
const IN_FLIGHT_BYTES_MAX = 16 << 20;
const WAITING_BYTES_MAX = 4 << 20;
const PARKED_BYTES_MAX = 4 << 20;
const XATTR_BYTES_MAX = 4 << 20;
/** Room for the largest reply of a fixed size, and a name. Linux' client wants more. */
export const MSIZE_MIN = 512;
/** Each answer that is sent takes memory beside its bytes, about 1 KiB in Node. */
const UNREAD_MAX = 1024;
/** So many bytes are on their way soon: answers are counted from here on. */
const UNREAD_BYTES_MIN = 64 << 10;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Bytes of a name that no other session has. */
const LOCK_NAME_SIZE = 16;

const LOCKS_LOST = 'locks of the session were lost';

type SetOptions = Required<Omit<ServerOptions, 'observer'>> & Pick<ServerOptions, 'observer'>;

export class Server {
  readonly #options: SetOptions;
  readonly #qidPaths = new QidPaths();
  readonly #connections = new Set<Connection>();
  readonly #lockClients = new Set<ClientLocks>();
  #isStopping = false;

  constructor(options: ServerOptions) {
    this.#options = {
      isReadOnly: false,
      fidsMax: FIDS_MAX,
      inFlightMax: IN_FLIGHT_MAX,
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      waitingBytesMax: WAITING_BYTES_MAX,
      parkedBytesMax: PARKED_BYTES_MAX,
      unreadMax: UNREAD_MAX,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      xattrBytesMax: XATTR_BYTES_MAX,
      ...options,
    };
  }

  get options(): SetOptions {
    return this.#options;
  }

  get connectionCount(): number {
    return this.#connections.size;
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

  reportError(error: unknown): void {
    this.#options.onError(error);
  }

  newSession(
    outlet: Outlet & object,
    { version, msize }: { readonly version: number; readonly msize: number },
  ): Session {
    const { tree, isReadOnly, root, locks: table, randomBytes, onError } = this.#options;
    const { fidsMax: max, xattrBytesMax, observer } = this.#options;
    const fids = new Fids({ max, xattrBytesMax, files: tree.files, onCloseError: onError });
    const name = hexOf(randomBytes(LOCK_NAME_SIZE));
    // A link that is taken to be there may be closed only much later.
    const onSuperseded = (): void => {
      outlet.refuse('the client has another link');
      session.end().catch(onError);
    };
    const clients = this.#lockClients;
    const scope = {
      tree,
      qidPaths: this.#qidPaths,
      isReadOnly,
      pinRoot: () => root(outlet),
      fids,
      locks: new ClientLocks({ table, name, clients, onSuperseded, onError }),
      version,
      msize,
    };
    const session = new Session({ ...this.#options, observer, scope, outlet });
    return session;
  }

  /**
   * Takes no more links. Returns once no request is under way, or `graceMs` are over: 9P has no
   * message that tells clients. stop() is the caller's to call.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const { clock } = this.#options;
    let cancel = (): void => undefined;
    const timeUp = new Promise<void>((resolve) => {
      cancel = clock.setTimer(graceMs, resolve);
    });
    const idle = [...this.#connections].map((connection) => connection.whenIdle());
    await Promise.race([Promise.all(idle), timeUp]);
    cancel();
  }

  /** Closes links of clients whose locks were lost, by the names of their sessions. */
  endByLocks(names: readonly string[]): void {
    for (const connection of [...this.#connections]) {
      const { lockName } = connection;
      if (lockName !== undefined && names.includes(lockName)) connection.refuse(LOCKS_LOST);
    }
  }

  /** Closes all links. */
  stop(): void {
    this.#isStopping = true;
    for (const connection of [...this.#connections]) connection.stop();
  }
}

/**
 * One link of a client. While it has to wait, for a session to end, for room, or until the client
 * reads its answers, nothing is read from it: what it asks takes no memory here.
 */
class Connection implements Receiver, Outlet {
  readonly #server: Server;
  readonly #transport: Transport;
  /** Undefined before the first Tversion, and while the session before ends. */
  #session: Session | undefined;
  #msize: number;
  #isNegotiating = false;
  /** The client is waited for, until it reads. */
  #isDraining = false;
  /** Answers since there was little to be read. */
  #unreadCount = 0;
  #cancelTimeout: () => void = () => undefined;

  constructor(server: Server, transport: Transport) {
    this.#server = server;
    this.#transport = transport;
    this.#msize = this.#msizeMax;
    this.#awaitSession();
  }

  /** It takes a place: who only has it, or says it byte by byte, is cut off. */
  #awaitSession(): void {
    const { clock, handshakeTimeoutMs } = this.#server.options;
    this.#cancelTimeout = clock.setTimer(handshakeTimeoutMs, () => {
      this.#transport.close(CLOSE_TIMED_OUT, 'no session was begun in time');
    });
  }

  get lockName(): string | undefined {
    return this.#session?.lockName;
  }

  get #msizeMax(): number {
    return Math.min(MSIZE_MAX, this.#transport.messageSizeMax);
  }

  onMessage(message: Uint8Array): void {
    if (!this.#transport.isOpen) return;
    let frame: Frame;
    try {
      frame = decodeFrame(message, this.#msize);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse('that is no frame of 9P2000.L');
      return;
    }
    if (frame.type === MESSAGES.version.type) this.#onVersion(frame);
    else if (this.#session === undefined) this.#fail(frame, linuxerr.EINVAL);
    else this.#session.receive(frame);
  }

  #fail({ tag }: Frame, error: LinuxError): void {
    this.send(encodeError(new WireWriter(), { tag, msize: MSIZE_MIN }, error));
  }

  #onVersion(frame: Frame): void {
    let asked: TMessage<'version'>;
    try {
      asked = MESSAGES.version.T.decode(frame.body);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#fail(frame, linuxerr.EIO);
      return;
    }
    this.#isNegotiating = true;
    this.pace();
    this.#negotiate(frame, asked).catch((error: unknown) => {
      this.#server.reportError(error);
      this.refuse('the session could not be ended');
    });
  }

  /** Whatever comes of it, what was before is no more. */
  async #negotiate(
    frame: Frame,
    { msize: wanted, version: text }: TMessage<'version'>,
  ): Promise<void> {
    const before = this.#session;
    this.#session = undefined;
    await before?.end();
    const version = parseVersion(text);
    const msize = Math.min(wanted, this.#msizeMax);
    this.#msize = this.#msizeMax;
    if (msize < MSIZE_MIN) this.#fail(frame, linuxerr.EINVAL);
    // The client asks again for less.
    else if (version !== undefined && version > LATEST_VERSION) this.#fail(frame, linuxerr.EAGAIN);
    else this.#begin(frame, msize, version);
    this.#isNegotiating = false;
    const hasLostIt = before !== undefined && this.#session === undefined;
    if (hasLostIt && this.#transport.isOpen) this.#awaitSession();
    this.pace();
  }

  #begin({ tag }: Frame, msize: number, version: number | undefined): void {
    if (version !== undefined && this.#transport.isOpen) {
      this.#cancelTimeout();
      this.#msize = msize;
      this.#session = this.#server.newSession(this, { version, msize });
    }
    const answer = version === undefined ? UNKNOWN_VERSION : versionText(version);
    this.send(encodeR(new WireWriter(), { tag, msize }, 'version', { msize, version: answer }));
  }

  pace(): void {
    const isFull = this.#session?.isFull === true;
    if (this.#isNegotiating || this.#isDraining || isFull) this.#transport.pause();
    else this.#transport.resume();
  }

  send(frame: Uint8Array): void {
    this.#transport.send(frame, () => undefined);
    const isLittle = this.#transport.bufferedBytes <= UNREAD_BYTES_MIN;
    this.#unreadCount = isLittle ? 0 : this.#unreadCount + 1;
    if (this.#isDraining || !this.isCongested) return;
    this.#isDraining = true;
    this.pace();
    void this.drained().then(() => {
      this.#isDraining = false;
      this.pace();
    });
  }

  get isCongested(): boolean {
    const { isOpen, bufferedBytes } = this.#transport;
    if (!isOpen || bufferedBytes <= UNREAD_BYTES_MIN) return false;
    return bufferedBytes > BUFFERED_BYTES_MAX || this.#unreadCount > this.#server.options.unreadMax;
  }

  drained(): Promise<void> {
    return runAsync(this.#whenDrained());
  }

  *#whenDrained(): Op<void> {
    while (this.isCongested) yield this.#transport.drained;
  }

  refuse(reason: string): void {
    this.#transport.close(CLOSE_PROTOCOL_ERROR, reason);
  }

  async whenIdle(): Promise<void> {
    await this.#session?.whenIdle();
  }

  onClose(): void {
    this.#server.forget(this);
    this.#cancelTimeout();
    this.#session?.end().catch((error: unknown) => {
      this.#server.reportError(error);
    });
    this.#session = undefined;
  }

  stop(): void {
    this.#transport.close(CLOSE_NORMAL, 'the server is stopping');
  }
}
