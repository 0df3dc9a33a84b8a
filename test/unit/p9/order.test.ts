// What runs together and what doesn't: the order of one fid, Tflush, and what a client can't
// exceed.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES } from '../../../src/p9/messages.ts';
import { LOCK_FLAGS_BLOCK, LOCK_TYPE_WRLCK } from '../../../src/p9/records.ts';
import { settle } from '../lisafs/raw-client.ts';
import { decodeReply, type P9Client } from '../../support/p9-client.ts';
import { attach, read, useServer, write } from './support.ts';

const serve = useServer();
const RFLUSH = MESSAGES.flush.type + 1;
const RLERROR = MESSAGES.lerror.type + 1;

function tagsOf(client: P9Client): number[] {
  return client.replies.map(({ tag }) => tag);
}

test('requests about one fid are done in the order in which they came', async () => {
  const { client, root, memory } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  client.replies.length = 0;
  const tags = ['a', 'b', 'c'].map((letter, offset) =>
    client.send('write', { fid, offset, data: encodeUtf8(letter.repeat(3)) }),
  );
  tags.push(client.send('read', { fid, offset: 0, count: 9 }));
  tags.push(client.send('clunk', { fid }));
  const late = client.send('read', { fid, offset: 0, count: 9 });
  await settle();
  expect(client.replies).toEqual([]);
  expect(memory.waiting).toBe(1);
  release();
  await settle();
  expect(tagsOf(client)).toEqual([...tags, late]);
  expect(decodeReply('read', client.replies[3]!).data).toEqual(encodeUtf8('abccc'));
  expect(client.replies.at(-1)!.type).toBe(RLERROR);
});

test('reads of one fid, and whatever is about different ones, run together', async () => {
  const { client, root, memory } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  for (let count = 0; count < 3; count++) client.send('read', { fid, offset: 0, count: 9 });
  client.send('getattr', { fid: root, requestMask: 0n });
  await settle();
  expect(memory.waiting).toBe(4);
  release();
  await settle();
});

test('a fid that is being made is waited for', async () => {
  const { client, root, memory } = await attach(serve());
  await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  client.send('walk', { fid: root, newfid: 50, names: ['f'] });
  const opened = client.call('lopen', { fid: 50, flags: O_RDWR });
  const written = write(client, 50, 'text');
  await settle();
  release();
  await opened;
  expect(await written).toBe(4);
});

test('a flush of what has been answered, and of what never was, is answered at once', async () => {
  const { client, root } = await attach(serve());
  await client.walk(root);
  await client.call('flush', { oldtag: 1 });
  await client.call('flush', { oldtag: 60_000 });
});

test('a flush ends the waiting for a lock, which is not taken', async () => {
  const { client, root, locks } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  const lock = { fid, type: LOCK_TYPE_WRLCK, flags: LOCK_FLAGS_BLOCK, start: 0, length: 0 };
  await client.call('lock', { ...lock, procId: 1, clientId: 'a' });
  const waiting = client.send('lock', { ...lock, procId: 2, clientId: 'a' });
  await settle();
  client.replies.length = 0;
  await client.call('flush', { oldtag: waiting });
  expect(tagsOf(client)).not.toContain(waiting);
  await client.call('clunk', { fid });
  await settle();
  expect(locks.size).toBe(0);
});

test('a flush of what is begun comes after its reply', async () => {
  const { client, root, memory } = await attach(serve());
  const release = memory.hold();
  const made = client.send('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  await settle();
  client.replies.length = 0;
  const flushes = [client.send('flush', { oldtag: made }), client.send('flush', { oldtag: made })];
  flushes.push(client.send('flush', { oldtag: flushes[0]! }));
  await settle();
  expect(client.replies).toEqual([]);
  release();
  await settle();
  expect(tagsOf(client)).toEqual([made, ...flushes]);
  expect(client.replies.map(({ type }) => type).slice(1)).toEqual([RFLUSH, RFLUSH, RFLUSH]);
  await client.walk(root, 'd');
});

test('a flush of what waits for another keeps it from being done', async () => {
  const { client, root, memory } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  const first = client.send('write', { fid, offset: 0, data: encodeUtf8('first') });
  const second = client.send('write', { fid, offset: 0, data: encodeUtf8('SECOND') });
  await settle();
  client.replies.length = 0;
  const flush = client.send('flush', { oldtag: second });
  await settle();
  expect(tagsOf(client)).toEqual([flush]);
  release();
  await settle();
  expect(tagsOf(client)).toEqual([flush, first]);
  expect(await read(client, fid)).toBe('first');
});

test('more requests than are under way at a time wait, and can be flushed', async () => {
  const { client, root, memory } = await attach(serve({ inFlightMax: 2 }));
  const release = memory.hold();
  const stats = Array.from({ length: 5 }, () =>
    client.send('getattr', { fid: root, requestMask: 0n }),
  );
  await settle();
  expect(memory.waiting).toBe(2);
  client.replies.length = 0;
  const flush = client.send('flush', { oldtag: stats[4]! });
  await settle();
  expect(tagsOf(client)).toEqual([flush]);
  release();
  await settle();
  expect(tagsOf(client)).toEqual([flush, ...stats.slice(0, 4)]);
});

test('large reads wait until there is memory for them', async () => {
  const { client, root, memory } = await attach(serve({ inFlightBytesMax: 100_000 }));
  const fid = await client.create(root, 'f', O_RDWR);
  const release = memory.hold();
  const tags = Array.from({ length: 6 }, () =>
    client.send('read', { fid, offset: 0, count: 20_000 }),
  );
  await settle();
  expect(memory.waiting).toBe(2);
  client.replies.length = 0;
  release();
  await settle();
  expect(tagsOf(client)).toEqual(tags);
});

test('a tag that is in use ends the connection', async () => {
  const { client, root, memory } = await attach(serve());
  const release = memory.hold();
  client.send('getattr', { fid: root, requestMask: 0n }, 7);
  client.send('getattr', { fid: root, requestMask: 0n }, 7);
  expect(await client.closed).toMatchObject({ code: 4002, reason: 'a tag is in use' });
  release();
  await settle();
});

test('a client that doesn’t read gets nothing more done until it does', async () => {
  const served = serve({ inFlightMax: 2 });
  const client = served.connect({ bytesPerSecond: 1 << 20 });
  const { clock } = served;
  const ticking = setInterval(() => {
    clock.advance(100);
  }, 1);
  await client.version();
  const root = await client.attach();
  const fid = await client.create(root, 'f', O_RDWR);
  await client.call('write', { fid, offset: 0, data: new Uint8Array(900_000) });
  clearInterval(ticking);
  const before = served.memory.reads;
  for (let count = 0; count < 20; count++) client.send('read', { fid, offset: 0, count: 900_000 });
  clock.advance(2000);
  await settle();
  expect(served.memory.reads - before).toBeLessThan(10);
  for (let step = 0; step < 60; step++) {
    clock.advance(1000);
    await settle();
  }
  expect(served.memory.reads - before).toBe(20);
});

test('a server that stops waits for what is under way, and takes nobody any more', async () => {
  const { client, root, memory, server, connect, clock } = await attach(serve());
  const release = memory.hold();
  const tag = client.send('getattr', { fid: root, requestMask: 0n });
  await settle();
  let isDrained = false;
  const draining = server.drain(1000).then(() => {
    isDrained = true;
  });
  await settle();
  expect(isDrained).toBe(false);
  expect(await connect().closed).toMatchObject({ reason: 'the server is stopping' });
  release();
  await draining;
  expect(tagsOf(client)).toContain(tag);
  const again = memory.hold();
  client.send('getattr', { fid: root, requestMask: 0n });
  await settle();
  const timed = server.drain(1000);
  clock.advance(1000);
  await timed;
  server.stop();
  expect(await client.closed).toMatchObject({ code: 1000 });
  again();
  await settle();
});

test('an error that nobody expects is EREMOTEIO, and reported', async () => {
  const { client, root, memory, errors } = await attach(serve());
  memory.failure = new Error('unexpected');
  const asked = client.call('getattr', { fid: root, requestMask: 0n });
  await expect(asked).rejects.toBe(linuxerr.EREMOTEIO);
  expect(errors.splice(0)).toEqual([new Error('unexpected')]);
});
