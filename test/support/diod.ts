// Debian's diod, a 9P2000.L server that is none of ours, behind a bridge: a WebSocket, each message
// of which is a 9P message, to the stream of TCP that diod speaks.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import type { ConnectGofer } from '../../src/fs/gofer/mount-gofer.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { connectWebSocket } from '../../src/transport/web-socket.ts';

const DIOD = '/usr/sbin/diod';
const MESSAGE_SIZE_MAX = 4 << 20;
/** Of the size that begins each message of the stream. */
const SIZE_BYTES = 4;
const START_ATTEMPTS_MAX = 200;
const ATTEMPT_MS = 25;

/** Why it can't be run here; undefined if it can. */
export function whyNoDiod(): string | undefined {
  try {
    accessSync(DIOD, constants.X_OK);
  } catch {
    return `${DIOD} is not installed (apt-get install diod)`;
  }
  return process.getuid?.() === 0 ? undefined : 'diod serves several users as root only';
}

export interface TestDiod {
  /** Of this host: what is served. The `aname` to attach to. */
  readonly folder: string;
  readonly url: string;
  readonly connect: ConnectGofer;
  /** Links break, as when a network does. diod goes on. */
  breakLinks(): void;
  close(): Promise<void>;
}

export async function startDiod(): Promise<TestDiod> {
  const folder = await mkdtemp(join(tmpdir(), 'burrow-diod-'));
  await chmod(folder, 0o777);
  const port = await freePort();
  const listen = `127.0.0.1:${port}`;
  // No munge, no look-up of users: whoever attaches says which user it is.
  const args = ['-f', '-n', '-N', '-c', '/dev/null', '-e', folder, '-l', listen, '-L', 'stderr'];
  const diod = spawn(DIOD, args, { stdio: 'ignore' });
  const ended = once(diod, 'exit');
  await reachable(port);
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols });
  sockets.on('connection', (webSocket) => {
    bridge(webSocket, connectTcp(port, '127.0.0.1'));
  });
  await once(sockets, 'listening');
  const url = `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}/`;
  const breakLinks = (): void => {
    for (const socket of sockets.clients) socket.terminate();
  };
  return {
    folder,
    url,
    breakLinks,
    connect: ({ protocol }) =>
      connectWebSocket(url, {
        clock: new RealClock(),
        messageSizeMax: MESSAGE_SIZE_MAX,
        protocols: [protocol],
        timeoutMs: 10_000,
        WebSocket,
      }),
    close: async () => {
      breakLinks();
      sockets.close();
      diod.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function handleProtocols(protocols: ReadonlySet<string>): string | false {
  return protocols.has('9p2000.L') ? '9p2000.L' : false;
}

function bridge(webSocket: WebSocket, tcp: Socket): void {
  tcp.setNoDelay(true);
  let received = Buffer.alloc(0);
  tcp.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= SIZE_BYTES) {
      const size = received.readUInt32LE();
      if (received.length < size) break;
      webSocket.send(received.subarray(0, size));
      received = received.subarray(size);
    }
  });
  webSocket.on('message', (bytes: Buffer) => tcp.write(bytes));
  webSocket.on('close', () => tcp.destroy());
  tcp.on('close', () => {
    webSocket.close();
  });
  tcp.on('error', () => {
    webSocket.terminate();
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Returns once it accepts connections. */
async function reachable(port: number): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS_MAX; attempt++) {
    const socket = connectTcp(port, '127.0.0.1');
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    socket.destroy();
    if (isThere) return;
    await new Promise((resolve) => {
      setTimeout(resolve, ATTEMPT_MS);
    });
  }
  throw new Error('diod does not accept connections');
}
