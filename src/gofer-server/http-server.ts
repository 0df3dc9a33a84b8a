// The HTTP server that WebSockets are opened on. Of its own it says only what it is, and it gives
// nobody much time or memory: whoever asks hasn't been let in yet.

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { pathOf } from './gate.ts';
import { TEXT_HEADERS } from './refusal.ts';

/** In PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** How long a client may take for the rest of its request, once its headers are there. */
const BODY_TIMEOUT_MS = 5000;
/** How often that is looked at, at least. */
const TIMEOUT_CHECK_MS = 2000;
const KEEP_ALIVE_TIMEOUT_MS = 5000;
/** Bytes of all headers: a token has 1 KiB. */
const HEADERS_SIZE_MAX = 16 << 10;

const limits = (timeoutMs: number): ServerOptions => ({
  headersTimeout: timeoutMs,
  requestTimeout: timeoutMs + BODY_TIMEOUT_MS,
  connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, timeoutMs),
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  maxHeaderSize: HEADERS_SIZE_MAX,
});

const ABOUT = `This is a gofer of Burrow (burrowfs): it serves a folder of this machine to programs
in a page. It is no website.

To connect, give the address that "burrowfs gofer" printed, with its token, to whatever uses
burrowfs. It opens a WebSocket here, with the subprotocol lisafs, or 9p2000.L.
`;

/**
 * A client may take `timeoutMs` for TLS, and again for its headers. Errors: Error of TLS for a
 * certificate or a key that is none.
 */
export function createHttpServer(tls: TlsFiles | undefined, timeoutMs: number): Server {
  if (tls === undefined) return createServer(limits(timeoutMs), answer);
  const options = { ...limits(timeoutMs), ...tls, handshakeTimeout: timeoutMs };
  return createTlsServer(options, answer);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (pathOf(request) !== '/') {
    response.writeHead(404, TEXT_HEADERS).end('a gofer has no other path than /\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    const headers = { ...TEXT_HEADERS, Allow: 'GET, HEAD' };
    response.writeHead(405, headers).end('only GET and HEAD, and WebSockets\n');
  } else response.writeHead(200, TEXT_HEADERS).end(ABOUT);
}
