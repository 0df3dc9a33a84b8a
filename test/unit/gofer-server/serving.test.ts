// What a gofer's server does for those it has let in: files, limits, the log, metrics, and its end.

import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import type { GoferServer } from '../../../src/gofer-server/gofer-server.ts';
import { ListenError } from '../../../src/gofer-server/listen.ts';
import { GoferMetrics } from '../../../src/gofer-server/metrics.ts';
import { MetricsServer } from '../../../src/gofer-server/metrics-server.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { ask, handshake, KeptLog, TOKEN, useServers } from './support.ts';

const { served, open } = useServers();
const OWNER = { uid: NO_ID, gid: NO_ID };

async function connect(server: GoferServer): Promise<{ client: LisafsClient; root: number }> {
  const client = await LisafsClient.connect(server.url, { token: TOKEN });
  return { client, root: (await client.mount()).controlFD };
}

function write(client: LisafsClient, dirFD: number, name: string, text: string) {
  const file = { ...OWNER, mode: 0o644, flags: O_RDWR, clientFD: 0, clientOpenFD: 0 };
  return client.call('CreateWrite', { dirFD, ...file, name, data: encodeUtf8(text) });
}

test('files are read and written', async () => {
  const { server } = await open();
  writeFileSync(join(served(), 'a.txt'), 'from the host');
  const { client, root } = await connect(server);
  const reading = { dirFD: root, path: ['a.txt'], flags: O_RDONLY, maxBytes: 100 };
  const { data } = await client.call('WalkOpenRead', reading);
  expect(new TextDecoder().decode(data)).toBe('from the host');
  await write(client, root, 'b.txt', 'from the client');
  expect(readFileSync(join(served(), 'b.txt'), 'utf8')).toBe('from the client');
});

test('the largest message gets through, both ways', async () => {
  const { server } = await open();
  const { client, root } = await connect(server);
  const text = 'x'.repeat(2_000_000);
  await write(client, root, 'large', text);
  const reading = { dirFD: root, path: ['large'], flags: O_RDONLY, maxBytes: text.length };
  expect((await client.call('WalkOpenRead', reading)).data).toHaveLength(text.length);
});

test('EROFS for a change on a read-only server', async () => {
  const { server } = await open({ isReadOnly: true });
  const { client, root } = await connect(server);
  await expect(write(client, root, 'a', '')).rejects.toBe(linuxerr.EROFS);
});

test('one client has at most half of the descriptors, and another its own', async () => {
  const { server } = await open({ fdsMax: 20 });
  for (const name of ['a', 'b', 'c']) mkdirSync(join(served(), name));
  const { client, root } = await connect(server);
  const walkMany = async (): Promise<void> => {
    for (;;) await client.call('Walk', { dirFD: root, path: ['a'] });
  };
  await expect(walkMany()).rejects.toBe(linuxerr.EMFILE);
  expect(server.fdCount).toBeLessThanOrEqual(11);
  const other = await connect(server);
  await other.client.call('Walk', { dirFD: other.root, path: ['b'] });
});

test('ids are mapped in what is shown and made', async () => {
  const [uid, gid] = [geteuid!(), statSync(served()).gid];
  const { server } = await open({ idRanges: [{ clientId: 70, serverId: uid, count: 1 }] });
  const client = await LisafsClient.connect(server.url, { token: TOKEN });
  const { controlFD, statx } = await client.mount();
  expect([statx.uid, statx.gid]).toEqual([70, gid === uid ? 70 : 65_534]);
  const file = { mode: 0o644, uid: 70, gid: 70, flags: O_RDWR, clientFD: 0, clientOpenFD: 0 };
  const creation = { dirFD: controlFD, ...file, name: 'a', data: new Uint8Array(0) };
  expect((await client.call('CreateWrite', creation)).child.statx.uid).toBe(70);
  expect(statSync(join(served(), 'a')).uid).toBe(uid);
});

test('a client that answers no ping is cut off, and others are not', async () => {
  const fakeClock = new FakeClock();
  const { server, log } = await open({ clock: fakeClock });
  const { client } = await connect(server);
  const settings = { token: TOKEN, socket: { autoPong: false } };
  const silent = await LisafsClient.connect(server.url, settings);
  fakeClock.advance(30_000);
  // A request behind the answer to the ping: the server has that.
  await client.call('Mount', {});
  fakeClock.advance(30_000);
  expect(await silent.closed).toMatchObject({ code: 1006 });
  await client.call('Mount', {});
  expect((await log.has('connection closed')).fields).toMatchObject({ connection: 2, code: 1006 });
});

describe('the log', () => {
  test('a connection is opened and closed, with what went through it', async () => {
    const { server, log } = await open();
    const { client } = await connect(server);
    await client.leave();
    const { fields: opened } = await log.has('connection opened');
    expect(opened).toEqual({ connection: 1, address: '127.0.0.1', origin: undefined });
    const { fields: closed } = await log.has('connection closed');
    expect(closed).toMatchObject({ connection: 1, requests: 1, bytesIn: 8, code: 1000 });
    expect(closed['bytesOut']).toBeGreaterThan(100);
    expect(closed['durationMs']).toBeGreaterThanOrEqual(0);
  });

  test('says the page, and why the server has closed the connection', async () => {
    const { server, log } = await open();
    const origin = 'http://localhost:5173';
    const settings = { token: TOKEN, socket: { headers: { Origin: origin } } };
    const client = await LisafsClient.connect(server.url, settings);
    client.transport.send(new Uint8Array(3));
    const { fields } = await log.has('connection closed');
    expect(fields).toMatchObject({ origin, code: 4002, reason: 'that is no frame of lisafs' });
  });
});

describe('metrics', () => {
  async function read(metrics: GoferMetrics): Promise<Map<string, number>> {
    const lines = (await metrics.print()).split('\n').filter((line) => /^[^#]/.test(line));
    return new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at).replace('burrowfs_gofer_', ''), Number(line.slice(at + 1))];
      }),
    );
  }

  test('count connections, sessions, descriptors, bytes, requests and refusals', async () => {
    const metrics = new GoferMetrics();
    const { server } = await open({ metrics });
    const client = await LisafsClient.connect(server.url, { token: TOKEN });
    await client.startSession();
    const { controlFD: dirFD } = await client.mount();
    const gone = client.call('OpenAt', { fd: dirFD + 1000, flags: O_RDONLY });
    await expect(gone).rejects.toBe(linuxerr.EBADF);
    await ask(server, { headers: handshake() });
    const values = await read(metrics);
    expect(Object.fromEntries(values)).toMatchObject({
      connections: 1,
      connections_total: 1,
      sessions: 1,
      open_fds: 2,
      'requests_total{message="Mount",errno="OK"}': 1,
      'requests_total{message="OpenAt",errno="EBADF"}': 1,
      'refused_total{reason="token"}': 1,
      'request_duration_seconds_count{message="Mount"}': 1,
    });
    expect(values.get('received_bytes_total')).toBeGreaterThan(30);
    expect(values.get('sent_bytes_total')).toBeGreaterThan(100);
  });

  test('are those that the README lists', async () => {
    const metrics = new GoferMetrics();
    await open({ metrics });
    const helps = (await metrics.print()).matchAll(/^# HELP burrowfs_gofer_(\w+) (.*)$/gm);
    const types = (await metrics.print()).matchAll(/^# TYPE burrowfs_gofer_(\w+) (\w+)$/gm);
    const typeOf = new Map(Array.from(types, ([, name = '', type = '']) => [name, type]));
    const rows = Array.from(helps, ([, name = '', help = '']) => [name, typeOf.get(name), help]);
    const readme = readFileSync('src/gofer-server/README.md', 'utf8');
    const listed = readme.matchAll(/^\| `burrowfs_gofer_(\w+)` *\| (\w+) *\| (.*?) *\|$/gm);
    const documented = Array.from(listed, ([, ...cells]) => cells);
    expect(documented.toSorted()).toEqual(rows.toSorted());
  });

  test('a message that the protocol does not have is one series', async () => {
    const metrics = new GoferMetrics();
    metrics.onRequest({ messageName: undefined, errno: linuxerr.EOPNOTSUPP.errno, durationMs: 1 });
    const series = 'requests_total{message="unknown",errno="EOPNOTSUPP"}';
    expect((await read(metrics)).get(series)).toBe(1);
  });

  test('are told at /metrics, and nowhere else', async () => {
    const metrics = new GoferMetrics();
    const server = await MetricsServer.open({ port: 0, metrics, log: new KeptLog() });
    try {
      const response = await fetch(server.url);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('version=0.0.4');
      expect(await response.text()).toContain('burrowfs_gofer_connections_total 0');
      expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
      expect((await fetch(new URL('/', server.url))).status).toBe(404);
    } finally {
      await server.close();
    }
  });
});

describe('stopping', () => {
  test('clients with tags are told, and may write back until they leave', async () => {
    const { server } = await open();
    const client = await LisafsClient.connect(server.url, { token: TOKEN });
    await client.startSession();
    const { controlFD } = await client.mount();
    const stopped = server.stop(5000);
    const { mid, payload } = await client.nextPushed();
    expect(mid).toBe(MESSAGES.Drain.mid);
    expect(MESSAGES.Drain.request.decode(payload)).toEqual({ graceMs: 5000 });
    await write(client, controlFD, 'late', 'written back');
    await client.leave();
    await stopped;
    expect(readFileSync(join(served(), 'late'), 'utf8')).toBe('written back');
    // What clients had open closes by itself.
    await expect.poll(() => server.fdCount).toBe(0);
  });

  test('whoever asks for nothing is closed with 1000, and nobody new gets in', async () => {
    const { server, log } = await open();
    const { client } = await connect(server);
    const stopped = server.stop();
    await expect(LisafsClient.connect(server.url, { token: TOKEN })).rejects.toThrow(
      /no connection/,
    );
    expect(await client.closed).toMatchObject({ code: 1000, reason: 'the server is stopping' });
    await stopped;
    expect((await log.has('connection closed')).fields).toMatchObject({ code: 1000 });
  });

  test('without grace it is over at once, however busy clients are', async () => {
    const { server } = await open();
    const { client, root } = await connect(server);
    const busy = (async (): Promise<void> => {
      for (;;) await client.call('Walk', { dirFD: root, path: [] });
    })();
    const end = expect(busy).rejects.toThrow('the server is stopping');
    await server.stop(0);
    await end;
  });

  test('two calls are one', async () => {
    const { server } = await open();
    expect(server.stop(0)).toBe(server.stop(0));
    await server.stop(0);
  });
});

describe('opening', () => {
  test('ListenError if another listens there, and nothing stays open', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    try {
      const error: unknown = await open({ port }).catch((problem: unknown) => problem);
      expect(error).toBeInstanceOf(ListenError);
      expect(error).toMatchObject({ code: 'EADDRINUSE', address: { port } });
    } finally {
      other.close();
    }
  });

  test('ENOENT for a folder that is not there, EINVAL for ranges that overlap', async () => {
    await expect(open({ directory: join(served(), 'nowhere') })).rejects.toBe(linuxerr.ENOENT);
    const range = { clientId: 0, serverId: 0, count: 2 };
    const idRanges = [range, { ...range, clientId: 1, serverId: 10 }];
    await expect(open({ idRanges })).rejects.toBe(linuxerr.EINVAL);
  });

  test('an address of IPv6 has brackets', async () => {
    const { server } = await open({ host: '::1' });
    expect(server.url).toBe(`ws://[::1]:${server.port}/`);
  });
});
