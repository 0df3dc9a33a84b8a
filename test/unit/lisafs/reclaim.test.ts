// What a client had open in a session that was lost, and has again in its next one.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, O_TRUNC } from '../../../src/abi/fcntl.ts';
import { NOT_OPEN } from '../../../src/lisafs/extensions.ts';
import type { RequestOf } from '../../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN, INVALID_FD, type Statx } from '../../../src/lisafs/records.ts';
import {
  client,
  create,
  end,
  mkdir,
  read,
  root,
  served,
  start,
  startSession,
  write,
} from './fixture.ts';
import { settle } from './raw-client.ts';

const X = CLIENT_FD_MIN;

afterEach(end);

type Lost = RequestOf<'Reclaim'>['lost'][number];

async function statOf(fd: number): Promise<Statx> {
  return (await client.call('FStat', { fd })).statx;
}

function lostOf({ devMajor, devMinor, ino, btime }: Statx, more: Partial<Lost>): Lost {
  const [btimeSec, btimeNsec] = [btime.sec, btime.nsec];
  const numbers = { devMajor, devMinor, ino, btimeSec, btimeNsec };
  return { fd: 77, path: ['dir', 'file'], openFlags: NOT_OPEN, ...numbers, ...more };
}

async function reclaim(...lost: Lost[]) {
  return (await client.call('Reclaim', { lost })).reclaimed;
}

async function makeFile(): Promise<Statx> {
  const dir = await mkdir('dir');
  const { fd, openFD } = await create('file', dir);
  await write(openFD, 'hello');
  const statx = await statOf(fd);
  await client.call('Close', { fds: [dir, fd, openFD] });
  return statx;
}

test('control FDs and open ones are there again, with the ids the client chose', async () => {
  await startSession();
  const statx = await makeFile();
  const rootStatx = await statOf(root);
  const before = served.tree.pinned;
  const reclaimed = await reclaim(
    // In any order.
    lostOf(statx, { fd: X + 9, openFlags: O_RDWR | O_TRUNC }),
    lostOf(statx, { fd: X + 4 }),
    lostOf(statx, {}),
    lostOf(rootStatx, { path: [], fd: 88 }),
  );
  expect(reclaimed.map(({ errno }) => errno)).toEqual([0, 0, 0, 0]);
  const [open, chosen, free, top] = reclaimed;
  expect([open!.openFD, chosen!.inode.controlFD, chosen!.openFD]).toEqual([X + 9, X + 4, 0]);
  expect(free!.inode.controlFD).toBeLessThan(X);
  // O_TRUNC did its work once.
  expect(await read(X + 9)).toBe('hello');
  expect(open!.inode.statx).toEqual(await statOf(X + 4));
  expect((await statOf(top!.inode.controlFD)).ino).toBe(rootStatx.ino);
  // Five FDs: what led there is not held.
  expect(served.tree.pinned - before).toBe(5);
  const again = await reclaim(lostOf(statx, { fd: X + 4 }));
  expect(again[0]!.errno).toBe(linuxerr.EINVAL.errno);
  // New ones are beyond those.
  const make = { dirFD: root, uid: 0, gid: 0, mode: 0o755, name: 'd' };
  await expect(client.call('MkdirAs', { ...make, clientFD: X + 8 })).rejects.toBe(linuxerr.EINVAL);
  await client.call('MkdirAs', { ...make, clientFD: X + 10 });
});

test('each that is another file now, or none, fails by itself', async () => {
  await startSession();
  const statx = await makeFile();
  const { ino, devMinor, btime } = statx;
  const cases: [Partial<Lost>, { errno: number }][] = [
    [{ ino: ino + 1n }, linuxerr.ESTALE],
    [{ devMinor: devMinor + 1 }, linuxerr.ESTALE],
    [{ btimeNsec: btime.nsec + 1 }, linuxerr.ESTALE],
    [{ btimeSec: 0, btimeNsec: 0 }, { errno: 0 }],
    [{ path: [] }, linuxerr.ESTALE],
    [{ path: ['dir'] }, linuxerr.ESTALE],
    [{ path: ['dir', 'nothing'] }, linuxerr.ENOENT],
    [{ path: ['nothing', 'file'] }, linuxerr.ENOENT],
    [{ path: ['dir', 'file', 'x'] }, linuxerr.ENOTDIR],
    [{ path: ['dir', '..', 'dir'] }, linuxerr.EINVAL],
    [{}, { errno: 0 }],
  ];
  served.tree.hasBirthTimes = true;
  const before = served.tree.pinned;
  const reclaimed = await reclaim(...cases.map(([more]) => lostOf(statx, more)));
  expect(reclaimed.map(({ errno }) => errno)).toEqual(cases.map(([, { errno }]) => errno));
  const failed = reclaimed.find(({ errno }) => errno !== 0)!;
  expect([failed.inode.controlFD, failed.openFD]).toEqual([INVALID_FD, INVALID_FD]);
  expect(served.tree.pinned - before).toBe(2);
});

test('a request may name what is yet to be reclaimed', async () => {
  await startSession();
  const statx = await makeFile();
  const release = served.tree.hold();
  const lost = [
    lostOf(statx, { fd: X, openFlags: O_RDONLY }),
    lostOf(statx, { fd: X + 1, ino: 0n }),
  ];
  client.send('Reclaim', { lost }, 100);
  client.send('PRead', { fd: X, offset: 0, count: 3 }, 101);
  client.send('FStat', { fd: X + 1 }, 102);
  await settle();
  release();
  await settle();
  const replies = [101, 102].map((tag) => client.replies.find((reply) => reply.tag === tag)!);
  expect(replies.map(({ mid, payload }) => [mid > 0, payload[0]])).toEqual([
    [true, 3],
    [false, linuxerr.EBADF.errno],
  ]);
});

test('no more is reclaimed than there may be, and not to write if that is refused', async () => {
  await startSession({ fdsMax: 8 });
  const statx = await makeFile();
  const wanted = Array.from({ length: 6 }, (_, index) => lostOf(statx, { fd: X + index }));
  const errnos = (await reclaim(...wanted)).map(({ errno }) => errno);
  // The root has one, and three are for what leads there.
  const { errno } = linuxerr.EMFILE;
  expect(errnos).toEqual([0, 0, 0, 0, errno, errno]);
  served.server.stop();
  await settle();
  await start({ isReadOnly: true });
  const rootStatx = await statOf(root);
  const [asked] = await reclaim(lostOf(rootStatx, { path: [], openFlags: O_RDWR }));
  expect(asked!.errno).toBe(linuxerr.EROFS.errno);
});
