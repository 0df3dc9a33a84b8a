// Links that break: what a client finds when it comes back, and what stays of one that doesn't.

import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES, type MessageName, messageRow } from '../../../src/lisafs/messages.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import { valuesOf } from '../../wire/any-values.ts';
import { connect, RawClient, serve, type Served, settle } from './raw-client.ts';

const FILE = { uid: NO_ID, gid: NO_ID, mode: 0o644, flags: O_RDWR };

let served: Served;

afterEach(async () => {
  served.server.stop();
  await settle();
  expect(served.errors).toEqual([]);
  expect(served.tree.pinned).toBe(0);
});

interface Started {
  readonly client: RawClient;
  readonly sessionId: Uint8Array;
  readonly root: number;
}

async function start(options: Partial<ServerOptions> = {}): Promise<Started> {
  served = serve(options);
  const client = new RawClient(served);
  const { sessionId } = await client.startSession();
  return { client, sessionId: sessionId.slice(), root: await client.mount() };
}

function mkdir(root: number, name: string) {
  return { dirFD: root, uid: NO_ID, gid: NO_ID, mode: 0o755, name };
}

test('FDs are there after a link has broken', async () => {
  const { client, sessionId, root } = await start();
  const { newFD } = await client.call('OpenCreateAt', { dirFD: root, ...FILE, name: 'file' });
  await client.call('PWrite', { fd: newFD, offset: 0, data: encodeUtf8('hello') });
  client.link.notice();
  await settle();
  served.clock.advance(30_000);
  const back = new RawClient(served);
  expect(await back.startSession(sessionId)).toMatchObject({ isResumed: true });
  const { data } = await back.call('PRead', { fd: newFD, offset: 0, count: 9 });
  expect(data).toEqual(encodeUtf8('hello'));
});

test('what was done and not answered is answered, and not done again', async () => {
  const { client, sessionId, root } = await start();
  client.send('MkdirAt', mkdir(root, 'a'), 50);
  const release = served.tree.hold();
  client.send('MkdirAt', mkdir(root, 'b'), 51);
  // The first has been answered into nothing, the second is under way.
  client.link.die();
  await settle();
  const back = new RawClient(served);
  await back.startSession(sessionId, { lastTag: 49, awaited: [50, 51, 52] });
  back.send('MkdirAt', mkdir(root, 'a'), 50);
  back.send('MkdirAt', mkdir(root, 'b'), 51);
  back.send('MkdirAt', mkdir(root, 'c'), 52);
  await settle();
  release();
  await settle();
  const replies = back.replies.slice(1).map(({ tag, mid }) => [tag, mid]);
  const { mid } = MESSAGES.MkdirAt;
  expect(replies.sort()).toEqual([
    [50, mid],
    [51, mid],
    [52, mid],
  ]);
  expect(served.tree.changes).toEqual(['make a', 'make b', 'make c']);
});

test('a failure is kept as well', async () => {
  const { client, sessionId, root } = await start();
  await client.call('MkdirAt', mkdir(root, 'a'), 60);
  const again = client.call('MkdirAt', mkdir(root, 'a'), 61);
  await expect(again).rejects.toBe(linuxerr.EEXIST);
  client.link.notice();
  const back = new RawClient(served);
  await back.startSession(sessionId, { lastTag: 60, awaited: [] });
  await back.call('UnlinkAt', { dirFD: root, flags: 0x200, name: 'a' }, 62);
  await expect(back.call('MkdirAt', mkdir(root, 'a'), 61)).rejects.toBe(linuxerr.EEXIST);
});

test('replies go when the client has them', async () => {
  const { client, root } = await start();
  for (let tag = 100; tag < 110; tag++) await client.call('MkdirAt', mkdir(root, `${tag}`), tag);
  // Told in any order, but not those it still awaits.
  client.send('Ack', { lastTag: 108, awaited: [103] }, 1);
  await settle();
  for (const [tag, isDoneAgain] of [
    [103, false],
    [109, false],
    [104, true],
  ] as const) {
    const count = served.tree.changes.length;
    await client.call('MkdirAt', mkdir(root, `again ${tag}`), tag);
    expect(served.tree.changes.length - count).toBe(isDoneAgain ? 1 : 0);
  }
});

test('who never says so is cut off', async () => {
  const { client, root } = await start();
  const { child, newFD } = await client.call('OpenCreateAt', { dirFD: root, ...FILE, name: 'f' });
  await client.call('PWrite', { fd: newFD, offset: 0, data: new Uint8Array(1 << 20) });
  const open = { fd: child.controlFD, flags: O_RDWR, maxBytes: 1 << 20 };
  for (let count = 0; count < 4; count++) await client.call('OpenReadAt', open);
  client.send('OpenReadAt', open, 100);
  await settle();
  expect(client.closed?.reason).toContain('send Ack');
});

test('nor who makes many small requests and never says so', async () => {
  const { client } = await start();
  for (let tag = 100; tag < 30_000 && client.closed === undefined; tag++) {
    client.send('FSync', { fds: [] }, tag);
    if (tag % 100 === 0) await settle();
  }
  expect(client.closed?.reason).toContain('send Ack');
});

test('who takes too long finds nothing', async () => {
  const { client, sessionId, root } = await start({ graceMs: 1000 });
  await client.call('OpenCreateAt', { dirFD: root, ...FILE, name: 'file' });
  client.link.notice();
  await settle();
  expect(served.tree.pinned).toBe(3);
  served.clock.advance(1001);
  await settle();
  expect(served.tree.pinned).toBe(0);
  expect(served.server.sessionCount).toBe(0);
  const back = new RawClient(served);
  const answer = await back.startSession(sessionId);
  expect(answer.isResumed).toBe(false);
  expect(answer.sessionId).not.toEqual(sessionId);
});

test('without a session nothing stays', async () => {
  served = serve();
  const { client, root } = await connect(served);
  await client.call('OpenCreateAt', { dirFD: root, ...FILE, name: 'file' });
  const release = served.tree.hold();
  client.send('OpenCreateAt', { dirFD: root, ...FILE, name: 'late' });
  await settle();
  client.link.notice();
  await settle();
  release();
  await settle();
  expect(served.tree.changes).toContain('make late');
  expect(served.tree.pinned).toBe(0);
});

test('a session goes on by the newest link', async () => {
  const { client, sessionId, root } = await start();
  const back = new RawClient(served);
  await back.startSession(sessionId);
  await settle();
  expect(client.closed?.reason).toContain('another link');
  served.clock.advance(100_000);
  await back.call('FStat', { fd: root });
});

test('a session is begun first, and once', async () => {
  const { client } = await start();
  client.headerVersion = 2;
  const wanted = { headerVersion: 2, sessionId: new Uint8Array(0), lastTag: 0, awaited: [] };
  await expect(client.call('Session', wanted)).rejects.toBe(linuxerr.EINVAL);
  const { client: other } = await connect(served);
  await expect(other.call('Session', wanted)).rejects.toBe(linuxerr.EINVAL);
  const third = new RawClient(served);
  const old = third.call('Session', { ...wanted, headerVersion: 1 });
  await expect(old).rejects.toBe(linuxerr.EINVAL);
  const later = await third.call('Session', { ...wanted, headerVersion: 3 });
  expect(later.headerVersion).toBe(2);
});

test('there are not more sessions than there may be', async () => {
  const { client, sessionId } = await start({ sessionsMax: 1 });
  const more = new RawClient(served);
  await expect(more.startSession()).rejects.toBe(linuxerr.EMFILE);
  client.link.notice();
  await settle();
  const back = new RawClient(served);
  expect((await back.startSession(sessionId)).isResumed).toBe(true);
});

test('too many requests at a time end the link', async () => {
  const { client, root } = await start({ inFlightMax: 4 });
  const release = served.tree.hold();
  for (let tag = 10; tag < 15; tag++) client.send('FStat', { fd: root }, tag);
  await settle();
  expect(client.closed?.reason).toContain('more than 4');
  release();
});

test('a server that stops says so', async () => {
  const { client } = await start();
  served.server.stop();
  await settle();
  expect(client.closed?.reason).toContain('stopping');
  const late = new RawClient(served);
  await settle();
  expect(late.closed?.reason).toContain('stopping');
});

const requests = (Object.keys(MESSAGES) as MessageName[]).filter(
  (name) => messageRow(name).sender === 'client' && name !== 'Ack',
);
/** FDs that are there now and then. */
const anyFD = fc.integer({ min: 0, max: 6 });

function anyRequest(): fc.Arbitrary<{ name: MessageName; values: Record<string, unknown> }> {
  return fc.constantFrom(...requests).chain((name) =>
    fc.tuple(valuesOf(messageRow(name).request!), anyFD, anyFD).map(([values, fd, other]) => {
      const record = { ...(values as Record<string, unknown>) };
      for (const key of ['fd', 'dirFD', 'oldDir']) if (key in record) record[key] = fd;
      for (const key of ['targetFD', 'newDir']) if (key in record) record[key] = other;
      if ('fds' in record) record['fds'] = [fd];
      if ('count' in record) record['count'] = 100;
      for (const key of ['size', 'offset', 'length']) {
        if (typeof record[key] === 'number') record[key] %= 10_000;
      }
      return { name, values: record };
    }),
  );
}

test('whatever a client sends, the server answers each request once', async () => {
  const property = fc.asyncProperty(fc.array(anyRequest(), { maxLength: 30 }), async (all) => {
    const { client } = await start();
    await client.call('Mount', {});
    client.replies.length = 0;
    const sent = all.filter(({ name }) => name !== 'Session');
    for (const [index, { name, values }] of sent.entries()) {
      client.send(name, values, 200 + index);
      if (index % 3 === 0) await settle();
    }
    await settle();
    expect(client.closed).toBeUndefined();
    const tags = client.replies.map(({ tag }) => tag);
    expect(tags.sort((a, b) => a - b)).toEqual(sent.map((_, index) => 200 + index));
    served.server.stop();
    await settle();
    expect(served.errors).toEqual([]);
    expect(served.tree.pinned).toBe(0);
  });
  await fc.assert(property, { seed: 1, numRuns: 150 });
});
