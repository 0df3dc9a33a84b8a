// Requests that are sent back to back about one file or directory are done in the order in which
// they came, however long each takes, and whatever FDs they have to wait for.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, O_TRUNC } from '../../../src/abi/fcntl.ts';
import { STATX_SIZE } from '../../../src/abi/stat.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES, type MessageName, type ResponseOf } from '../../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN } from '../../../src/lisafs/records.ts';
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
  startSession,
  write,
} from './fixture.ts';
import { settle } from './raw-client.ts';

const X = CLIENT_FD_MIN;
const TIME = { sec: 0, nsec: 0 };

afterEach(end);

function answer<Name extends MessageName>(name: Name, tag: number): ResponseOf<Name> {
  const { mid, payload } = client.replies.find((reply) => reply.tag === tag)!;
  expect(mid, `${name} #${tag}`).toBe(MESSAGES[name].mid);
  return MESSAGES[name].response!.decode(payload) as ResponseOf<Name>;
}

/** All are sent while the host takes its time with the first one. */
async function backToBack(send: () => void): Promise<void> {
  const release = served.tree.hold();
  send();
  await settle();
  release();
  await settle();
}

const size = (fd: number, bytes: number) => ({
  fd,
  mask: STATX_SIZE,
  mode: 0,
  uid: 0,
  gid: 0,
  size: bytes,
  atime: TIME,
  mtime: TIME,
});

test('PWrite, SetStat, PWrite, FSync, FStat', async () => {
  await startSession();
  const { fd, openFD } = await create('file');
  served.tree.changes.length = 0;
  await backToBack(() => {
    client.send('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('a long one') }, 100);
    client.send('SetStat', size(fd, 3), 101);
    client.send('PWrite', { fd: openFD, offset: 3, data: encodeUtf8('xy') }, 102);
    client.send('FSync', { fds: [openFD] }, 103);
    client.send('FStat', { fd }, 104);
  });
  expect(served.tree.changes).toEqual(['write 10', 'setStat', 'write 2', 'sync']);
  expect(answer('FStat', 104).statx.size).toBe(5);
  expect(await read(openFD)).toBe('a lxy');
});

test('UnlinkAt and CreateWrite of the same name, and what looks at it', async () => {
  await startSession();
  await create('file');
  const file = { dirFD: root, ...FILE, flags: O_RDWR, name: 'file', clientFD: X, clientOpenFD: 0 };
  await backToBack(() => {
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 100);
    client.send('UnlinkAt', { dirFD: root, name: 'file', flags: 0 }, 101);
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 102);
    client.send('CreateWrite', { ...file, data: encodeUtf8('new') }, 103);
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 104);
  });
  const sizes = [100, 102, 104].map((tag) =>
    answer('WalkStat', tag).stats.map((stat) => stat.size),
  );
  expect(sizes).toEqual([[0], [], [3]]);
});

test('RenameAt and what looks at either name', async () => {
  await startSession();
  const to = await mkdir('to');
  await create('file');
  await backToBack(() => {
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 100);
    client.send('RenameAt', { oldDir: root, newDir: to, oldName: 'file', newName: 'moved' }, 101);
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 102);
    client.send('WalkStat', { dirFD: to, path: ['moved'] }, 103);
  });
  const counts = [100, 102, 103].map((tag) => answer('WalkStat', tag).stats.length);
  expect(counts).toEqual([1, 0, 1]);
});

test('what comes as a rename ends comes after what has waited for that', async () => {
  await startSession();
  const { fd, openFD } = await create('file');
  const release = served.tree.hold();
  client.send('RenameAt', { oldDir: root, newDir: root, oldName: 'file', newName: 'f' }, 100);
  client.send('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('12345') }, 101);
  client.send('SetStat', size(fd, 3), 102);
  // It comes at the very moment when the tree is free again.
  let isSent = false;
  Object.defineProperty(served.tree.changes, 'push', {
    value: (change: string) => {
      if (change === 'renamed f' && !isSent) {
        isSent = true;
        let turns = 0;
        const send = (): void => {
          if (++turns < 4) queueMicrotask(send);
          client.send('SetStat', size(fd, 8 + turns), 110 + turns);
        };
        queueMicrotask(send);
      }
      return Array.prototype.push.call(served.tree.changes, change);
    },
  });
  await settle();
  release();
  await settle();
  expect(served.tree.changes.slice(-6, -4)).toEqual(['write 5', 'setStat']);
  expect((await client.call('FStat', { fd })).statx.size).toBe(12);
  expect(decodeUtf8((await client.call('PRead', { fd: openFD, offset: 0, count: 4 })).data)).toBe(
    '123\0',
  );
});

test('those who wait for an FD that is being made go on in their order', async () => {
  await startSession();
  const file = { dirFD: root, ...FILE, flags: O_RDWR, name: 'f', clientFD: X, clientOpenFD: X + 1 };
  const release = served.tree.hold();
  client.send('CreateWrite', { ...file, data: encodeUtf8('first') }, 100);
  client.send('PWrite', { fd: X + 1, offset: 0, data: encodeUtf8('second') }, 101);
  client.send('SetStat', size(X, 2), 102);
  await settle();
  release();
  // At every moment until the answer comes.
  for (let turn = 0; turn < 30; turn++) {
    client.send('SetStat', size(X, 10 + turn), 200 + turn);
    await Promise.resolve();
  }
  await settle();
  expect(served.tree.changes.slice(0, 5)).toEqual([
    'make f',
    'write 5',
    'write 6',
    'setStat',
    'setStat',
  ]);
  expect((await client.call('FStat', { fd: X })).statx.size).toBe(39);
});

test('what comes after a rename into a directory that is being made sees it', async () => {
  await startSession();
  const { fd } = await create('file');
  await backToBack(() => {
    client.send('MkdirAs', { dirFD: root, ...OWNER, mode: 0o755, name: 'dir', clientFD: X }, 100);
    client.send('RenameAt', { oldDir: root, newDir: X, oldName: 'file', newName: 'moved' }, 101);
    client.send('WalkStat', { dirFD: root, path: ['file'] }, 102);
    client.send('LinkAt', { dirFD: X, targetFD: fd, name: 'link' }, 103);
    client.send('WalkStat', { dirFD: X, path: ['link'] }, 104);
  });
  expect(errnoOf(101)).toBeUndefined();
  expect(answer('WalkStat', 102).stats).toEqual([]);
  expect(answer('WalkStat', 104).stats.length).toBe(1);
});

test('FSync has the files that are closed right after it', async () => {
  await startSession();
  const { openFD } = await create('a');
  const second = (await create('b')).openFD;
  await backToBack(() => {
    client.send('FSync', { fds: [openFD, second] }, 100);
    client.send('Close', { fds: [openFD, second] }, 101);
  });
  expect([errnoOf(100), errnoOf(101)]).toEqual([undefined, undefined]);
  await expect(client.call('FSync', { fds: [second] })).rejects.toBe(linuxerr.EBADF);
  expect(served.tree.changes.filter((change) => change === 'sync').length).toBe(2);
});

test('what is read before O_TRUNC is read, and a walk after a write tells of it', async () => {
  await startSession();
  const { fd, openFD } = await create('file');
  await write(openFD, 'hello');
  const { tree } = served;
  const release = tree.hold();
  client.send('PRead', { fd: openFD, offset: 0, count: 9 }, 100);
  client.send('OpenAt', { fd, flags: O_RDWR | O_TRUNC }, 101);
  client.send('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('12345678') }, 102);
  client.send('WalkStat', { dirFD: root, path: ['file'] }, 103);
  client.send('OpenAt', { fd, flags: O_RDONLY }, 104);
  await settle();
  // Only what may go on together is at the host.
  expect(tree.waiting).toBe(1);
  release();
  await settle();
  expect(decodeUtf8(answer('PRead', 100).data)).toBe('hello');
  expect(answer('WalkStat', 103).stats.map((stat) => stat.size)).toEqual([8]);
});
