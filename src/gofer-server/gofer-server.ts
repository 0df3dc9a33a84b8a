// GoferServer: a directory of the host for pages and programs that connect by WebSocket, and for
// clients of 9P by TCP. Mirrors
// what gVisor's runsc/cmd/gofer.go does for a sandbox, for clients that come by a network.
//
// Each handshake goes through the same steps: path and origin, a place, the token, the protocol.
// Only then is anything of what is served touched.

import { readBootVerifier } from './boot-verifier.ts';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { HostExport } from '../fsgofer/host-export.ts';
import type { HostCalls } from '../fsgofer/host-calls.ts';
import type { IdRange } from '../fsgofer/id-map.ts';
import type { Clock } from '../lib/clock.ts';
import { FRAME_SIZE_MAX } from '../lisafs/frame.ts';
import { Server as LisafsServer } from '../lisafs/server.ts';
import { LocalLockTable, type LockTable } from '../locks/lock-table.ts';
import { Server as P9Server } from '../p9/server.ts';
import { P9_PROTOCOL } from '../p9/version.ts';
import type { Fanout } from '../served/fanout.ts';
import { ServedTree } from '../served/served-tree.ts';
import { CLOSE_TIMED_OUT, CLOSE_TOKEN_REFUSED, type Transport } from '../transport/transport.ts';
import { acceptWebSocket, serverOptions } from '../transport/web-socket-server.ts';
import { Connection } from './connection.ts';
import { Gate } from './gate.ts';
import { HandshakeLimits } from './handshake-limits.ts';
import { createHttpServer, type TlsFiles } from './http-server.ts';
import { listen, type ListenAddress } from './listen.ts';
import type { GoferLog, Peer, RefusedConnection } from './log.ts';
import { MeteredTransport } from './metered-transport.ts';
import type { GaugeSource, GoferMetrics } from './metrics.ts';
import { P9Listener } from './p9-listener.ts';
import { type Refusal, refuseUpgrade } from './refusal.ts';
import { onSendTimeout } from './send-timeout.ts';
import { type Auth, offeredProtocols } from './token.ts';
import { whenClosed } from './when-closed.ts';

export const CONNECTIONS_MAX = 64;
export const FDS_MAX = 4096;
/** How long a client may take until it is let in; by 9P over TCP, until its session begins. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a client may take nothing of what is sent to it. */
export const SEND_TIMEOUT_MS = 60_000;
/** How long clients have to write back when the server stops. */
export const DRAIN_GRACE_MS = 10_000;
/** Whoever asks for nothing for so long meanwhile has nothing to write back. */
const DRAIN_QUIET_MS = 500;
/** How long the other end may take to say that it has closed, too. */
const CLOSE_WAIT_MS = 2000;
/** Sockets of an address that are not let in yet. */
const HANDSHAKES_PER_ADDRESS_MAX = 32;
/** Sockets that are not let in yet, of all addresses. */
export const HANDSHAKES_MAX = 256;
/** Whoever hasn't answered a ping when the next is due is gone. */
const PING_INTERVAL_MS = 30_000;
/** Of a client: ranges of files, and whole ones. */
const LOCKS_MAX = 10_000;
/** Of a client that is refused nothing is read but what ends the connection. */
const REFUSED_PAYLOAD_MAX = 125;

export interface GoferServerOptions {
  readonly directory: string;
  readonly calls: HostCalls;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly auth: Auth;
  /** Where plain 9P is spoken, without any token: whoever gets there is let in. */
  readonly p9Address?: ListenAddress;
  readonly isReadOnly?: boolean;
  /** Origins of pages that may connect, as parseOrigin() makes them. */
  readonly origins?: readonly string[];
  readonly tls?: TlsFiles;
  readonly idRanges?: readonly IdRange[];
  readonly connectionsMax?: number;
  /** Descriptors of the host; no client has more of them than are left for all others. */
  readonly fdsMax?: number;
  readonly handshakeTimeoutMs?: number;
  readonly sendTimeoutMs?: number;
  readonly clock: Clock;
  readonly log: GoferLog;
  readonly metrics?: GoferMetrics;
  /** With other servers of the directory. */
  readonly shared?: SharedState;
}

/** What servers of one directory share, wherever it is. */
export interface SharedState {
  readonly locks: LockTable;
  readonly fanout: Fanout;
}

interface Parts {
  readonly options: GoferServerOptions;
  readonly hostExport: HostExport;
  readonly tree: ServedTree;
  readonly lisafs: LisafsServer;
  readonly p9: P9Server;
}

export class GoferServer implements GaugeSource {
  readonly #options: GoferServerOptions;
  readonly #hostExport: HostExport;
  readonly #tree: ServedTree;
  readonly #lisafs: LisafsServer;
  readonly #p9: P9Server;
  readonly #gate: Gate;
  readonly #limits = new HandshakeLimits(HANDSHAKES_PER_ADDRESS_MAX);
  /** Subprotocol → who serves it. */
  readonly #protocols: ReadonlyMap<string, (transport: Transport) => void>;
  readonly #accepting: WebSocketServer;
  readonly #refusing: WebSocketServer;
  readonly #http: HttpServer;
  /** All there are, also those that have said nothing yet. */
  readonly #sockets = new Set<Socket>();
  /** Those that have answered the last ping. */
  readonly #alive = new WeakSet<WebSocket>();
  #cancelPing: () => void = () => undefined;
  #port = 0;
  /** Undefined: only WebSockets. */
  #p9Listener: P9Listener | undefined;
  /** Handshakes and connections that take a place. */
  #placesTaken = 0;
  #lastId = 0;
  #stopping: Promise<void> | undefined;

  private constructor({ options, hostExport, tree, lisafs, p9 }: Parts) {
    const { auth, origins = [], host, log, tls, metrics } = options;
    this.#options = options;
    this.#hostExport = hostExport;
    this.#tree = tree;
    this.#lisafs = lisafs;
    this.#p9 = p9;
    this.#gate = new Gate({ auth, log, host, allowed: origins });
    this.#protocols = new Map([
      [
        'lisafs',
        (transport) => {
          lisafs.accept(transport);
        },
      ],
      [
        P9_PROTOCOL,
        (transport) => {
          p9.accept(transport);
        },
      ],
    ]);
    this.#accepting = this.#webSockets(FRAME_SIZE_MAX);
    this.#refusing = this.#webSockets(REFUSED_PAYLOAD_MAX);
    this.#http = createHttpServer(tls, options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS);
    this.#http.maxConnections = this.#connectionsMax + HANDSHAKES_MAX;
    this.#http.on('connection', (socket) => {
      this.#onSocket(socket);
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.#onUpgrade(request, socket, head).catch((error: unknown) => {
        log.error({ err: error }, 'a handshake failed');
        socket.destroy();
      });
    });
    metrics?.watch(this);
  }

  /**
   * Errors: ListenError; those of HostExport.open(); Error of TLS for a certificate that is none.
   */
  static async open(options: GoferServerOptions): Promise<GoferServer> {
    const { directory, calls, clock, log, metrics, isReadOnly = false } = options;
    const { fdsMax = FDS_MAX, idRanges = [], shared } = options;
    const hostExport = await HostExport.open(directory, {
      clock,
      calls,
      isReadOnly,
      idRanges,
      fdsMax,
      clientFdsMax: Math.max(1, Math.floor(fdsMax / 2)),
    });
    const tree = new ServedTree(shared?.fanout);
    const serverOptions = {
      root: (client: object) => hostExport.pin(client),
      // The same for both: what a client of one does, those of the other find.
      tree,
      locks: shared?.locks ?? new LocalLockTable({ locksMax: LOCKS_MAX }),
      clock,
      randomBytes,
      isReadOnly,
      onError: (error: unknown) => {
        log.error({ err: error }, 'an error that nobody expects');
      },
      ...(metrics !== undefined && { observer: metrics }),
      ...(shared !== undefined && { lockNameOf }),
    };
    const bootVerifier = await readBootVerifier();
    const { reserve } = hostExport;
    const lisafs = new LisafsServer({ ...serverOptions, bootVerifier, reserve });
    const { handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
    const p9 = new P9Server({ ...serverOptions, handshakeTimeoutMs });
    try {
      const server = new GoferServer({ options, hostExport, tree, lisafs, p9 });
      await server.#listen();
      return server;
    } catch (error) {
      tree.leave();
      await hostExport.close();
      throw error;
    }
  }

  /** Errors: ListenError. */
  async #listen(): Promise<void> {
    const { clock, p9Address: address } = this.#options;
    this.#port = await listen(this.#http, this.#options);
    this.#pingLater();
    if (address === undefined) return;
    try {
      this.#p9Listener = await P9Listener.open({
        address,
        clock,
        takePlace: (from) => this.#takePlaceOf({ address: from, origin: undefined }),
        serve: (transport, socket, from) => {
          this.#limitSending(transport, socket);
          this.#p9.accept(this.#metered(transport, { address: from, origin: undefined }));
        },
      });
    } catch (error) {
      this.#cancelPing();
      this.#http.close();
      throw error;
    }
  }

  get port(): number {
    return this.#port;
  }

  /** Of plain 9P; undefined if there is none. */
  get p9Port(): number | undefined {
    return this.#p9Listener?.port;
  }

  /** Without the token. */
  get url(): string {
    const { tls, host } = this.#options;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${tls === undefined ? 'ws' : 'wss'}://${name}:${this.#port}/`;
  }

  get connectionCount(): number {
    return this.#accepting.clients.size + (this.#p9Listener?.connectionCount ?? 0);
  }

  get sessionCount(): number {
    return this.#lisafs.sessionCount;
  }

  get fdCount(): number {
    return this.#hostExport.fdCount;
  }

  /** Ends the sessions whose locks were lost, by the names these have. */
  endByLocks(names: readonly string[]): void {
    this.#lisafs.endByLocks(names);
    this.#p9.endByLocks(names);
  }

  get #connectionsMax(): number {
    return this.#options.connectionsMax ?? CONNECTIONS_MAX;
  }

  #webSockets(messageSizeMax: number): WebSocketServer {
    const protocols = [...this.#protocols.keys()];
    return new WebSocketServer({ noServer: true, ...serverOptions({ messageSizeMax, protocols }) });
  }

  #onSocket(socket: Socket): void {
    if (!this.#limits.enter(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until ws has it, nobody else hears of it.
    socket.on('error', () => socket.destroy());
    const problem = this.#gate.checkPage(request) ?? this.#checkPlace();
    if (problem !== undefined) {
      this.#refuse(request, socket, problem);
      return;
    }
    const leave = this.#takePlace();
    socket.once('close', leave);
    const tokenProblem = await this.#gate.checkToken(request);
    if (socket.destroyed) return;
    const speaksOurs = offeredProtocols(request.headers).some((name) => this.#protocols.has(name));
    const refusal = tokenProblem ?? this.#checkStopping() ?? this.#checkProtocol(speaksOurs);
    if (refusal !== undefined) {
      // Others may come meanwhile: it has no right to a place.
      leave();
      const isTold = refusal === tokenProblem && speaksOurs;
      if (isTold) this.#refuseOpenly({ request, socket, head }, refusal);
      else this.#refuse(request, socket, refusal);
      return;
    }
    this.#accepting.handleUpgrade(request, socket, head, (webSocket) => {
      this.#limits.letIn(request.socket);
      this.#serve(webSocket, request);
    });
  }

  /** For a connection without a handshake. */
  #takePlaceOf(peer: Peer): (() => void) | Refusal {
    const refusal = this.#checkPlace();
    if (refusal === undefined) return this.#takePlace();
    this.#noteRefusal(peer, refusal);
    return refusal;
  }

  /** Returns what gives it back, and does so once. */
  #takePlace(): () => void {
    let isTaken = true;
    this.#placesTaken++;
    return () => {
      if (isTaken) this.#placesTaken--;
      isTaken = false;
    };
  }

  #checkPlace(): Refusal | undefined {
    const max = this.#connectionsMax;
    if (this.#placesTaken < max) return this.#checkStopping();
    return {
      reason: 'too many connections',
      text: `there are ${max} connections already, as many as --max-connections allows`,
    };
  }

  #checkStopping(): Refusal | undefined {
    if (this.#stopping === undefined) return undefined;
    return { reason: 'stopping', text: 'the gofer is stopping' };
  }

  #checkProtocol(speaksOurs: boolean): Refusal | undefined {
    if (speaksOurs) return undefined;
    const names = [...this.#protocols.keys()].join(', ');
    return { reason: 'protocol', text: `the subprotocols that are spoken here: ${names}` };
  }

  #refuse(request: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    this.#noteRefusal(peerOf(request), refusal);
    refuseUpgrade(socket, refusal);
  }

  /** A page is told of no failed handshake's reason: only of what a connection was closed with. */
  #refuseOpenly({ request, socket, head }: Upgrade, refusal: Refusal): void {
    this.#noteRefusal(peerOf(request), refusal);
    this.#refusing.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {
        webSocket.terminate();
      });
      webSocket.close(CLOSE_TOKEN_REFUSED, refusal.text);
      const cancel = this.#options.clock.setTimer(CLOSE_WAIT_MS, () => {
        webSocket.terminate();
      });
      webSocket.once('close', cancel);
    });
  }

  #noteRefusal(peer: Peer, { reason, text }: Refusal): void {
    const { log, metrics } = this.#options;
    const refused: RefusedConnection = { ...peer, refusal: reason, detail: text };
    log.warn(refused, 'connection refused');
    metrics?.onRefuse(reason);
  }

  #serve(webSocket: WebSocket, request: IncomingMessage): void {
    const { clock } = this.#options;
    this.#alive.add(webSocket);
    webSocket.on('pong', () => this.#alive.add(webSocket));
    const transport = acceptWebSocket(webSocket, { clock, messageSizeMax: FRAME_SIZE_MAX });
    this.#limitSending(transport, request.socket);
    this.#protocols.get(webSocket.protocol)?.(this.#metered(transport, peerOf(request)));
  }

  /** What nobody takes is not kept for ever. */
  #limitSending(transport: Transport, socket: Socket): void {
    onSendTimeout(socket, this.#options.sendTimeoutMs ?? SEND_TIMEOUT_MS, () => {
      transport.close(CLOSE_TIMED_OUT, 'nothing that was sent was taken in time');
      // Whoever takes nothing is not told either; nor does the host keep what is for it.
      if (socket instanceof TLSSocket) socket.destroy();
      else socket.resetAndDestroy();
    });
  }

  #metered(transport: Transport, peer: Peer): Transport {
    const { clock, log, metrics } = this.#options;
    const connection = new Connection({ id: ++this.#lastId, peer, clock, log, metrics });
    return new MeteredTransport(transport, connection);
  }

  #pingLater(): void {
    this.#cancelPing = this.#options.clock.setTimer(PING_INTERVAL_MS, () => {
      for (const webSocket of this.#accepting.clients) {
        // Behind what is not taken no ping gets through, nor an answer that isn't read here.
        if (webSocket.isPaused || webSocket.bufferedAmount > 0) this.#alive.add(webSocket);
        else if (this.#alive.delete(webSocket)) webSocket.ping();
        else webSocket.terminate();
      }
      this.#pingLater();
    });
  }

  /**
   * Takes no more connections, tells clients (Drain), waits up to `graceMs` until they have written
   * back and what is under way is done, and closes everything. Later calls wait for the first one.
   */
  stop(graceMs = DRAIN_GRACE_MS): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#p9Listener?.stopListening();
    await Promise.all([
      this.#lisafs.drain({ graceMs, quietMs: Math.min(DRAIN_QUIET_MS, graceMs) }),
      this.#p9.drain(graceMs),
    ]);
    this.#lisafs.stop();
    this.#p9.stop();
    this.#tree.leave();
    await this.#closeSockets();
    this.#cancelPing();
    await closed;
    await this.#hostExport.close();
  }

  /** Close frames are on their way; whoever doesn't answer is cut off. */
  async #closeSockets(): Promise<void> {
    const { clock } = this.#options;
    const open = [...this.#accepting.clients].map(whenClosed);
    let cancel = (): void => undefined;
    const timeUp = new Promise<void>((resolve) => {
      cancel = clock.setTimer(CLOSE_WAIT_MS, resolve);
    });
    const closed = this.#p9Listener?.closed(timeUp);
    await Promise.race([Promise.all(open), timeUp]);
    await closed;
    cancel();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Whoever can look at the locks can't take a session over. */
function lockNameOf(sessionId: Uint8Array): string {
  return createHash('sha256').update(sessionId).digest('hex');
}

function peerOf({ socket, headers }: IncomingMessage): Peer {
  return { address: socket.remoteAddress ?? 'unknown', origin: headers.origin };
}
