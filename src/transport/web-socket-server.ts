// The server's end of a WebSocket, over the package ws. Who listens where, and who may connect, is
// for the server to say.

import type { ServerOptions, WebSocket } from 'ws';
import type { Transport } from './transport.ts';
import { type SocketOptions, WEB_SOCKET_PROTOCOLS, WebSocketTransport } from './web-socket.ts';

/** The first of the client's protocols that is one of ours; false makes ws agree on none. */
export function chooseProtocol(
  offered: ReadonlySet<string>,
  spoken: readonly string[] = WEB_SOCKET_PROTOCOLS,
): string | false {
  return [...offered].find((protocol) => spoken.includes(protocol)) ?? false;
}

/** How a WebSocketServer of ws has to be set up. */
export function serverOptions(options: {
  readonly messageSizeMax: number;
  readonly protocols?: readonly string[];
}): ServerOptions {
  return {
    handleProtocols: (offered) => chooseProtocol(offered, options.protocols),
    // What is larger never gets into memory.
    maxPayload: options.messageSizeMax,
    // It would take more time than it saves on a fast link, and memory for each one.
    perMessageDeflate: false,
  };
}

/** The transport of a connection that a WebSocketServer has accepted. */
export function acceptWebSocket(socket: WebSocket, options: SocketOptions): Transport {
  return new WebSocketTransport(socket, { ...options, keepsMemory: true });
}
