// A gofer for tests: a real folder of this host, served by the real server over a real WebSocket.

import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK } from '../../src/abi/stat.ts';
import type { ConnectGofer, GoferLink } from '../../src/fs/gofer/mount-gofer.ts';
import { HostExport } from '../../src/fsgofer/host-export.ts';
import { loadKoffiCalls } from '../../src/fsgofer/koffi-calls.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { Server } from '../../src/lisafs/server.ts';
import { Server as P9Server, type ServerOptions } from '../../src/p9/server.ts';
import { ServedTree } from '../../src/served/served-tree.ts';
import { LocalLockTable } from '../../src/locks/lock-table.ts';
import { connectWebSocket } from '../../src/transport/web-socket.ts';
import { acceptWebSocket, serverOptions } from '../../src/transport/web-socket-server.ts';

const MESSAGE_SIZE_MAX = 4 << 20;
const FDS_MAX = 4000;
const LOCKS_MAX = 10_000;

export interface TestGofer {
  /** Of this host: what is served. */
  readonly folder: string;
  readonly url: string;
  readonly connect: ConnectGofer;
  /** Errors that nobody expects. */
  readonly errors: readonly unknown[];
  /** Descriptors that are open. */
  readonly fdCount: () => number;
  readonly port: number;
  /** Leaves the folder. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface TestGoferOptions {
  readonly isReadOnly?: boolean;
  /** Of another gofer that was closed and left it. */
  readonly folder?: string;
  readonly port?: number;
  /** Descriptors of all clients, and of one: as `burrowfs gofer --max-fds` has it. */
  readonly fdsMax?: number;
}

/** Without a folder it makes one, which is removed as it closes. */
export async function startGofer(options: TestGoferOptions = {}): Promise<TestGofer> {
  const clock = new RealClock();
  const { isReadOnly = false, fdsMax = 2 * FDS_MAX } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'burrow-gofer-')));
  await chmod(folder, 0o777);
  const served = await openFolder(folder, { clock, isReadOnly, fdsMax });
  const errors: unknown[] = [];
  const common: ServerOptions = {
    root: (client) => served.pin(client),
    tree: new ServedTree(),
    locks: new LocalLockTable({ locksMax: LOCKS_MAX }),
    clock,
    isReadOnly,
    randomBytes: (count) => randomBytes(count),
    onError: (error) => {
      errors.push(error);
    },
  };
  const servers = {
    lisafs: new Server({ ...common, reserve: served.reserve }),
    '9p2000.L': new P9Server(common),
  };
  const socketOptions = { clock, messageSizeMax: MESSAGE_SIZE_MAX };
  const sockets = new WebSocketServer({
    host: '127.0.0.1',
    port: options.port ?? 0,
    ...serverOptions({ messageSizeMax: MESSAGE_SIZE_MAX, protocols: Object.keys(servers) }),
  });
  sockets.on('connection', (socket) => {
    servers[socket.protocol as GoferLink['protocol']].accept(
      acceptWebSocket(socket, socketOptions),
    );
  });
  await once(sockets, 'listening');
  const { port } = sockets.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}/`;
  const stop = async (): Promise<void> => {
    // As when it is killed: nobody is told.
    for (const socket of sockets.clients) socket.terminate();
    for (const server of Object.values(servers)) server.stop();
    const closed = once(sockets, 'close');
    sockets.close();
    await closed;
    await served.close();
  };
  return {
    folder,
    url,
    port,
    errors,
    fdCount: () => served.fdCount,
    connect: ({ protocol }) =>
      connectWebSocket(url, {
        ...socketOptions,
        protocols: [protocol],
        timeoutMs: 10_000,
        WebSocket,
      }),
    stop,
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openFolder(
  folder: string,
  options: { readonly clock: RealClock; readonly isReadOnly: boolean; readonly fdsMax: number },
): Promise<HostExport> {
  return HostExport.open(folder, {
    ...options,
    calls: await loadKoffiCalls(),
    clientFdsMax: Math.floor(options.fdsMax / 2),
    // As on a filesystem of one's own.
    allowsSetId: true,
    xattrPrefixes: ['user.', 'trusted.', 'security.'],
    nodeTypes: [S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR],
  });
}
