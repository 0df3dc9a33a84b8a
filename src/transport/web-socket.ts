// WebSocketTransport: a link over a WebSocket; one binary frame is one message. Works on the
// sockets of browsers and of Node, and on those of the package ws, which has both ends.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import type { Wait } from '../lib/op.ts';
import { Inbox } from './inbox.ts';
import {
  assertMayClose,
  BUFFERED_BYTES_MAX,
  CLOSE_ABNORMAL,
  CLOSE_NORMAL,
  CLOSE_NOT_BINARY,
  CLOSE_TOO_LARGE,
  type Receiver,
  type Transport,
} from './transport.ts';

/** The subprotocols, in the order a client prefers them. */
export const WEB_SOCKET_PROTOCOLS = ['lisafs', '9p2000.L'] as const;

/** Nothing tells that a WebSocket has sent something: milliseconds between two looks at it. */
const DRAIN_POLL_MS = 5;

/** Why a close event says nothing else. */
const BROKE = 'the connection broke';

interface SocketEvents {
  readonly open: unknown;
  readonly message: { readonly data: unknown };
  readonly close: { readonly code: number; readonly reason: string };
  readonly error: { readonly message?: string; readonly error?: unknown };
}

/** What a browser's WebSocket and one of ws have in common. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  /** Those of ws call `onSent` when they have no use for `data` any more. */
  send(data: Uint8Array<ArrayBuffer>, onSent?: () => void): void;
  /** Those of ws can leave what comes to the other side. */
  pause?(): void;
  resume?(): void;
  close(code?: number, reason?: string): void;
  addEventListener<Kind extends keyof SocketEvents>(
    kind: Kind,
    listener: (event: SocketEvents[Kind]) => void,
  ): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

export interface SocketOptions {
  readonly clock: Clock;
  readonly messageSizeMax: number;
}

export class WebSocketTransport implements Transport {
  readonly messageSizeMax: number;
  readonly drained: Wait;
  readonly #socket: Socket;
  readonly #inbox = new Inbox();
  readonly #keepsMemory: boolean;
  #problem = '';

  /**
   * `socket` is the transport's from here on, and must be open before anything is sent. With
   * `keepsMemory` it may go on reading what it was given to send, as those of ws do.
   */
  constructor(socket: Socket, options: SocketOptions & { readonly keepsMemory: boolean }) {
    this.messageSizeMax = options.messageSizeMax;
    this.#keepsMemory = options.keepsMemory;
    this.#socket = socket;
    this.drained = { subscribe: (wake) => this.#poll(options.clock, wake) };
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => {
      this.#take(data);
    });
    // Comes before the close event, which doesn't say what happened.
    socket.addEventListener('error', (event) => {
      this.#problem = messageOf(event);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      const why = reason === '' && code === CLOSE_ABNORMAL ? this.#problem || BROKE : reason;
      this.#inbox.close({ code, reason: why, isLocal: false });
    });
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get isOpen(): boolean {
    return !this.#inbox.isClosed;
  }

  get bufferedBytes(): number {
    return this.isOpen ? this.#socket.bufferedAmount : 0;
  }

  start(receiver: Receiver): void {
    this.#inbox.start(receiver);
  }

  pause(): void {
    if (!this.isOpen || this.#inbox.isPaused) return;
    this.#inbox.pause();
    this.#socket.pause?.();
  }

  resume(): void {
    if (!this.#inbox.isPaused) return;
    this.#inbox.resume();
    this.#socket.resume?.();
  }

  send(message: Uint8Array, onSent?: () => void): void {
    if (message.length > this.messageSizeMax) throw linuxerr.EMSGSIZE;
    if (!this.isOpen) return;
    const mayKeep = onSent !== undefined || !this.#keepsMemory;
    const isSendable = mayKeep && message.buffer instanceof ArrayBuffer;
    const bytes = isSendable ? (message as Uint8Array<ArrayBuffer>) : new Uint8Array(message);
    if (this.#keepsMemory) this.#socket.send(bytes, onSent);
    else this.#socket.send(bytes);
  }

  close(code: number = CLOSE_NORMAL, reason = ''): void {
    assertMayClose(code, reason);
    if (!this.isOpen) return;
    // Not to wait for an answer of somebody who may be gone.
    this.#inbox.close({ code, reason, isLocal: true });
    // Behind what was not read comes the answer to this.
    this.resume();
    this.#socket.close(code, reason);
  }

  #take(data: unknown): void {
    if (!this.isOpen) return;
    if (!(data instanceof ArrayBuffer)) {
      this.close(CLOSE_NOT_BINARY, 'a text frame came, and messages are binary');
    } else if (data.byteLength > this.messageSizeMax) {
      this.close(CLOSE_TOO_LARGE, `a message has ${data.byteLength} bytes`);
    } else this.#inbox.deliver(new Uint8Array(data));
  }

  #poll(clock: Clock, wake: () => void): () => void {
    let cancel = (): void => undefined;
    const look = (): void => {
      if (this.bufferedBytes <= BUFFERED_BYTES_MAX) wake();
      else cancel = clock.setTimer(DRAIN_POLL_MS, look);
    };
    cancel = clock.setTimer(DRAIN_POLL_MS, look);
    return () => {
      cancel();
    };
  }
}

/** There is no connection, or not one that can be used. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  /** What a system call says of it. */
  readonly error: LinuxError;

  constructor(error: LinuxError, message: string) {
    super(message);
    this.error = error;
  }
}

export interface ConnectOptions extends SocketOptions {
  /** Of which the server takes one. */
  readonly protocols?: readonly string[];
  /** Offered besides, and never agreed on: see protocolsFor(). */
  readonly extraProtocols?: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The class WebSocket of the package ws, where the platform has none: Node before 22. */
  readonly WebSocket?: SocketClass;
}

/**
 * Connects to a server. Errors: ConnectError with
 *  - EINVAL if `url` is none of a WebSocket, or the platform forbids it.
 *  - EOPNOTSUPP if the platform has no WebSocket and was given none.
 *  - EPROTONOSUPPORT if the server speaks none of the protocols, or agrees on an extra one.
 *  - ETIMEDOUT if it hasn't answered in time.
 *  - ECANCELED if `signal` says so.
 *  - ECONNREFUSED or what else the network says.
 */
export async function connectWebSocket(url: string, options: ConnectOptions): Promise<Transport> {
  const platformClass = (globalThis as { readonly WebSocket?: SocketClass }).WebSocket;
  const socketClass = options.WebSocket ?? platformClass;
  if (socketClass === undefined) {
    const message = 'this platform has no WebSocket: give the class of the package ws';
    throw new ConnectError(linuxerr.EOPNOTSUPP, message);
  }
  const place = placeOf(url);
  const protocols = [...(options.protocols ?? WEB_SOCKET_PROTOCOLS)];
  const offered = [...protocols, ...(options.extraProtocols ?? [])];
  const socket = openSocket(socketClass, url, offered);
  // Before it is open: the first message may come in the same turn.
  const transport = new WebSocketTransport(socket, {
    ...options,
    keepsMemory: socketClass !== platformClass,
  });
  try {
    await opened(socket, place, options);
    if (!protocols.includes(socket.protocol)) throw wrongProtocol(place);
  } catch (error) {
    // Also of one that is still connecting.
    socket.close();
    throw error;
  }
  return transport;
}

/** The address as errors show it: what follows may be a secret. Errors: EINVAL. */
function placeOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^wss?:$/.test(parsed.protocol)) {
    throw new ConnectError(linuxerr.EINVAL, 'the address of a WebSocket begins with ws: or wss:');
  }
  if (parsed.hash !== '') {
    throw new ConnectError(linuxerr.EINVAL, 'the address of a WebSocket has no fragment');
  }
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

/** Errors: EINVAL if the platform won't even try, as with ws: on a page of https:. */
function openSocket(socketClass: SocketClass, url: string, protocols: string[]): Socket {
  try {
    return new socketClass(url, protocols);
  } catch (error) {
    throw new ConnectError(linuxerr.EINVAL, error instanceof Error ? error.message : String(error));
  }
}

function opened(socket: Socket, place: string, options: ConnectOptions): Promise<void> {
  const { clock, timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    let problem: SocketEvents['error'] = {};
    const fail = (error: LinuxError, message: string): void => {
      reject(new ConnectError(error, message));
    };
    const cancelTimer = clock.setTimer(timeoutMs, () => {
      fail(linuxerr.ETIMEDOUT, `${place} didn't answer within ${timeoutMs} ms`);
    });
    const onAbort = (): void => {
      cancelTimer();
      fail(linuxerr.ECANCELED, `connecting to ${place} was cancelled`);
    };
    socket.addEventListener('open', () => {
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    socket.addEventListener('error', (event) => {
      problem = event;
    });
    socket.addEventListener('close', () => {
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
      reject(refusal(place, problem));
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
}

/** Browsers don't say why; Node does, by its errors' codes, and ws in its messages. */
function refusal(place: string, event: SocketEvents['error']): ConnectError {
  const message = messageOf(event);
  if (/subprotocol/i.test(message)) return wrongProtocol(place);
  const code = codeOf(event.error);
  const error = allowedRefusals.find((candidate) => candidate.code === code);
  const detail = message === '' ? '' : `: ${message}`;
  return new ConnectError(error ?? linuxerr.ECONNREFUSED, `no connection to ${place}${detail}`);
}

const allowedRefusals = [
  linuxerr.ECONNRESET,
  linuxerr.EHOSTUNREACH,
  linuxerr.ENETUNREACH,
  linuxerr.ETIMEDOUT,
];

function wrongProtocol(place: string): ConnectError {
  return new ConnectError(linuxerr.EPROTONOSUPPORT, `${place} speaks none of our protocols`);
}

function messageOf({ message, error }: SocketEvents['error']): string {
  return message ?? (error instanceof Error ? error.message : '');
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as { readonly code?: unknown }).code : undefined;
}
