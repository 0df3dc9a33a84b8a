// How the kernel's worker connects to a gofer: by the browser's WebSocket.

import type { ConnectGofer } from '../src/fs/gofer/mount-gofer.ts';
import type { Clock } from '../src/lib/clock.ts';
import { parseGoferUrl, protocolsFor } from '../src/transport/gofer-url.ts';
import { connectWebSocket } from '../src/transport/web-socket.ts';

/** Larger than any frame of lisafs or 9P. */
const MESSAGE_SIZE_MAX = 4 << 20;
const TIMEOUT_MS = 15_000;

/** Errors of what is returned: GoferUrlError, ConnectError. */
export function connectToGofer(clock: Clock): ConnectGofer {
  return async ({ protocol, source, token }) => {
    const address = parseGoferUrl(source);
    return connectWebSocket(address.url, {
      clock,
      messageSizeMax: MESSAGE_SIZE_MAX,
      timeoutMs: TIMEOUT_MS,
      protocols: [protocol],
      extraProtocols: protocolsFor(token ?? address.token),
    });
  };
}
