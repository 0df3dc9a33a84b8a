// The lisafs server with clients that don't wait for replies, that are in the way of themselves,
// or that mean it ill.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN, WALK_SUCCESS } from '../../../src/lisafs/records.ts';
import { REPLIES_BYTES_MAX } from '../../../src/lisafs/session.ts';
import {
  client,
  create,
  end,
  errnoOf,
  FILE,
  mkdir,
  OWNER,
  read,
  root,
  served,
  start,
  startSession,
  write,
} from './fixture.ts';
import { RawClient, settle } from './raw-client.ts';

const X = CLIENT_FD_MIN;

afterEach(end);

test('a file is known when its data is written', async () => {
  await startSession();
  const release = served.tree.hold();
  const file = { dirFD: root, ...FILE, flags: O_RDWR, name: 'f', clientFD: X, clientOpenFD: X + 1 };
  client.send('CreateWrite', { ...file, data: encodeUtf8('first') }, 100);
  client.send('PWrite', { fd: X + 1, offset: 0, data: encodeUtf8('new') }, 101);
  await settle();
  release();
  await settle();
  expect(served.tree.changes).toEqual(['make f', 'write 5', 'write 3']);
  expect(await read(X + 1)).toBe('newst');
});

test('a file whose data could not be written was never there', async () => {
  await startSession();
  served.tree.failures.set('write 5', linuxerr.ENOSPC);
  const release = served.tree.hold();
  const file = { dirFD: root, ...FILE, flags: O_RDWR, name: 'f', clientFD: X, clientOpenFD: X + 1 };
  client.send('CreateWrite', { ...file, data: encodeUtf8('first') }, 100);
  client.send('OpenAt', { fd: X, flags: O_RDONLY }, 101);
  await settle();
  release();
  await settle();
  expect([errnoOf(100), errnoOf(101)]).toEqual([linuxerr.ENOSPC.errno, linuxerr.EBADF.errno]);
  expect(served.tree.top.names.size).toBe(0);
  expect(served.tree.pinned).toBe(1);
});

test('what is being made can be closed already', async () => {
  await startSession();
  const release = served.tree.hold();
  const file = { dirFD: root, ...FILE, flags: O_RDWR, name: 'f', clientFD: X, clientOpenFD: X + 1 };
  client.send('CreateWrite', { ...file, data: encodeUtf8('x') }, 100);
  client.send('Close', { fds: [X, X + 1] }, 101);
  await settle();
  release();
  await settle();
  expect(errnoOf(100)).toBeUndefined();
  expect(served.tree.pinned).toBe(1);
});

test('nothing is made in itself, and no id comes twice', async () => {
  await startSession();
  const itself = client.call('MkdirAs', { dirFD: X, ...FILE, name: 'd', clientFD: X });
  await expect(itself).rejects.toBe(linuxerr.EBADF);
  await client.call('MkdirAs', { dirFD: root, ...FILE, name: 'd', clientFD: X + 5 });
  await client.call('Close', { fds: [X + 5] });
  for (const clientFD of [X + 5, X + 4]) {
    const again = client.call('MkdirAs', { dirFD: root, ...FILE, name: 'e', clientFD });
    await expect(again).rejects.toBe(linuxerr.EINVAL);
  }
});

test('an FD that is closed while it is opened is used to the end', async () => {
  await startSession();
  const { fd, openFD } = await create('file');
  await write(openFD, 'hello');
  const release = served.tree.hold();
  client.send('OpenReadAt', { fd, flags: O_RDONLY, maxBytes: 10 }, 100);
  client.send('Close', { fds: [openFD + 1, fd, openFD] }, 101);
  client.link.notice();
  await settle();
  served.server.stop();
  release();
  await settle();
  expect(served.errors).toEqual([]);
});

test('a file that fills a reply is read in part', async () => {
  await start();
  let dirFD = root;
  const path: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    dirFD = await mkdir(name, dirFD);
    path.push(name);
  }
  const { openFD } = await create('large', dirFD);
  await client.call('FAllocate', { fd: openFD, mode: 0, offset: 0, length: 3 << 20 });
  const wanted = { dirFD: root, flags: O_RDONLY, path: [...path, 'large'], maxBytes: 3 << 20 };
  const { status, isWhole, data } = await client.call('WalkOpenRead', wanted);
  expect([status, isWhole]).toEqual([WALK_SUCCESS, false]);
  expect(data.length).toBeGreaterThan(2_000_000);
});

test('what is no regular file is opened without being read', async () => {
  await start();
  const fifo = { dirFD: root, ...OWNER, mode: S_IFIFO | 0o644, name: 'p', major: 0, minor: 0 };
  const { child } = await client.call('MknodAt', fifo);
  const open = { fd: child.controlFD, flags: O_RDONLY, maxBytes: 10 };
  const { data, isWhole } = await client.call('OpenReadAt', open);
  expect([data.length, isWhole]).toEqual([0, false]);
});

test('a directory of very many short names is listed in parts', async () => {
  await start();
  const inode = served.tree.newInode(0o100_644);
  for (let index = 0; index < 70_000; index++) served.tree.top.names.set(`${index}`, inode);
  const { openFD } = await client.call('OpenAt', { fd: root, flags: O_RDONLY });
  const counts: number[] = [];
  for (;;) {
    const { dirents } = await client.call('Getdents64', { dirFD: openFD, count: 2 << 20 });
    if (dirents.length === 0) break;
    counts.push(dirents.length);
  }
  expect(counts.length).toBeGreaterThan(1);
  expect(counts.reduce((sum, count) => sum + count)).toBe(70_002);
});

test('a link to what the host has made a directory of is refused', async () => {
  await start();
  const { fd } = await create('a');
  served.tree.top.names.delete('a');
  const directory = await mkdir('a');
  const link = client.call('LinkAt', { dirFD: directory, targetFD: fd, name: 'x' });
  await expect(link).rejects.toBe(linuxerr.EINVAL);
  const inner = await mkdir('inner', directory);
  const deeper = client.call('LinkAt', { dirFD: inner, targetFD: fd, name: 'x' });
  await expect(deeper).rejects.toBe(linuxerr.EINVAL);
});

test('renaming one link of a file to another leaves both', async () => {
  await start();
  const { fd } = await create('a');
  const { link } = await client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'b' });
  await client.call('RenameAt', { oldDir: root, newDir: root, oldName: 'a', newName: 'b' });
  for (const id of [fd, link.controlFD]) await client.call('FListXattr', { fd: id, size: 0 });
});

test('a very deep tree goes as any other', async () => {
  await startSession();
  let dirFD = root;
  for (let depth = 0; depth < 20_000; depth++) {
    client.send('MkdirAs', { dirFD, ...FILE, name: 'd', clientFD: X + depth }, 1000 + depth);
    client.send('Close', { fds: [dirFD] }, 100_000 + depth);
    dirFD = X + depth;
    if (depth % 50 === 0) {
      await settle();
      client.send('Ack', { lastTag: 1000 + depth, awaited: [] }, 1);
    }
  }
  await settle();
  expect(client.closed).toBeUndefined();
  expect(served.tree.pinned).toBe(1);
});

test('without tags what comes after an Ack is answered as well', async () => {
  await start();
  client.replies.length = 0;
  client.send('FStat', { fd: root });
  client.send('Ack', { lastTag: 0, awaited: [] });
  client.send('Ping', {});
  client.send('Ping', {});
  await settle();
  const { FStat, Ping } = MESSAGES;
  expect(client.replies.map(({ mid }) => mid)).toEqual([FStat.mid, Ping.mid, Ping.mid]);
});

/** A file of a MiB, to be read by many requests. */
async function largeFile(): Promise<number> {
  const { openFD } = await create('file');
  await client.call('FAllocate', { fd: openFD, mode: 0, offset: 0, length: 1 << 20 });
  return openFD;
}

test('who reads nothing costs no more than the bound, and nobody else’s time', async () => {
  await startSession({ inFlightMax: 64 }, { bytesPerSecond: 1e6 });
  const fd = await largeFile();
  for (let tag = 100; tag < 164; tag++) {
    client.send('PRead', { fd, offset: 0, count: 1 << 20 }, tag);
  }
  // The requests arrive, and next to nothing of the replies departs.
  for (let time = 0; time < 50; time++) {
    served.clock.advance(1);
    await settle();
  }
  const { server } = client.link;
  expect(server.isOpen).toBe(true);
  expect(server.bufferedBytes).toBeGreaterThan(REPLIES_BYTES_MAX - (2 << 20));
  expect(server.bufferedBytes).toBeLessThanOrEqual(REPLIES_BYTES_MAX);
  expect(served.tree.reads).toBeLessThanOrEqual(REPLIES_BYTES_MAX / (1 << 20));
  // What isn't begun stays where it is.
  expect(client.link.client.bufferedBytes).toBeGreaterThan(0);
  const other = new RawClient(served);
  await other.mount();
});

test('what waits for a client that is gone is not done', async () => {
  await startSession({ inFlightMax: 64 }, { bytesPerSecond: 1e6 });
  const fd = await largeFile();
  for (let tag = 100; tag < 130; tag++) {
    client.send('PRead', { fd, offset: 0, count: 1 << 20 }, tag);
  }
  client.send('MkdirAs', { dirFD: root, ...OWNER, mode: 0o755, clientFD: X, name: 'late' }, 130);
  served.clock.advance(10);
  await settle();
  const { reads } = served.tree;
  client.link.notice();
  await settle();
  expect(served.tree.reads).toBe(reads);
  expect(served.tree.changes).not.toContain('make late');
});

test('who reads slowly is answered in the end, in order, and never cut off', async () => {
  await startSession({ inFlightMax: 64 }, { bytesPerSecond: 1e6 });
  const fd = await largeFile();
  const tags = Array.from({ length: 64 }, (_, index) => 100 + index);
  for (const tag of tags) client.send('PRead', { fd, offset: 0, count: 1 << 20 }, tag);
  let most = 0;
  for (let second = 0; second < 100; second++) {
    served.clock.advance(1000);
    await settle();
    most = Math.max(most, client.link.server.bufferedBytes);
  }
  expect(client.replies.slice(-64).map(({ tag }) => tag)).toEqual(tags);
  expect(client.replies.at(-1)!.payload.length).toBeGreaterThan(1 << 20);
  expect(most).toBeLessThanOrEqual(REPLIES_BYTES_MAX);
});

test('who asks for more as soon as an answer has come keeps the link', async () => {
  await startSession({ inFlightMax: 8 }, { bytesPerSecond: 4e6 });
  const fd = await largeFile();
  const before = client.replies.length;
  let asked = 0;
  for (let time = 0; time < 500; time++) {
    const answered = client.replies.length - before;
    // As many as there may be, all the time.
    for (; asked < 40 && asked - answered < 8; asked++) {
      client.send('PRead', { fd, offset: 0, count: 1 << 20 }, 100 + asked);
    }
    served.clock.advance(50);
    await settle();
  }
  expect(client.closed).toBeUndefined();
  expect(client.replies.length - before).toBe(40);
});
