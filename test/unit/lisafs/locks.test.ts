// Advisory locks of clients of the lisafs server: who is in whose way, what waits, and when they
// are given up.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, O_RDONLY, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { FLOCK, OFD_LOCK, RECORD_LOCK } from '../../../src/lisafs/extensions.ts';
import { MESSAGES, type RequestOf } from '../../../src/lisafs/messages.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import { LocalLockTable } from '../../../src/locks/lock-table.ts';
import type { LoopbackOptions } from '../../../src/transport/loopback.ts';
import { client, create, end, root, served, startSession, write } from './fixture.ts';
import { RawClient, settle } from './raw-client.ts';

let table: LocalLockTable;

afterEach(async () => {
  await end();
  expect(table.size).toBe(0);
});

const GRACE_MS = 1000;

async function start(options: Partial<ServerOptions> = {}, locksMax = 100): Promise<void> {
  table = new LocalLockTable({ locksMax });
  await startSession({ locks: table, graceMs: GRACE_MS, ...options });
}

interface Other {
  readonly client: RawClient;
  readonly sessionId: Uint8Array;
  readonly openFD: number;
}

/** Another client, which has the file open. */
async function another(name: string, link: Partial<LoopbackOptions> = {}): Promise<Other> {
  const other = new RawClient(served, link);
  const { sessionId } = await other.startSession();
  const dirFD = await other.mount();
  const { inodes } = await other.call('Walk', { dirFD, path: [name] });
  const { openFD } = await other.call('OpenAt', { fd: inodes[0]!.controlFD, flags: 2 });
  return { client: other, sessionId: sessionId.slice(), openFD };
}

type Lock = RequestOf<'SetLock'>;

function lock(fd: number, type: number, more: Partial<Lock> = {}): Lock {
  const whole = { start: 0, length: 0, owner: 1, pid: 10, wait: false, kind: RECORD_LOCK };
  return { fd, type, ...whole, ...more };
}

function get(fd: number, type: number, more: Partial<Lock> = {}): RequestOf<'GetLock'> {
  const { wait: _, ...asked } = lock(fd, type, more);
  return asked;
}

function replyTo(from: RawClient, tag: number): 'waits' | 'granted' | number | undefined {
  const reply = from.replies.find((each) => each.tag === tag);
  if (reply === undefined) return 'waits';
  return reply.mid === MESSAGES.Error.mid ? reply.payload[0] : 'granted';
}

test('clients are in each other’s way, by whatever name of the file', async () => {
  await start();
  const { fd, openFD } = await create('file');
  await client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'link' });
  const other = await another('link');
  await client.call('SetLock', lock(openFD, F_WRLCK, { start: 10, length: 5 }));
  const taken = lock(other.openFD, F_RDLCK, { start: 12, length: 1 });
  await expect(other.client.call('SetLock', taken)).rejects.toBe(linuxerr.EAGAIN);
  await other.client.call('SetLock', { ...taken, start: 15 });
  const found = await other.client.call('GetLock', get(other.openFD, F_WRLCK));
  // Its owner is nobody this client knows.
  expect(found).toEqual({ start: 10, length: 5, owner: 0, pid: 10, type: F_WRLCK });
  await client.call('SetLock', lock(openFD, F_UNLCK));
  expect(await other.client.call('GetLock', get(other.openFD, F_WRLCK))).toMatchObject({
    type: F_UNLCK,
  });
});

test('owners of one client are different, and the kinds that are', async () => {
  await start();
  const { openFD } = await create('file');
  await client.call('SetLock', lock(openFD, F_WRLCK, { owner: 7 }));
  const second = lock(openFD, F_WRLCK, { owner: 8 });
  await expect(client.call('SetLock', second)).rejects.toBe(linuxerr.EAGAIN);
  const ofd = lock(openFD, F_WRLCK, { owner: 7, kind: OFD_LOCK });
  await expect(client.call('SetLock', ofd)).rejects.toBe(linuxerr.EAGAIN);
  await client.call('SetLock', lock(openFD, F_WRLCK, { owner: 8, kind: FLOCK }));
  const found = await client.call('GetLock', get(openFD, F_RDLCK, { owner: 8 }));
  expect(found).toMatchObject({ owner: 7, type: F_WRLCK, length: 0 });
});

test('one that waits comes when the lock is had, and keeps nobody from anything', async () => {
  await start();
  const { fd, openFD } = await create('file');
  const other = await another('file');
  await client.call('SetLock', lock(openFD, F_WRLCK));
  other.client.send('SetLock', lock(other.openFD, F_WRLCK, { wait: true }), 100);
  await settle();
  await write(openFD, 'hello');
  await client.call('FStat', { fd });
  await other.client.call('PRead', { fd: other.openFD, offset: 0, count: 5 });
  expect(replyTo(other.client, 100)).toBe('waits');
  await client.call('SetLock', lock(openFD, F_UNLCK));
  await settle();
  expect(replyTo(other.client, 100)).toBe('granted');
});

test('those that wait count as under way', async () => {
  await start({ inFlightMax: 2 });
  const { openFD } = await create('file');
  await client.call('SetLock', lock(openFD, F_WRLCK));
  for (const owner of [2, 3])
    client.send('SetLock', lock(openFD, F_WRLCK, { owner, wait: true }), owner + 100);
  await settle();
  client.send('Ping', {}, 200);
  await settle();
  expect(client.closed?.reason).toContain('more than 2 requests');
});

test('EDEADLK if two clients would wait for each other', async () => {
  await start();
  const a = (await create('a')).openFD;
  const b = (await create('b')).openFD;
  const otherA = await another('a');
  const dirFD = await otherA.client.mount();
  const { inodes } = await otherA.client.call('Walk', { dirFD, path: ['b'] });
  const { openFD: otherB } = await otherA.client.call('OpenAt', {
    fd: inodes[0]!.controlFD,
    flags: 2,
  });
  await client.call('SetLock', lock(a, F_WRLCK));
  await otherA.client.call('SetLock', lock(otherB, F_WRLCK));
  client.send('SetLock', lock(b, F_WRLCK, { wait: true }), 100);
  await settle();
  const closing = lock(otherA.openFD, F_WRLCK, { wait: true });
  await expect(otherA.client.call('SetLock', closing)).rejects.toBe(linuxerr.EDEADLK);
  await otherA.client.call('SetLock', lock(otherB, F_UNLCK));
  await settle();
  expect(replyTo(client, 100)).toBe('granted');
});

test.each([RECORD_LOCK, FLOCK, OFD_LOCK])(
  'CancelLock interrupts one that waits: %i',
  async (kind) => {
    await start();
    const { openFD } = await create('file');
    const other = await another('file');
    await client.call('SetLock', lock(openFD, F_WRLCK, { kind }));
    const { length } = served.tree.changes;
    other.client.send('SetLock', lock(other.openFD, F_WRLCK, { kind, wait: true }), 100);
    await other.client.call('CancelLock', { tag: 99 });
    expect(replyTo(other.client, 100)).toBe('waits');
    await other.client.call('CancelLock', { tag: 100 });
    expect(replyTo(other.client, 100)).toBe(linuxerr.EINTR.errno);
    expect(served.tree.changes.length).toBe(length);
    // It has not been taken, and what has been answered can't be cancelled.
    await client.call('SetLock', lock(openFD, F_UNLCK, { kind }));
    await other.client.call('SetLock', lock(other.openFD, F_WRLCK, { kind }), 101);
    await other.client.call('CancelLock', { tag: 101 });
    const again = client.call('SetLock', lock(openFD, F_WRLCK, { kind }));
    await expect(again).rejects.toBe(linuxerr.EAGAIN);
  },
);

test('locks are there while a link is broken, until the time of grace is over', async () => {
  await start();
  await create('file');
  const first = await another('file');
  const second = await another('file');
  await first.client.call('SetLock', lock(first.openFD, F_WRLCK));
  second.client.send('SetLock', lock(second.openFD, F_WRLCK, { wait: true }), 100);
  await settle();
  first.client.link.notice();
  second.client.link.notice();
  await settle();
  served.clock.advance(GRACE_MS - 100);
  // One that waits goes on waiting, and is answered by the new link.
  const back = new RawClient(served);
  await back.startSession(second.sessionId, { lastTag: 50, awaited: [] });
  back.send('SetLock', lock(second.openFD, F_WRLCK, { wait: true }), 100);
  await settle();
  expect(replyTo(back, 100)).toBe('waits');
  served.clock.advance(100);
  await settle();
  expect(replyTo(back, 100)).toBe('granted');
});

test('a client that has gone waits for nothing any more', async () => {
  await start();
  const { openFD } = await create('file');
  const other = await another('file');
  await client.call('SetLock', lock(openFD, F_WRLCK));
  other.client.send('SetLock', lock(other.openFD, F_WRLCK, { wait: true }), 100);
  await settle();
  other.client.link.notice();
  await settle();
  served.clock.advance(GRACE_MS + 1);
  await settle();
  await client.call('SetLock', lock(openFD, F_UNLCK));
  await client.call('SetLock', lock(openFD, F_WRLCK, { owner: 5 }));
});

test('flock and OFD locks go with their open FD, record locks stay', async () => {
  await start();
  const { fd, openFD } = await create('file');
  const other = await another('file');
  const states: unknown[] = [];
  for (const kind of [RECORD_LOCK, FLOCK, OFD_LOCK]) {
    const { openFD: lockedFD } = await client.call('OpenAt', { fd, flags: 2 });
    const wanted = lock(other.openFD, F_WRLCK, { kind });
    await client.call('SetLock', lock(lockedFD, F_WRLCK, { kind }));
    await client.call('Close', { fds: [lockedFD] });
    states.push(await other.client.call('SetLock', wanted).catch((error: unknown) => error));
    await client.call('SetLock', lock(openFD, F_UNLCK, { kind }));
    await other.client.call('SetLock', { ...wanted, type: F_UNLCK });
  }
  expect(states).toEqual([linuxerr.EAGAIN, {}, {}]);
});

test('what is asked for is checked', async () => {
  await start();
  const { fd, openFD } = await create('file');
  const { openFD: reads } = await client.call('OpenAt', { fd, flags: O_RDONLY });
  const { openFD: writes } = await client.call('OpenAt', { fd, flags: O_WRONLY });
  const wrong: [Lock, unknown][] = [
    [lock(fd, F_RDLCK), linuxerr.EINVAL],
    [lock(999, F_RDLCK), linuxerr.EBADF],
    [lock(openFD, 3), linuxerr.EINVAL],
    [lock(openFD, F_RDLCK, { kind: 3 }), linuxerr.EINVAL],
    [lock(openFD, F_RDLCK, { kind: FLOCK, start: 1 }), linuxerr.EINVAL],
    [lock(openFD, F_RDLCK, { start: 2 ** 53 - 1, length: 1 }), linuxerr.EINVAL],
    [lock(reads, F_WRLCK), linuxerr.EBADF],
    [lock(writes, F_RDLCK), linuxerr.EBADF],
  ];
  for (const [asked, error] of wrong) {
    await expect(client.call('SetLock', asked), JSON.stringify(asked)).rejects.toBe(error);
  }
  await client.call('SetLock', lock(reads, F_WRLCK, { kind: FLOCK }));
  const flock = client.call('GetLock', get(openFD, F_WRLCK, { kind: FLOCK }));
  await expect(flock).rejects.toBe(linuxerr.EINVAL);
  await expect(client.call('GetLock', get(openFD, F_UNLCK))).rejects.toBe(linuxerr.EINVAL);
});

test('ENOLCK for too many, also of what was one', async () => {
  await start({}, 3);
  const { openFD } = await create('file');
  for (const at of [0, 2])
    await client.call('SetLock', lock(openFD, F_WRLCK, { start: at, length: 1 }));
  await client.call('SetLock', lock(openFD, F_RDLCK, { start: 10, length: 10 }));
  const more = lock(openFD, F_WRLCK, { start: 30, length: 1 });
  await expect(client.call('SetLock', more)).rejects.toBe(linuxerr.ENOLCK);
  const split = lock(openFD, F_UNLCK, { start: 15, length: 1 });
  await expect(client.call('SetLock', split)).rejects.toBe(linuxerr.ENOLCK);
  await client.call('SetLock', lock(openFD, F_UNLCK, { start: 0, length: 5 }));
  await client.call('SetLock', split);
});
