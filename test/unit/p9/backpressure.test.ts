// What a client of 9P can't make the server keep: answers that it doesn't read, requests that
// there is no room for, locks that are waited for, and places without a session.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { MSIZE_MAX } from '../../../src/p9/frame.ts';
import {
  LOCK_FLAGS_BLOCK,
  LOCK_SUCCESS,
  LOCK_TYPE_UNLCK,
  LOCK_TYPE_WRLCK,
} from '../../../src/p9/records.ts';
import { MSIZE_MIN } from '../../../src/p9/server.ts';
import { decodeReply, type P9Client } from '../../support/p9-client.ts';
import { settle } from '../lisafs/raw-client.ts';
import { attach, useServer } from './support.ts';

const serve = useServer();
const HANDSHAKE_MS = 10_000;
/** Of a Tgetattr. */
const GETATTR_SIZE = 19;

function getattrs(client: P9Client, fid: number, count: number): number[] {
  return Array.from({ length: count }, () => client.send('getattr', { fid, requestMask: 0n }));
}

test('who reads no large answers: what is asked next stays at the client', async () => {
  const { client, root, memory } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  const data = new Uint8Array(MSIZE_MAX / 2);
  await client.call('write', { fid, offset: 0, data });
  client.transport.pause();
  const before = memory.reads;
  const reads = Array.from({ length: 60 }, () =>
    client.send('read', { fid, offset: 0, count: data.length }),
  );
  await settle();
  // 16 MiB, of which each read takes its size twice.
  const done = memory.reads - before;
  expect(done).toBeLessThanOrEqual(19);
  client.replies.length = 0;
  const flushes = Array.from({ length: 100 }, () => client.send('flush', { oldtag: 9999 }));
  await settle();
  expect(memory.reads - before).toBe(done);
  expect(client.transport.bufferedBytes).toBe(flushes.length * 9);
  client.transport.resume();
  for (let turn = 0; turn < 40; turn++) await settle();
  expect(client.transport.bufferedBytes).toBe(0);
  const answered = client.replies.map(({ tag }) => tag);
  expect(answered.toSorted((a, b) => a - b)).toEqual([...reads, ...flushes]);
});

test('who reads no small answers: they are counted, as each takes memory', async () => {
  let answered = 0;
  const observer = { onRequest: () => answered++ };
  const { client, root } = await attach(serve({ unreadMax: 100, observer }));
  client.transport.pause();
  [answered, client.replies.length] = [0, 0];
  const asked = getattrs(client, root, 5000);
  for (let turn = 0; turn < 10; turn++) await settle();
  // Of 160 bytes each: 410 until they are counted, and those that were under way.
  expect(answered).toBeGreaterThan(510);
  expect(answered).toBeLessThan(600);
  client.transport.resume();
  for (let turn = 0; turn < 200 && client.replies.length < 5000; turn++) await settle();
  expect(client.replies.map(({ tag }) => tag)).toEqual(asked);
});

test('answers that are read are not counted', async () => {
  const { client, root } = await attach(serve({ unreadMax: 1 }));
  const asked = getattrs(client, root, 1000);
  for (let turn = 0; turn < 40; turn++) await settle();
  expect(client.replies.slice(-1000).map(({ tag }) => tag)).toEqual(asked);
});

test('requests that there is no room for stay at the client, and are done later', async () => {
  const served = serve({ inFlightMax: 1, waitingBytesMax: 10_000 });
  const { client, root, memory } = await attach(served);
  const fid = await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  client.replies.length = 0;
  const data = new Uint8Array(1000);
  const tags = Array.from({ length: 30 }, (_, index) =>
    client.send('write', { fid, offset: 1000 * index, data }),
  );
  await settle();
  // One is under way, and 8 wait, each with 256 bytes beside its own.
  expect(Math.floor(client.transport.bufferedBytes / data.length)).toBe(21);
  expect(client.transport.isOpen).toBe(true);
  release();
  for (let turn = 0; turn < 20; turn++) await settle();
  expect(client.replies.map(({ tag }) => tag)).toEqual(tags);
});

test('what comes before Rversion waits at the client', async () => {
  const { client, root, memory } = await attach(serve());
  const release = memory.hold();
  // A change that is begun is waited for.
  client.send('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  await settle();
  const versioned = client.version();
  const sizes = getattrs(client, root, 1000).length * GETATTR_SIZE;
  await settle();
  expect(client.transport.bufferedBytes).toBe(sizes);
  release();
  await versioned;
  await settle();
  expect(client.transport.bufferedBytes).toBe(0);
});

test('locks that are waited for keep no room from others, nor from who gives them up', async () => {
  const { client, root } = await attach(serve({ inFlightMax: 2 }));
  const fid = await client.create(root, 'f', O_RDWR);
  const lock = { fid, type: LOCK_TYPE_WRLCK, flags: 0, start: 0, length: 0, clientId: 'a' };
  await client.call('lock', { ...lock, procId: 0 });
  const waiting = [1, 2, 3, 4].map((procId) =>
    client.call('lock', { ...lock, procId, flags: LOCK_FLAGS_BLOCK }),
  );
  await settle();
  await client.call('getattr', { fid: root, requestMask: 0n });
  for (const [index, granted] of waiting.entries()) {
    await client.call('lock', { ...lock, procId: index, type: LOCK_TYPE_UNLCK });
    expect((await granted).status).toBe(LOCK_SUCCESS);
  }
});

test('more locks that are waited for than there is memory for are ENOLCK', async () => {
  const { client, root } = await attach(serve({ parkedBytesMax: 3 * 4096 }));
  const fid = await client.create(root, 'f', O_RDWR);
  const lock = { fid, type: LOCK_TYPE_WRLCK, start: 0, length: 0, clientId: 'a' };
  const wait = (procId: number): number =>
    client.send('lock', { ...lock, procId, flags: LOCK_FLAGS_BLOCK });
  const wanted = (procId: number) =>
    client.call('lock', { ...lock, procId, flags: LOCK_FLAGS_BLOCK });
  await client.call('lock', { ...lock, procId: 0, flags: 0 });
  const tags = [wait(1), wait(2)];
  await expect(wanted(3)).rejects.toBe(linuxerr.ENOLCK);
  // One that doesn't wait, and one that gives up, are none of them.
  await client.call('lock', { ...lock, procId: 4, flags: 0 });
  // A place is free again.
  await client.call('flush', { oldtag: tags[0]! });
  const last = wait(5);
  await client.call('lock', { ...lock, procId: 0, flags: 0, type: LOCK_TYPE_UNLCK });
  await client.call('lock', { ...lock, procId: 2, flags: 0, type: LOCK_TYPE_UNLCK });
  await settle();
  const reply = client.replies.find(({ tag }) => tag === last)!;
  expect(decodeReply('lock', reply).status).toBe(LOCK_SUCCESS);
});

test('a link that says nothing is closed when its time is up', async () => {
  const { connect, clock } = serve();
  const client = connect();
  await settle();
  clock.advance(HANDSHAKE_MS - 1);
  await settle();
  expect(client.transport.isOpen).toBe(true);
  clock.advance(1);
  expect(await client.closed).toMatchObject({ code: 4408, isLocal: false });
});

test('whatever is no Tversion, or one that begins nothing, gives it no more time', async () => {
  const { connect, clock } = serve();
  const client = connect();
  for (let second = 1; second < 10; second++) {
    clock.advance(1000);
    await client.version('9P2000.u');
    await expect(client.version('9P2000.L', MSIZE_MIN - 1)).rejects.toBe(linuxerr.EINVAL);
    await expect(client.attach()).rejects.toBe(linuxerr.EINVAL);
  }
  clock.advance(1000);
  const reason = 'no session was begun in time';
  expect(await client.closed).toMatchObject({ code: 4408, reason });
});

test('a link with a session has all the time there is, and again some after it', async () => {
  const served = serve();
  const { client, clock, root } = await attach(served);
  clock.advance(100 * HANDSHAKE_MS);
  await client.walk(root);
  await client.version('9P2000.u');
  clock.advance(HANDSHAKE_MS - 1);
  await client.version();
  clock.advance(HANDSHAKE_MS);
  await client.attach();
  await client.version('9P2000.u');
  clock.advance(HANDSHAKE_MS);
  expect(await client.closed).toMatchObject({ code: 4408 });
});
