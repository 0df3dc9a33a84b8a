// Watches of clients of the lisafs server: what they are told, when, and when a watch ends.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { IN_ALL_EVENTS, IN_CREATE, IN_IGNORED, IN_MODIFY } from '../../../src/abi/inotify.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { client, create, end, mkdir, root, served, start, startSession, write } from './fixture.ts';
import { eventsOf, overflowsOf } from './pushed.ts';
import { RawClient, settle } from './raw-client.ts';
import { BUFFERED_BYTES_MAX } from '../../../src/transport/transport.ts';

afterEach(end);

async function watch(fd: number, mask = IN_ALL_EVENTS, isRecursive = false): Promise<number> {
  return (await client.call('Watch', { fd, mask, isRecursive })).watchId;
}

test('events are told in order, with the id of their watch', async () => {
  await startSession();
  const dir = await mkdir('dir');
  const first = await watch(root, IN_CREATE | IN_MODIFY | IN_IGNORED);
  const second = await watch(dir, IN_ALL_EVENTS, true);
  const [one, two] = served.tree.watches;
  expect([one!.mask, one!.isRecursive]).toEqual([IN_CREATE | IN_MODIFY, false]);
  expect([two!.mask, two!.isRecursive]).toEqual([IN_ALL_EVENTS, true]);
  one!.tell(IN_CREATE, 'a');
  two!.tell(IN_MODIFY, 'b/c', 7);
  one!.tell(IN_MODIFY);
  await settle();
  expect(eventsOf(client)).toEqual([
    { watchId: first, mask: IN_CREATE, cookie: 0, name: 'a' },
    { watchId: second, mask: IN_MODIFY, cookie: 7, name: 'b/c' },
    { watchId: first, mask: IN_MODIFY, cookie: 0, name: '' },
  ]);
});

test('what happens while a watch begins is told after its id', async () => {
  await startSession();
  const release = served.tree.hold();
  client.send('Watch', { fd: root, mask: IN_CREATE, isRecursive: false }, 100);
  await settle();
  served.tree.watches[0]!.tell(IN_CREATE, 'early');
  await settle();
  expect(eventsOf(client)).toEqual([]);
  release();
  await settle();
  const { mid } = MESSAGES.Watch;
  expect(client.replies.slice(-2).map((reply) => reply.mid)).toEqual([mid, MESSAGES.Event.mid]);
  expect(eventsOf(client).map(({ name }) => name)).toEqual(['early']);
});

test('a watch ends with Unwatch, with its FD, and with its client', async () => {
  await startSession();
  const dir = await mkdir('dir');
  const first = await watch(root);
  await watch(dir);
  await watch(root);
  await client.call('Unwatch', { watchId: first });
  await client.call('Unwatch', { watchId: first });
  expect(served.tree.watches.length).toBe(2);
  const [, ofDir] = [served.tree.watches[1], served.tree.watches[0]];
  await client.call('Close', { fds: [dir] });
  expect(served.tree.watches.length).toBe(1);
  ofDir!.tell(IN_CREATE, 'too late');
  await settle();
  expect(eventsOf(client)).toEqual([]);
  client.link.notice();
  await settle();
  expect(served.tree.watches.length).toBe(1);
  served.clock.advance(60_001);
  await settle();
  expect(served.tree.watches.length).toBe(0);
});

test('an FD that is closed while its watch begins, and a client that goes', async () => {
  await startSession();
  const dir = await mkdir('dir');
  const release = served.tree.hold();
  client.send('Watch', { fd: dir, mask: IN_CREATE, isRecursive: false }, 100);
  client.send('Watch', { fd: root, mask: IN_CREATE, isRecursive: false }, 101);
  client.send('Close', { fds: [dir] }, 102);
  await settle();
  served.server.stop();
  release();
  await settle();
  expect(served.tree.watches).toEqual([]);
});

test('what is asked for is checked, and there may be too many', async () => {
  await startSession({ watchesMax: 2 });
  const { fd, openFD } = await create('file');
  const errors: [Promise<number>, unknown][] = [
    [watch(fd, 0), linuxerr.EINVAL],
    [watch(fd, IN_IGNORED), linuxerr.EINVAL],
    [watch(openFD), linuxerr.EINVAL],
    [watch(999), linuxerr.EBADF],
    [watch(fd, IN_MODIFY, true), linuxerr.ENOTDIR],
  ];
  for (const [asked, error] of errors) await expect(asked).rejects.toBe(error);
  served.tree.failure = linuxerr.EACCES;
  await expect(watch(fd)).rejects.toBe(linuxerr.EACCES);
  served.tree.watches.length = 0;
  const first = await watch(fd);
  await watch(fd);
  await expect(watch(fd)).rejects.toBe(linuxerr.ENOSPC);
  await client.call('Unwatch', { watchId: first });
  await watch(fd);
});

test('a client without tags can’t be told anything', async () => {
  await start();
  await expect(watch(root)).rejects.toBe(linuxerr.EOPNOTSUPP);
});

test('a client that doesn’t read is told Overflow, and of as much as may wait', async () => {
  await startSession({ eventsMax: 10 }, { bytesPerSecond: 1e6 });
  const { openFD } = await create('file');
  const count = BUFFERED_BYTES_MAX * 1.5;
  const writing = write(openFD, 'x'.repeat(count));
  served.clock.advance(5000);
  await writing;
  await watch(root);
  client.send('PRead', { fd: openFD, offset: 0, count }, 100);
  await settle();
  for (let at = 0; at < 30; at++) served.tree.watches[0]!.tell(IN_CREATE, `${at}`);
  await settle();
  expect([eventsOf(client).length, overflowsOf(client)]).toEqual([0, 0]);
  served.clock.advance(5000);
  await settle();
  served.clock.advance(5000);
  await settle();
  expect([eventsOf(client).length, overflowsOf(client)]).toEqual([10, 1]);
  served.tree.watches[0]!.tell(IN_CREATE, 'again');
  served.tree.watches[0]!.overflow();
  await settle();
  served.clock.advance(5000);
  await settle();
  expect([eventsOf(client).length, overflowsOf(client)]).toEqual([11, 2]);
});

test('events that a broken link may have lost are an Overflow, and later ones come', async () => {
  await startSession();
  const other = new RawClient(served);
  const { sessionId } = await other.startSession();
  const id = sessionId.slice();
  const fd = await other.mount();
  const { watchId } = await other.call('Watch', { fd, mask: IN_CREATE, isRecursive: false });
  other.link.die();
  served.tree.watches[0]!.tell(IN_CREATE, 'lost');
  await settle();
  other.link.notice();
  await settle();
  served.tree.watches[0]!.tell(IN_CREATE, 'kept');
  const back = new RawClient(served);
  await back.startSession(id);
  await settle();
  expect(overflowsOf(back)).toBe(1);
  expect(eventsOf(back)).toEqual([{ watchId, mask: IN_CREATE, cookie: 0, name: 'kept' }]);
});
