// The server's end of a WebSocket, over the package ws. Who listens where, and who may connect, is
// for the server to say.

import type { ServerOptions, WebSocket } from 'ws';
import type { Transport } from './transport.ts';
import { type SocketOptions, WEB_SOCKET_PROTOCOLS, WebSocketTransport } from './web-socket.ts';

/** How long the other end may take to say that it has closed, too. */
const CLOSE_WAIT_MS = 2000;

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
    // The types of ws don't know of it yet.
    ...{ closeTimeout: CLOSE_WAIT_MS },
    // That of ws keeps an answer for each, also for who takes none: see answerPings().
    autoPong: false,
  };
}

/** The transport of a connection that a WebSocketServer has accepted. */
export function acceptWebSocket(socket: WebSocket, options: SocketOptions): Transport {
  answerPings(socket);
  return new WebSocketTransport(socket, { ...options, keepsMemory: true });
}

/** One answer at a time; then the latest of those that came. RFC 6455, section 5.5.3. */
function answerPings(socket: WebSocket): void {
  let isSending = false;
  let latest: Uint8Array | undefined;
  const answer = (data: Uint8Array): void => {
    isSending = true;
    socket.pong(data, false, () => {
      const next = latest;
      isSending = false;
      latest = undefined;
      if (next !== undefined) answer(next);
    });
  };
  socket.on('ping', (data) => {
    if (isSending) latest = data;
    else answer(data);
  });
}
