// `burrowfs gofer` as a process: what it prints and logs, whom it serves, and how it ends.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { FRAME_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { clientOf, endGofers } from '../../support/gofer-kernels.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { makeSelfSigned } from '../../support/self-signed.ts';
import { type Command, useCommand } from './support.ts';

const { folder, write, serve, serveLimited } = useCommand();

async function connect(command: Command): Promise<{ client: LisafsClient; root: number }> {
  const { url, token } = await command.address();
  const client = await LisafsClient.connect(url, { token });
  return { client, root: (await client.mount()).controlFD };
}

function connectTo(url: string, token: string | undefined): Promise<Transport> {
  return connectWebSocket(url, {
    clock: new RealClock(),
    messageSizeMax: FRAME_SIZE_MAX,
    timeoutMs: 10_000,
    protocols: ['lisafs'],
    extraProtocols: protocolsFor(token),
    WebSocket,
  });
}

afterEach(endGofers);

function create(client: LisafsClient, dirFD: number, name: string, owner = NO_ID) {
  const ids = { uid: owner, gid: owner };
  const file = { ...ids, mode: 0o644, flags: O_RDWR, clientFD: 0, clientOpenFD: 0 };
  return client.call('CreateWrite', { dirFD, ...file, name, data: encodeUtf8('text') });
}

test('prints what it serves, and an address that lets a client in', async () => {
  const command = serve();
  const { token, printed } = await command.address();
  expect(printed).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{22}$/);
  expect(command.line('serving')).toBe(join(folder(), 'served'));
  expect(command.line('access')).toBe('read and write');
  expect(command.line('warning')).toBeUndefined();
  const { client, root } = await connect(command);
  await create(client, root, 'new');
  expect(readFileSync(join(folder(), 'served', 'new'), 'utf8')).toBe('text');
  await client.leave();
  await command.logged('connection closed');
  expect(command.stderr).not.toContain(token);
  expect(command.log.map(({ msg }) => msg)).toEqual([
    'serving',
    'connection opened',
    'connection closed',
  ]);
});

test('each start has another token', async () => {
  const [first, second] = [await serve().address(), await serve().address()];
  expect(first.token).not.toBe(second.token);
});

test('--read-only', async () => {
  const command = serve('--read-only');
  const { client, root } = await connect(command);
  expect(command.line('access')).toBe('read-only');
  await expect(create(client, root, 'new')).rejects.toBe(linuxerr.EROFS);
});

test('--token, with characters that an address has to escape', async () => {
  const command = serve('--token', 'a b#ü%');
  expect((await command.address()).token).toBe('a b#ü%');
  const { url } = await command.address();
  const { client } = await connect(command);
  await client.leave();
  const refused = await LisafsClient.connect(url, { token: 'wrong' });
  expect(await refused.closed).toMatchObject({ code: 4401 });
  expect(await command.logged('connection refused')).toMatchObject({ level: 40, refusal: 'token' });
  expect(command.stderr).not.toContain('a b#');
  expect(command.stderr).not.toContain('wrong');
});

test('--token-file, which changes while it runs', async () => {
  const path = write('token', 'first\n');
  const command = serve('--token-file', path);
  const { url, token } = await command.address();
  expect(token).toBe('first');
  expect(command.line('token')).toContain(path);
  writeFileSync(path, 'second\n');
  const client = await LisafsClient.connect(url, { token: 'second' });
  await client.mount();
  const refused = await LisafsClient.connect(url, { token: 'first' });
  expect(await refused.closed).toMatchObject({ code: 4401 });
});

test('--no-auth', async () => {
  const command = serve('--no-auth');
  const { token } = await command.address();
  expect([token, command.line('warning')]).toEqual([undefined, undefined]);
  await connect(command);
});

test('--host for others: an address to use from here, and warnings', async () => {
  const command = serve('--host', '0.0.0.0', '--no-auth');
  const { url } = await command.address();
  await command.until(() => command.stdout.includes('without --tls-cert'));
  expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/$/);
  expect(command.stdout).toContain('--no-auth: whoever reaches 0.0.0.0 has all');
  await connect(command);
});

test('--origin', async () => {
  const command = serve('--origin', 'https://play.example');
  const { url, token } = await command.address();
  const from = (origin: string): Promise<LisafsClient> =>
    LisafsClient.connect(url, { token, socket: { headers: { Origin: origin } } });
  await (await from('https://play.example')).mount();
  await (await from('http://localhost:3000')).mount();
  await expect(from('https://evil.example')).rejects.toThrow(/403/);
});

test('--tls-cert and --tls-key', async () => {
  const tls = makeSelfSigned();
  const paths = ['--tls-cert', write('cert', tls.cert), '--tls-key', write('key', tls.key)];
  const { url, token } = await serve(...paths).address();
  expect(url).toMatch(/^wss:/);
  const client = await LisafsClient.connect(url, { token, socket: { ca: tls.cert } });
  await client.mount();
});

test('--uid-map', async () => {
  const id = process.geteuid!();
  const command = serve('--uid-map', `70:${id}`);
  const { client, root } = await connect(command);
  const { child } = await create(client, root, 'new', 70);
  expect([child.statx.uid, child.statx.gid]).toEqual([70, 70]);
});

test('--max-connections and --max-fds', async () => {
  const command = serve('--max-connections', '1', '--max-fds', '8');
  const { client, root } = await connect(command);
  const { url, token } = await command.address();
  await expect(LisafsClient.connect(url, { token })).rejects.toThrow(/503/);
  mkdirSync(join(folder(), 'served', 'a'));
  const walkMany = async (): Promise<void> => {
    for (;;) await client.call('Walk', { dirFD: root, path: ['a'] });
  };
  await expect(walkMany()).rejects.toBe(linuxerr.EMFILE);
});

test('--max-fds is no more than the user may have', async () => {
  const { code, stderr } = await serveLimited(1000, '--max-fds', '700').ended;
  expect(code).toBe(2);
  const why = 'this user may have 1000 open files, 616 of them for clients; see ulimit -n';
  expect(stderr).toContain(`--max-fds "700": ${why}`);
  const fewer = serveLimited(1000, '--max-fds', '616');
  await fewer.logged('serving');
  expect(fewer.log).toHaveLength(1);
});

test('clients have fewer open files where the user may have few', async () => {
  const command = serveLimited(100);
  const { client, root } = await connect(command);
  const few = await command.logged('clients have fewer open files, as this user may have few');
  expect(few).toMatchObject({ limit: 100, fdsMax: 50 });
  mkdirSync(join(folder(), 'served', 'a'));
  const takeAll = async (): Promise<void> => {
    for (;;) await client.call('Walk', { dirFD: root, path: ['a'] });
  };
  await expect(takeAll()).rejects.toBe(linuxerr.EMFILE);
});

test('a client that takes all open files leaves enough for another', async () => {
  const command = serve('--max-fds', '64');
  const { client, root } = await connect(command);
  const names = Array.from({ length: 100 }, (_, index) => `file-${index}`);
  for (const name of names) writeFileSync(join(folder(), 'served', name), name);
  const takeAll = async (): Promise<void> => {
    for (;;) await client.call('Walk', { dirFD: root, path: ['file-0'] });
  };
  await expect(takeAll()).rejects.toBe(linuxerr.EMFILE);
  const { url, token } = await command.address();
  const source = { url, connect: () => connectTo(url, token) };
  const { process } = await clientOf(source, { cache: 'exclusive' });
  const { sys } = await process();
  for (const name of names) {
    const fd = await sys.openat(AT_FDCWD, `/${name}`, O_RDWR, 0);
    await sys.pwrite(fd, encodeUtf8('FILE'), 0);
    await sys.close(fd);
    await sys.close(await sys.openat(AT_FDCWD, `/new-${name}`, O_CREAT | O_RDWR, 0o644));
  }
  await sys.sync();
  for (const name of names) {
    const text = readFileSync(join(folder(), 'served', name), 'utf8');
    expect(text).toBe(name.replace('file', 'FILE'));
    expect(existsSync(join(folder(), 'served', `new-${name}`))).toBe(true);
  }
});

test('--log-level', async () => {
  const command = serve('--log-level', 'error');
  const { client } = await connect(command);
  await client.leave();
  command.child.kill('SIGTERM');
  expect(await command.ended).toMatchObject({ code: 0, stderr: '' });
});

test('--metrics-port', async () => {
  const command = serve('--metrics-port', '0');
  await command.until(() => command.line('metrics') !== undefined);
  await connect(command);
  const text = await (await fetch(command.line('metrics')!)).text();
  expect(text).toContain('burrowfs_gofer_connections 1\n');
  expect(text).toContain('requests_total{message="Mount",errno="OK"} 1\n');
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s: clients are told and write back', async (signal) => {
  const command = serve();
  const { url, token } = await command.address();
  const client = await LisafsClient.connect(url, { token });
  await client.startSession();
  const { controlFD } = await client.mount();
  command.child.kill(signal);
  expect((await client.nextPushed()).mid).toBe(MESSAGES.Drain.mid);
  await create(client, controlFD, 'late');
  await client.leave();
  expect((await command.ended).code).toBe(0);
  expect(readFileSync(join(folder(), 'served', 'late'), 'utf8')).toBe('text');
  expect(command.log.map(({ msg }) => msg)).toEqual([
    'serving',
    'connection opened',
    'stopping',
    'connection closed',
    'stopped',
  ]);
});

test('a second signal ends it at once, with code 1', async () => {
  const command = serve();
  const { client, root } = await connect(command);
  let isOver = false;
  const busy = (async (): Promise<void> => {
    while (!isOver) await client.call('Walk', { dirFD: root, path: [] });
  })();
  const end = expect(busy).rejects.toThrow(/closed with 1006/);
  command.child.kill('SIGTERM');
  await command.logged('stopping');
  command.child.kill('SIGTERM');
  expect((await command.ended).code).toBe(1);
  await end;
  isOver = true;
});
