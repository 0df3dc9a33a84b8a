// What a client may make a server hold: for a link that nobody reads, and after its link is gone.

import { expect, test } from 'vitest';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { OFD_LOCK } from '../../../src/lisafs/extensions.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import { RawClient, serve, settle } from './raw-client.ts';

const FILE = { uid: NO_ID, gid: NO_ID, mode: 0o600, flags: O_RDWR };

test('of clients that have gone, who has least to come back to makes room', async () => {
  const served = serve({ sessionsMax: 2 });
  const [first, second] = [new RawClient(served), new RawClient(served)];
  const { sessionId: rich } = await first.startSession();
  await first.mount();
  const { sessionId: poor } = await second.startSession();
  for (const { link } of [first, second]) link.notice();
  await settle();
  const third = new RawClient(served);
  expect((await third.startSession()).isResumed).toBe(false);
  expect(served.server.sessionCount).toBe(2);
  expect((await new RawClient(served).startSession(rich)).isResumed).toBe(true);
  // Nobody is gone now.
  await expect(new RawClient(served).startSession(poor)).rejects.toThrow('EMFILE');
});

test('reads of more than may be under way wait, and all are answered', async () => {
  const served = serve();
  const client = new RawClient(served);
  await client.startSession();
  const dirFD = await client.mount();
  const { newFD: fd } = await client.call('OpenCreateAt', { dirFD, ...FILE, name: 'file' });
  const release = served.tree.hold();
  client.replies.length = 0;
  const count = 2_000_000;
  for (let tag = 100; tag < 120; tag++) client.send('PRead', { fd, offset: 0, count }, tag);
  await settle();
  // A small one that came later doesn't pass them.
  client.send('Ping', {}, 200);
  await settle();
  expect(client.replies).toEqual([]);
  release();
  for (let turn = 0; turn < 30; turn++) await settle();
  const tags = client.replies.map(({ tag }) => tag);
  expect(tags.toSorted((a, b) => a - b)).toEqual([
    ...Array.from({ length: 20 }, (_, at) => 100 + at),
    200,
  ]);
});

test('nothing stays of an owner whose locks are given up', async () => {
  const served = serve();
  const client = new RawClient(served);
  await client.startSession();
  const dirFD = await client.mount();
  const { newFD: fd } = await client.call('OpenCreateAt', { dirFD, ...FILE, name: 'file' });
  const range = { fd, start: 0, length: 10, pid: 1, kind: OFD_LOCK, wait: false };
  await client.call('SetLock', { ...range, owner: 1, type: 1 });
  // Of two halves one stays, and goes with the FD.
  await client.call('SetLock', { ...range, length: 5, owner: 1, type: 2 });
  await client.call('Close', { fds: [fd] });
  await settle();
  const { inodes } = await client.call('Walk', { dirFD, path: ['file'] });
  const again = await client.call('OpenAt', { fd: inodes[0]!.controlFD, flags: O_RDWR });
  await client.call('SetLock', { ...range, fd: again.openFD, owner: 2, type: 1 });
});
