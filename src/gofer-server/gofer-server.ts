// GoferServer: a directory of the host for pages and programs that connect by WebSocket. Mirrors
// what gVisor's runsc/cmd/gofer.go does for a sandbox, for clients that come by a network.
//
// Each handshake goes through the same steps: path and origin, a place, the token, the protocol.
// Only then is anything of what is served touched.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { HostExport } from '../fsgofer/host-export.ts';
import type { HostCalls } from '../fsgofer/host-calls.ts';
import type { IdRange } from '../fsgofer/id-map.ts';
import type { Clock } from '../lib/clock.ts';
import { FRAME_SIZE_MAX } from '../lisafs/frame.ts';
import { Server as LisafsServer } from '../lisafs/server.ts';
import { CLOSE_TOKEN_REFUSED, type Transport } from '../transport/transport.ts';
import { acceptWebSocket, serverOptions } from '../transport/web-socket-server.ts';
import { Connection } from './connection.ts';
import { Gate } from './gate.ts';
import { HandshakeLimits } from './handshake-limits.ts';
import { createHttpServer, type TlsFiles } from './http-server.ts';
import { listen } from './listen.ts';
import type { GoferLog, Peer, RefusedConnection } from './log.ts';
import { MeteredTransport } from './metered-transport.ts';
import type { GaugeSource, GoferMetrics } from './metrics.ts';
import { type Refusal, refuseUpgrade } from './refusal.ts';
import { type Auth, offeredProtocols } from './token.ts';

export const CONNECTIONS_MAX = 64;
export const FDS_MAX = 4096;
/** How long clients have to write back when the server stops. */
export const DRAIN_GRACE_MS = 10_000;
/** Whoever asks for nothing for so long meanwhile has nothing to write back. */
const DRAIN_QUIET_MS = 500;
/** How long the other end may take to say that it has closed, too. */
const CLOSE_WAIT_MS = 2000;
/** Sockets of an address that are not let in yet. */
const HANDSHAKES_PER_ADDRESS_MAX = 32;
/** Sockets that are not let in yet, of all addresses. */
const HANDSHAKES_MAX = 256;
/** Whoever hasn't answered a ping when the next is due is gone. */
const PING_INTERVAL_MS = 30_000;
/** Of a client that is refused nothing is read but what ends the connection. */
const REFUSED_PAYLOAD_MAX = 125;

export interface GoferServerOptions {
  readonly directory: string;
  readonly calls: HostCalls;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly auth: Auth;
  readonly isReadOnly?: boolean;
  /** Origins of pages that may connect, as parseOrigin() makes them. */
  readonly origins?: readonly string[];
  readonly tls?: TlsFiles;
  readonly idRanges?: readonly IdRange[];
  readonly connectionsMax?: number;
  /** Descriptors of the host; one client has at most half of them. */
  readonly fdsMax?: number;
  readonly clock: Clock;
  readonly log: GoferLog;
  readonly metrics?: GoferMetrics;
}

interface Parts {
  readonly options: GoferServerOptions;
  readonly hostExport: HostExport;
  readonly lisafs: LisafsServer;
}

export class GoferServer implements GaugeSource {
  readonly #options: GoferServerOptions;
  readonly #hostExport: HostExport;
  readonly #lisafs: LisafsServer;
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
  /** Handshakes and connections that take a place. */
  #placesTaken = 0;
  #lastId = 0;
  #stopping: Promise<void> | undefined;

  private constructor({ options, hostExport, lisafs }: Parts) {
    const { auth, origins = [], host, log, tls, metrics } = options;
    this.#options = options;
    this.#hostExport = hostExport;
    this.#lisafs = lisafs;
    this.#gate = new Gate({ auth, log, host, allowed: origins });
    this.#protocols = new Map([
      [
        'lisafs',
        (transport) => {
          lisafs.accept(transport);
        },
      ],
    ]);
    this.#accepting = this.#webSockets(FRAME_SIZE_MAX);
    this.#refusing = this.#webSockets(REFUSED_PAYLOAD_MAX);
    this.#http = createHttpServer(tls);
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
    const { fdsMax = FDS_MAX, idRanges = [] } = options;
    const hostExport = await HostExport.open(directory, {
      clock,
      calls,
      isReadOnly,
      idRanges,
      fdsMax,
      clientFdsMax: Math.max(1, Math.floor(fdsMax / 2)),
    });
    const lisafs = new LisafsServer({
      root: (client) => hostExport.pin(client),
      clock,
      randomBytes,
      isReadOnly,
      onError: (error) => {
        log.error({ err: error }, 'an error that nobody expects');
      },
      ...(metrics !== undefined && { observer: metrics }),
    });
    try {
      const server = new GoferServer({ options, hostExport, lisafs });
      server.#port = await listen(server.#http, options);
      server.#pingLater();
      return server;
    } catch (error) {
      await hostExport.close();
      throw error;
    }
  }

  get port(): number {
    return this.#port;
  }

  /** Without the token. */
  get url(): string {
    const { tls, host } = this.#options;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${tls === undefined ? 'ws' : 'wss'}://${name}:${this.#port}/`;
  }

  get connectionCount(): number {
    return this.#accepting.clients.size;
  }

  get sessionCount(): number {
    return this.#lisafs.sessionCount;
  }

  get fdCount(): number {
    return this.#hostExport.fdCount;
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
      this.#serve(webSocket, peerOf(request));
    });
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
    this.#noteRefusal(request, refusal);
    refuseUpgrade(socket, refusal);
  }

  /** A page is told of no failed handshake's reason: only of what a connection was closed with. */
  #refuseOpenly({ request, socket, head }: Upgrade, refusal: Refusal): void {
    this.#noteRefusal(request, refusal);
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

  #noteRefusal(request: IncomingMessage, { reason, text }: Refusal): void {
    const { log, metrics } = this.#options;
    const refused: RefusedConnection = { ...peerOf(request), refusal: reason, detail: text };
    log.warn(refused, 'connection refused');
    metrics?.onRefuse(reason);
  }

  #serve(webSocket: WebSocket, peer: Peer): void {
    const { clock, log, metrics } = this.#options;
    const connection = new Connection({ id: ++this.#lastId, peer, clock, log, metrics });
    this.#alive.add(webSocket);
    webSocket.on('pong', () => this.#alive.add(webSocket));
    const transport = acceptWebSocket(webSocket, { clock, messageSizeMax: FRAME_SIZE_MAX });
    this.#protocols.get(webSocket.protocol)?.(new MeteredTransport(transport, connection));
  }

  #pingLater(): void {
    this.#cancelPing = this.#options.clock.setTimer(PING_INTERVAL_MS, () => {
      for (const webSocket of this.#accepting.clients) {
        if (this.#alive.delete(webSocket)) webSocket.ping();
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
    await this.#lisafs.drain({ graceMs, quietMs: Math.min(DRAIN_QUIET_MS, graceMs) });
    this.#lisafs.stop();
    await this.#closeSockets();
    this.#cancelPing();
    await closed;
    await this.#hostExport.close();
  }

  /** Close frames are on their way; whoever doesn't answer is cut off. */
  async #closeSockets(): Promise<void> {
    const { clock } = this.#options;
    const open = [...this.#accepting.clients].map((webSocket) => once(webSocket, 'close'));
    let cancel = (): void => undefined;
    const timeUp = new Promise<void>((resolve) => {
      cancel = clock.setTimer(CLOSE_WAIT_MS, resolve);
    });
    await Promise.race([Promise.all(open), timeUp]);
    cancel();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function peerOf({ socket, headers }: IncomingMessage): Peer {
  return { address: socket.remoteAddress ?? 'unknown', origin: headers.origin };
}
