// 9P as a gofer's server speaks it: by WebSocket with the token, and by TCP.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import type { GoferServer } from '../../../src/gofer-server/gofer-server.ts';
import { ListenError } from '../../../src/gofer-server/listen.ts';
import { GoferMetrics } from '../../../src/gofer-server/metrics.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { MSIZE_MAX } from '../../../src/p9/frame.ts';
import { LATEST_VERSION, P9_PROTOCOL } from '../../../src/p9/version.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { StreamTransport } from '../../../src/transport/stream.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { P9Client } from '../../support/p9-client.ts';
import { P9Client as KeptClient } from '../../../src/p9/client.ts';
import { TOKEN, useServers } from './support.ts';

const { served, open } = useServers();
const clock = new RealClock();
const LOOPBACK = { host: '127.0.0.1', port: 0 };

function connect(server: GoferServer, token: string): Promise<Transport> {
  return connectWebSocket(server.url, {
    clock,
    messageSizeMax: MSIZE_MAX,
    timeoutMs: 10_000,
    protocols: [P9_PROTOCOL],
    extraProtocols: protocolsFor(token),
    WebSocket,
  });
}

async function byWebSocket(server: GoferServer, token = TOKEN): Promise<P9Client> {
  return new P9Client(await connect(server, token));
}

async function byTcp(server: GoferServer): Promise<{ client: P9Client; socket: Socket }> {
  const socket = connectTcp(server.p9Port!, '127.0.0.1');
  await once(socket, 'connect');
  const options = { clock, protocol: P9_PROTOCOL, messageSizeMax: MSIZE_MAX };
  return { client: new P9Client(new StreamTransport(socket, options)), socket };
}

async function roundTrip(client: P9Client, name: string): Promise<string> {
  await client.version();
  const root = await client.attach();
  const fid = await client.create(root, name, O_RDWR);
  await client.call('write', { fid, offset: 0, data: encodeUtf8('text') });
  const again = await client.open(root, O_RDONLY, name);
  return decodeUtf8((await client.call('read', { fid: again, offset: 0, count: 10 })).data);
}

test('by WebSocket, with the token that lisafs wants, too', async () => {
  const { server, log } = await open();
  expect(await roundTrip(await byWebSocket(server), 'a')).toBe('text');
  expect(readFileSync(join(served(), 'a'), 'utf8')).toBe('text');
  const refused = await byWebSocket(server, 'wrong');
  expect(await refused.closed).toMatchObject({ code: 4401 });
  expect((await log.has('connection refused')).fields).toMatchObject({ refusal: 'token' });
  expect(server.p9Port).toBeUndefined();
});

test('a client whose token is refused is told so, and does not try again', async () => {
  const { server } = await open();
  let connects = 0;
  const connecting = KeptClient.connect({
    connect: () => {
      connects++;
      return connect(server, 'wrong');
    },
    clock,
    timeoutMs: 10_000,
    aname: '/',
    versionMax: LATEST_VERSION,
    msize: MSIZE_MAX,
    isAlone: true,
    *onSessionLost() {
      yield* [];
    },
  });
  await expect(runAsync(connecting)).rejects.toBe(linuxerr.EACCES);
  expect(connects).toBe(1);
});

test('by TCP, where no token is asked for', async () => {
  const metrics = new GoferMetrics();
  const { server, log } = await open({ p9Address: LOOPBACK, metrics });
  const { client } = await byTcp(server);
  expect(await roundTrip(client, 'a')).toBe('text');
  expect(server.connectionCount).toBe(1);
  expect(await metrics.print()).toContain('requests_total{message="Twrite",errno="OK"} 1');
  await client.leave();
  const { fields } = await log.has('connection closed');
  expect(fields).toMatchObject({ address: '127.0.0.1', requests: 8, code: 1000 });
});

test('read-only is read-only', async () => {
  const { server } = await open({ p9Address: LOOPBACK, isReadOnly: true });
  writeFileSync(join(served(), 'a'), 'text');
  const { client } = await byTcp(server);
  await client.version();
  const root = await client.attach();
  await expect(client.create(root, 'b', O_RDWR)).rejects.toBe(linuxerr.EROFS);
  await expect(client.open(root, O_RDWR, 'a')).rejects.toBe(linuxerr.EROFS);
  await client.open(root, O_RDONLY, 'a');
});

test('connections of TCP take places as others do', async () => {
  const { server, log } = await open({ p9Address: LOOPBACK, connectionsMax: 1 });
  const first = await byTcp(server);
  await first.client.version();
  const second = await byTcp(server);
  await second.client.closed;
  const { fields } = await log.has('connection refused');
  expect(fields).toMatchObject({ refusal: 'too many connections', address: '127.0.0.1' });
  await first.client.leave();
  await log.has('connection closed');
  await (await byTcp(server)).client.version();
});

test('a page that speaks HTTP to the port is cut off', async () => {
  const { server, log } = await open({ p9Address: LOOPBACK });
  const answered = fetch(`http://127.0.0.1:${server.p9Port!}/`, { method: 'POST', body: 'x' });
  await expect(answered).rejects.toThrow();
  expect((await log.has('connection closed')).fields).toMatchObject({ code: 4009, requests: 0 });
});

test('a client has at most half of the descriptors, and gives them back', async () => {
  const { server, log } = await open({ p9Address: LOOPBACK, fdsMax: 20 });
  writeFileSync(join(served(), 'a'), '');
  const atRest = server.fdCount;
  const { client } = await byTcp(server);
  await client.version();
  const root = await client.attach();
  const openMany = async (): Promise<void> => {
    for (;;) await client.open(root, O_RDONLY, 'a');
  };
  await expect(openMany()).rejects.toBe(linuxerr.EMFILE);
  expect(server.fdCount).toBeLessThanOrEqual(11);
  await client.leave();
  await log.has('connection closed');
  await expect.poll(() => server.fdCount).toBe(atRest);
});

test('stop closes connections that are quiet', async () => {
  const { server } = await open({ p9Address: LOOPBACK });
  const { client } = await byTcp(server);
  await client.version();
  await server.stop(0);
  expect(await client.closed).toMatchObject({ code: 1000, isLocal: false });
});

test('a port of 9P that is in use leaves nothing open', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  try {
    const address = { host: '127.0.0.1', port };
    await expect(open({ p9Address: address })).rejects.toThrow(
      new ListenError('EADDRINUSE', address),
    );
  } finally {
    other.close();
  }
});
