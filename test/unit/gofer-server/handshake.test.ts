// Who is let in by a gofer's server, and what whoever isn't is told.

import { once } from 'node:events';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { GoferServer } from '../../../src/gofer-server/gofer-server.ts';
import { isLoopback, parseOrigin } from '../../../src/gofer-server/origin.ts';
import { REFUSAL_STATUSES } from '../../../src/gofer-server/refusal.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { CLOSE_TOKEN_REFUSED } from '../../../src/transport/transport.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { makeSelfSigned } from '../../support/self-signed.ts';
import { ask, handshake, TOKEN, useServers } from './support.ts';

const { folder, open } = useServers();
const [BEARER = ''] = protocolsFor(TOKEN);
const OFFER = { 'Sec-WebSocket-Protocol': `lisafs, ${BEARER}` };

/** How the server closes a connection with that token. */
async function closeOf(server: GoferServer, token?: string): Promise<string> {
  const client = await LisafsClient.connect(server.url, { token });
  const { code, reason } = await client.closed;
  return `${code} ${reason}`;
}

async function mounts(server: GoferServer, token?: string): Promise<void> {
  const client = await LisafsClient.connect(server.url, { token });
  expect((await client.mount()).controlFD).toBeGreaterThan(0);
  await client.leave();
}

test('the README lists what each refusal is said with', () => {
  const readme = readFileSync('src/gofer-server/README.md', 'utf8');
  const rows = readme.matchAll(/^\|.*\| (?:4401, or )?(\d+) +\| `(\w[\w ]*)` *\|$/gm);
  const listed = Array.from(rows, ([, status, reason = '']) => [reason, Number(status)]);
  expect(Object.fromEntries(listed)).toEqual(REFUSAL_STATUSES);
});

describe('HTTP', () => {
  test('GET / says what it is, and not the token', async () => {
    const { server } = await open();
    const { status, headers, body } = await ask(server);
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toMatch(/gofer of Burrow[^]*lisafs/);
    expect(body).not.toContain(TOKEN);
    expect((await ask(server, { method: 'HEAD' })).status).toBe(200);
  });

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is 405', async (method) => {
    const { server } = await open();
    const { status, headers } = await ask(server, { method });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  test('any other path is 404, for a WebSocket too', async () => {
    const { server } = await open();
    expect((await ask(server, { path: '/index.html' })).status).toBe(404);
    const headers = handshake(OFFER);
    expect((await ask(server, { path: '/files', headers })).status).toBe(404);
  });

  test('headers of more than 16 KiB are 431', async () => {
    const { server } = await open();
    const headers = { 'X-Long': 'x'.repeat(17 << 10) };
    expect((await ask(server, { headers })).status).toBe(431);
  });
});

describe('tokens', () => {
  test('the right one, as a subprotocol: it is let in, and never said back', async () => {
    const { server } = await open();
    const { status, headers } = await ask(server, { headers: handshake(OFFER) });
    expect([status, headers['sec-websocket-protocol']]).toEqual([101, 'lisafs']);
    expect(JSON.stringify(headers)).not.toContain(BEARER);
    await mounts(server, TOKEN);
  });

  test('offered first it is not agreed on either', async () => {
    const { server } = await open();
    const headers = handshake({ 'Sec-WebSocket-Protocol': `${BEARER},lisafs` });
    expect((await ask(server, { headers })).headers['sec-websocket-protocol']).toBe('lisafs');
  });

  test('the right one in the header Authorization', async () => {
    const { server } = await open({ auth: { kind: 'token', token: 'plain' } });
    const headers = { Authorization: 'Bearer plain' };
    const client = await LisafsClient.connect(server.url, { socket: { headers } });
    await client.mount();
    await client.leave();
  });

  test('a wrong one, or none: 4401 for whom speaks lisafs, and nothing was touched', async () => {
    const { server, log } = await open();
    const fdCount = server.fdCount;
    expect(await closeOf(server, 'wrong')).toBe(
      `${CLOSE_TOKEN_REFUSED} token refused: it is not the one of this server`,
    );
    expect(await closeOf(server)).toBe(`${CLOSE_TOKEN_REFUSED} token refused: none was sent`);
    expect([server.fdCount, server.connectionCount]).toEqual([fdCount, 0]);
    expect(log.entries.map(({ message }) => message)).toEqual([
      'connection refused',
      'connection refused',
    ]);
    expect(log.entries[0]?.fields).toMatchObject({ address: '127.0.0.1', refusal: 'token' });
  });

  test('what a refused client sends is not read as requests', async () => {
    const { server, log } = await open();
    const client = await LisafsClient.connect(server.url, { token: 'wrong' });
    await expect(client.mount()).rejects.toThrow(/4401/);
    expect(log.entries.some(({ message }) => message === 'connection opened')).toBe(false);
  });

  test.each(['chat', undefined])('401 for whom speaks %s', async (protocol) => {
    const { server } = await open();
    const offer = protocol === undefined ? {} : { 'Sec-WebSocket-Protocol': protocol };
    const { status, headers, body } = await ask(server, { headers: handshake(offer) });
    expect([status, body]).toEqual([401, 'token refused: none was sent\n']);
    expect(headers['www-authenticate']).toContain('Bearer');
  });

  test('400 for whom has the token and speaks nothing of ours', async () => {
    const { server } = await open();
    const headers = handshake({ 'Sec-WebSocket-Protocol': `chat, ${BEARER}` });
    const { status, body } = await ask(server, { headers });
    const text = 'the subprotocols that are spoken here: lisafs, 9p2000.L\n';
    expect([status, body]).toEqual([400, text]);
  });

  test('a bearer that is no base64url is a wrong token', async () => {
    const { server } = await open();
    const headers = handshake({ 'Sec-WebSocket-Protocol': 'chat, burrowfs.bearer.!!' });
    expect((await ask(server, { headers })).status).toBe(401);
  });

  test('none is wanted without authentication', async () => {
    const { server } = await open({ auth: { kind: 'none' } });
    await mounts(server);
    await mounts(server, 'any');
  });

  test('a file is read for every connection', async () => {
    const path = join(folder(), 'token');
    writeFileSync(path, 'first\n', { mode: 0o600 });
    const { server } = await open({ auth: { kind: 'file', path } });
    await mounts(server, 'first');
    writeFileSync(path, 'second\r\n');
    await mounts(server, 'second');
    expect(await closeOf(server, 'first')).toMatch(/^4401 /);
  });

  test.each<[what: string, spoil: (path: string) => void, problem: RegExp]>([
    [
      'others may read',
      (path) => {
        chmodSync(path, 0o640);
      },
      /mode 0640.*chmod 600/,
    ],
    [
      'is not there',
      (path) => {
        rmSync(path);
      },
      /is not there/,
    ],
    [
      'is empty',
      (path) => {
        writeFileSync(path, '\n');
      },
      /is empty/,
    ],
    [
      'is too long',
      (path) => {
        writeFileSync(path, 'x'.repeat(2000));
      },
      /more than 1024 bytes/,
    ],
  ])('a file that %s lets nobody in, and the log says why', async (_what, spoil, problem) => {
    const path = join(folder(), 'token');
    writeFileSync(path, 'first', { mode: 0o600 });
    const { server, log } = await open({ auth: { kind: 'file', path } });
    spoil(path);
    expect(await closeOf(server, 'first')).toMatch(/^4401 token refused: the server can not use/);
    const at = log.entries.findIndex(({ level }) => level === 'error');
    const [entry] = log.entries.splice(at, 1);
    expect(entry?.fields['problem']).toMatch(problem);
  });
});

describe('origins', () => {
  const statusFor = async (server: GoferServer, origin: string): Promise<number> =>
    (await ask(server, { headers: handshake({ ...OFFER, Origin: origin }) })).status;

  test('pages of this machine are let in by a server for this machine', async () => {
    const { server } = await open();
    const origins = ['http://localhost:5173', 'http://127.0.0.1', 'https://[::1]:8080'];
    for (const origin of origins) expect(await statusFor(server, origin)).toBe(101);
  });

  test.each([
    'https://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example:80',
    'null',
    'file://',
  ])('a page of %s is 403, before its token is looked at', async (origin) => {
    const { server, log } = await open();
    const headers = handshake({ ...OFFER, Origin: origin });
    const { status, body } = await ask(server, { headers });
    expect(status).toBe(403);
    expect(body).toContain(`--origin ${origin}`);
    expect(log.entries.at(-1)?.fields).toMatchObject({ origin, refusal: 'origin' });
  });

  test('those that are listed are let in, and no others', async () => {
    const { server } = await open({ origins: ['https://play.example'] });
    expect(await statusFor(server, 'https://play.example')).toBe(101);
    expect(await statusFor(server, 'https://play.example:444')).toBe(403);
    expect(await statusFor(server, 'http://play.example')).toBe(403);
  });

  test('a server for others lets no page of this machine in, unless it is listed', async () => {
    const { server } = await open({ host: '0.0.0.0' });
    expect(await statusFor(server, 'http://localhost:5173')).toBe(403);
    const { server: other } = await open({ host: '0.0.0.0', origins: ['http://localhost:5173'] });
    expect(await statusFor(other, 'http://localhost:5173')).toBe(101);
  });

  test.each([
    ['https://a.example/', 'https://a.example'],
    ['HTTPS://A.example:443', 'https://a.example'],
    ['http://[::1]:80', 'http://[::1]'],
    ['chrome-extension://abc', 'chrome-extension://abc'],
    ['https://a.example/path', undefined],
    ['https://*.example', undefined],
    ['a.example', undefined],
    ['null', undefined],
    ['*', undefined],
    ['', undefined],
  ])('%j is the origin %j', (text, origin) => {
    expect(parseOrigin(text)).toBe(origin);
  });

  test('hosts that only this machine reaches', () => {
    const hosts = ['127.0.0.1', '127.1.2.3', '::1', 'localhost', 'LOCALHOST'];
    expect(hosts.filter((host) => !isLoopback(host))).toEqual([]);
    const others = ['0.0.0.0', '::', '128.0.0.1', 'localhost.example', '127.example', 'fe80::1'];
    expect(others.filter(isLoopback)).toEqual([]);
  });
});

describe('limits', () => {
  test('503 for one connection too many, until another has gone', async () => {
    const { server } = await open({ connectionsMax: 1 });
    const first = await LisafsClient.connect(server.url, { token: TOKEN });
    const { status, body } = await ask(server, { headers: handshake(OFFER) });
    expect(status).toBe(503);
    expect(body).toContain('--max-connections');
    await first.leave();
    await expect
      .poll(async () => (await ask(server, { headers: handshake(OFFER) })).status)
      .toBe(101);
  });

  test('whoever is refused takes no place, however long the connection is left open', async () => {
    const { server } = await open({ connectionsMax: 1 });
    const headers = handshake({ 'Sec-WebSocket-Protocol': 'lisafs' });
    const asked = request({ host: '127.0.0.1', port: server.port, headers, agent: false }).end();
    // It is told to close, and doesn't.
    const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket];
    await mounts(server, TOKEN);
    socket.destroy();
  });

  test('sockets that are not let in are limited, those that are do not count', async () => {
    const { server } = await open();
    const client = await LisafsClient.connect(server.url, { token: TOKEN });
    const sockets = Array.from({ length: 33 }, () => connectTcp(server.port, '127.0.0.1'));
    const isCut = new Set<number>();
    for (const [index, socket] of sockets.entries()) {
      socket.on('error', () => undefined);
      socket.on('close', () => isCut.add(index));
      socket.resume();
    }
    await expect.poll(() => isCut.size).toBe(1);
    await client.mount();
    const [spare] = sockets.filter((_socket, index) => !isCut.has(index));
    spare!.destroy();
    await expect.poll(async () => (await ask(server).catch(() => undefined))?.status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test('a client that is let in over TLS does not count either', async () => {
    const tls = makeSelfSigned();
    const { server } = await open({ tls });
    const clients: LisafsClient[] = [];
    for (let count = 0; count < 34; count++) {
      const socket = { ca: tls.cert };
      clients.push(await LisafsClient.connect(server.url, { token: TOKEN, socket }));
    }
    expect(server.connectionCount).toBe(34);
    for (const client of clients) await client.leave();
  });
});

describe('TLS', () => {
  test('wss: with the certificate, and nothing without TLS', async () => {
    const tls = makeSelfSigned();
    const { server } = await open({ tls });
    expect(server.url).toBe(`wss://127.0.0.1:${server.port}/`);
    const socket = { ca: tls.cert };
    const client = await LisafsClient.connect(server.url, { token: TOKEN, socket });
    await client.mount();
    await client.leave();
    await expect(ask(server)).rejects.toThrow();
    const plain = connectTls({ port: server.port, host: '127.0.0.1' });
    const [error] = (await once(plain, 'error')) as [Error & { code?: string }];
    expect(error.code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  });
});
