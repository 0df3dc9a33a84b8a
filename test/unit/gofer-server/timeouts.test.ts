// Clients that take a place and do nothing with it: who reads no answers, and who doesn't begin.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { O_RDONLY } from '../../../src/abi/fcntl.ts';
import type { GoferServer } from '../../../src/gofer-server/gofer-server.ts';
import { whenClosed } from '../../../src/gofer-server/when-closed.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { MSIZE_MAX } from '../../../src/p9/frame.ts';
import { P9_PROTOCOL } from '../../../src/p9/version.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { StreamTransport } from '../../../src/transport/stream.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { P9Client } from '../../support/p9-client.ts';
import { TOKEN, useServers } from './support.ts';

const { served, open } = useServers();
const clock = new RealClock();
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const FILE_SIZE = 900_000;
/** More than all sockets on the way hold. */
const READS = 40;

async function tcp({ p9Port }: GoferServer): Promise<Socket> {
  const socket = connectTcp(p9Port!, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

const WAYS = {
  TCP: async (server: GoferServer): Promise<Transport> => {
    const options = { clock, protocol: P9_PROTOCOL, messageSizeMax: MSIZE_MAX };
    return new StreamTransport(await tcp(server), options);
  },
  WebSocket: ({ url }: GoferServer): Promise<Transport> =>
    connectWebSocket(url, {
      ...{ clock, messageSizeMax: MSIZE_MAX, timeoutMs: 10_000, WebSocket },
      protocols: [P9_PROTOCOL],
      extraProtocols: protocolsFor(TOKEN),
    }),
};

describe.each(Object.entries(WAYS))('by %s', (_name, connect) => {
  /** A client that has asked for more than it reads. */
  async function congested(server: GoferServer): Promise<P9Client> {
    writeFileSync(join(served(), 'file'), new Uint8Array(FILE_SIZE));
    const client = new P9Client(await connect(server));
    await client.version();
    const fid = await client.open(await client.attach(), O_RDONLY, 'file');
    client.transport.pause();
    for (let count = 0; count < READS; count++) {
      client.send('read', { fid, offset: 0, count: FILE_SIZE });
    }
    return client;
  }

  test('who takes nothing of what is sent is cut off', async () => {
    const { server, log } = await open({ p9Address: LOOPBACK, sendTimeoutMs: 100 });
    const client = await congested(server);
    const { fields } = await log.has('connection closed');
    expect(fields).toMatchObject({ code: 4408, requests: expect.any(Number) as number });
    client.transport.resume();
    await client.closed;
  });

  test('who reads in the end has everything', async () => {
    const { server, log } = await open({ p9Address: LOOPBACK });
    const client = await congested(server);
    const before = client.replies.length;
    client.transport.resume();
    await expect.poll(() => client.replies.length - before, { timeout: 20_000 }).toBe(READS);
    await client.leave();
    expect((await log.has('connection closed')).fields).toMatchObject({ code: 1000 });
  });

  test('who is merely quiet is not', async () => {
    const { server } = await open({ p9Address: LOOPBACK, sendTimeoutMs: 10 });
    const client = new P9Client(await connect(server));
    await client.version();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await client.attach();
    await client.leave();
  });
});

test('by lisafs, who takes nothing is cut off as well', async () => {
  const { server, log } = await open({ sendTimeoutMs: 100 });
  writeFileSync(join(served(), 'file'), new Uint8Array(FILE_SIZE));
  const client = await LisafsClient.connect(server.url, { token: TOKEN });
  await client.startSession();
  const { controlFD: dirFD } = await client.mount();
  const wanted = { dirFD, path: ['file'], flags: O_RDONLY, maxBytes: 1 };
  const { openFD: fd } = await client.call('WalkOpenRead', wanted);
  client.transport.pause();
  const reading = Array.from({ length: READS }, () =>
    client.call('PRead', { fd, offset: 0, count: FILE_SIZE }).catch(() => undefined),
  );
  expect((await log.has('connection closed')).fields).toMatchObject({ code: 4408 });
  client.transport.resume();
  await Promise.all(reading);
});

test('by TCP, who begins no session in time is cut off, and gives its place back', async () => {
  const { server, log } = await open({
    p9Address: LOOPBACK,
    connectionsMax: 1,
    handshakeTimeoutMs: 100,
  });
  const silent = await tcp(server);
  const closed = whenClosed(silent);
  silent.resume();
  await closed;
  expect((await log.has('connection closed')).fields).toMatchObject({ code: 4408, requests: 0 });
  const client = new P9Client(await WAYS.TCP(server));
  await client.version();
  await client.leave();
});
