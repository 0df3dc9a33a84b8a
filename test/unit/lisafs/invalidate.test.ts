// What the lisafs server tells a client that others have changed, and when.

import { afterEach, expect, test } from 'vitest';
import { AT_REMOVEDIR, O_RDWR, O_TRUNC } from '../../../src/abi/fcntl.ts';
import { STATX_MODE, STATX_SIZE } from '../../../src/abi/stat.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import {
  INVALIDATE_ATTRIBUTES,
  INVALIDATE_DATA,
  INVALIDATE_ENTRY,
  INVALIDATE_GONE,
  INVALIDATE_LISTING,
} from '../../../src/lisafs/extensions.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN } from '../../../src/lisafs/records.ts';
import { BUFFERED_BYTES_MAX } from '../../../src/transport/transport.ts';
import type { LoopbackOptions } from '../../../src/transport/loopback.ts';
import {
  client,
  create,
  end,
  FILE,
  mkdir,
  OWNER,
  root,
  served,
  start,
  startSession,
  write,
} from './fixture.ts';
import { invalidatedBy } from './pushed.ts';
import { RawClient, settle } from './raw-client.ts';

const ENTRY = INVALIDATE_ATTRIBUTES | INVALIDATE_ENTRY;
const WRITTEN = INVALIDATE_ATTRIBUTES | INVALIDATE_DATA;
const TIME = { sec: 0, nsec: 0 };

afterEach(end);

interface Other {
  readonly client: RawClient;
  readonly sessionId: Uint8Array;
  readonly root: number;
  fd(...path: string[]): Promise<number>;
}

async function another(link: Partial<LoopbackOptions> = {}): Promise<Other> {
  const other = new RawClient(served, link);
  const { sessionId } = await other.startSession();
  const dirFD = await other.mount();
  const fd = async (...path: string[]): Promise<number> => {
    const { inodes } = await other.call('Walk', { dirFD, path });
    const fds = inodes.map(({ controlFD }) => controlFD);
    const last = fds.pop()!;
    await other.call('Close', { fds });
    return last;
  };
  return { client: other, sessionId: sessionId.slice(), root: dirFD, fd };
}

function setStat(fd: number, mask: number, size = 0) {
  return { fd, mask, mode: 0o600, uid: 0, gid: 0, size, atime: TIME, mtime: TIME };
}

/** What the other client is told of what is done meanwhile. */
async function toldOf(other: Other, work: () => Promise<unknown>) {
  await settle();
  const { length } = invalidatedBy(other.client);
  await work();
  await settle();
  return invalidatedBy(other.client)
    .slice(length)
    .map(({ fd, flags, name }) => [fd, flags, name]);
}

test('whoever has a control FD is told of each change, and who made it is not', async () => {
  await startSession();
  const dir = await mkdir('dir');
  const { fd, openFD } = await create('file', dir);
  const other = await another();
  const [otherDir, otherFile] = [await other.fd('dir'), await other.fd('dir', 'file')];
  const data = encodeUtf8('x');
  const at = { dirFD: dir, ...OWNER };
  const cases: [() => Promise<unknown>, unknown[]][] = [
    [() => write(openFD, 'hello'), [[otherFile, WRITTEN, '']]],
    [
      () => client.call('SetStat', setStat(fd, STATX_MODE)),
      [[otherFile, INVALIDATE_ATTRIBUTES, '']],
    ],
    [() => client.call('SetStat', setStat(fd, STATX_SIZE)), [[otherFile, WRITTEN, '']]],
    [
      () => client.call('FAllocate', { fd: openFD, mode: 0, offset: 0, length: 5 }),
      [[otherFile, WRITTEN, '']],
    ],
    [() => client.call('OpenAt', { fd, flags: O_RDWR | O_TRUNC }), [[otherFile, WRITTEN, '']]],
    [() => client.call('OpenAt', { fd, flags: O_RDWR }), []],
    [
      () => client.call('FSetXattr', { fd, flags: 0, name: 'user.a', value: data }),
      [[otherFile, INVALIDATE_ATTRIBUTES, '']],
    ],
    [
      () => client.call('FRemoveXattr', { fd, name: 'user.a' }),
      [[otherFile, INVALIDATE_ATTRIBUTES, '']],
    ],
    [() => create('new', dir), [[otherDir, ENTRY, 'new']]],
    [() => client.call('MkdirAt', { ...at, mode: 0o755, name: 'd' }), [[otherDir, ENTRY, 'd']]],
    [() => client.call('SymlinkAt', { ...at, name: 'l', target: 't' }), [[otherDir, ENTRY, 'l']]],
    [
      () => client.call('LinkAt', { dirFD: dir, targetFD: fd, name: 'hard' }),
      [
        [otherFile, INVALIDATE_ATTRIBUTES, ''],
        [otherDir, ENTRY, 'hard'],
      ],
    ],
    [
      () => client.call('RenameAt', { oldDir: dir, newDir: dir, oldName: 'file', newName: 'f' }),
      [
        [otherDir, ENTRY, 'file'],
        [otherDir, INVALIDATE_ENTRY, 'f'],
        [otherFile, INVALIDATE_ATTRIBUTES, ''],
      ],
    ],
    [
      () => client.call('RenameAt', { oldDir: dir, newDir: dir, oldName: 'new', newName: 'f' }),
      [
        [otherDir, ENTRY, 'new'],
        [otherDir, INVALIDATE_ENTRY, 'f'],
        [otherFile, INVALIDATE_ATTRIBUTES | INVALIDATE_GONE, ''],
      ],
    ],
    [
      () => client.call('UnlinkAt', { dirFD: dir, name: 'd', flags: AT_REMOVEDIR }),
      [[otherDir, ENTRY, 'd']],
    ],
    [() => client.call('FStat', { fd: dir }), []],
  ];
  for (const [index, [work, told]] of cases.entries()) {
    expect(await toldOf(other, work), `case ${index}`).toEqual(told);
  }
  expect(invalidatedBy(client)).toEqual([]);
});

test('of several names all are told, and of one that is gone who had that one', async () => {
  await startSession();
  const { fd, openFD } = await create('a');
  await client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'b' });
  const other = await another();
  const [a, b] = [await other.fd('a'), await other.fd('b')];
  expect(await toldOf(other, () => write(openFD, 'x'))).toEqual([
    [a, WRITTEN, ''],
    [b, WRITTEN, ''],
  ]);
  const unlink = { dirFD: root, name: 'a', flags: 0 };
  expect(await toldOf(other, () => client.call('UnlinkAt', unlink))).toEqual([
    [other.root, ENTRY, 'a'],
    [a, INVALIDATE_ATTRIBUTES | INVALIDATE_GONE, ''],
    [b, INVALIDATE_ATTRIBUTES, ''],
  ]);
});

test('many changes are told at once, and very many names as the listing', async () => {
  await startSession();
  const { openFD } = await create('file');
  const other = await another();
  const file = await other.fd('file');
  const many = async (count: number): Promise<void> => {
    const base = { dirFD: root, ...FILE, flags: O_RDWR, clientOpenFD: 0, data: encodeUtf8('') };
    for (let at = 0; at < count; at++) {
      client.send('PWrite', { fd: openFD, offset: at, data: encodeUtf8('x') }, 1000 + 2 * at);
      const clientFD = CLIENT_FD_MIN + at + count * 100;
      client.send('CreateWrite', { ...base, name: `n${count}-${at}`, clientFD }, 1001 + 2 * at);
    }
    await settle();
    client.send('Ack', { lastTag: 9000, awaited: [] }, 9001);
  };
  expect(await toldOf(other, () => many(2))).toEqual([
    [file, WRITTEN, ''],
    [other.root, ENTRY, 'n2-0'],
    [other.root, INVALIDATE_ENTRY, 'n2-1'],
  ]);
  expect(await toldOf(other, () => many(30))).toEqual([
    [file, WRITTEN, ''],
    [other.root, INVALIDATE_ATTRIBUTES | INVALIDATE_LISTING, ''],
  ]);
});

test('an Invalidate comes after the answers that may say what was so before', async () => {
  await startSession();
  const { openFD } = await create('file');
  await create('last');
  const other = await another();
  const fd = await other.fd('file');
  // It has looked at the first file when the host lets it wait.
  const release = served.tree.holdAt('last');
  other.client.send('ListDir', { dirFD: other.root, cookie: 0, maxBytes: 9999, flags: 3 }, 100);
  await settle();
  await write(openFD, 'hello');
  await settle();
  expect(other.client.replies.some(({ tag }) => tag === 100)).toBe(false);
  expect(invalidatedBy(other.client)).toEqual([]);
  // One that begins after the change isn't waited for.
  const holdLater = served.tree.holdAt('later');
  other.client.send('Walk', { dirFD: other.root, path: ['later'] }, 101);
  await settle();
  release();
  await settle();
  const { mid } = MESSAGES.Invalidate;
  expect(other.client.replies.slice(-2).map((reply) => [reply.tag, reply.mid])).toEqual([
    [100, MESSAGES.ListDir.mid],
    [0, mid],
  ]);
  const { entries } = MESSAGES.ListDir.response.decode(other.client.replies.at(-2)!.payload);
  expect(entries.find(({ name }) => name === 'file')?.inode?.statx.size).toBe(0);
  // The FD that the listing made is among those that are told of.
  const told = new Set(invalidatedBy(other.client).map((each) => each.fd));
  expect(told).toEqual(
    new Set([fd, entries.find(({ name }) => name === 'file')!.inode!.controlFD]),
  );
  holdLater();
  await settle();
});

test('nothing is told of an FD that was closed, nor to a client without tags', async () => {
  await startSession();
  const { openFD } = await create('file');
  const other = await another();
  const fd = await other.fd('file');
  await other.client.call('Close', { fds: [fd] });
  expect(await toldOf(other, () => write(openFD, 'x'))).toEqual([]);
  const plain = new RawClient(served);
  const dirFD = await plain.mount();
  await plain.call('Walk', { dirFD, path: ['file'] });
  const { length } = plain.replies;
  await write(openFD, 'y');
  await settle();
  expect(plain.replies.length).toBe(length);
});

test('a client that doesn’t read is told once of what has changed often', async () => {
  await startSession();
  const { openFD } = await create('file');
  const large = await create('large');
  await write(large.openFD, 'x'.repeat(BUFFERED_BYTES_MAX * 1.5));
  const other = await another({ bytesPerSecond: 1e6 });
  const [fd, largeFD] = [await other.fd('file'), await other.fd('large')];
  const count = BUFFERED_BYTES_MAX * 1.5;
  const { openFD: reading } = await other.client.call('OpenAt', { fd: largeFD, flags: 0 });
  other.client.send('PRead', { fd: reading, offset: 0, count }, 100);
  await settle();
  for (let time = 0; time < 50; time++) await write(openFD, `${time}`);
  await settle();
  const { length } = other.client.replies;
  served.clock.advance(5000);
  await settle();
  served.clock.advance(5000);
  await settle();
  expect(other.client.replies.slice(length).map(({ tag }) => tag)).toEqual([100, 0]);
  expect(invalidatedBy(other.client).map((file) => file.fd)).toEqual([fd]);
});

test('what went by a link that broke is told again by the next one', async () => {
  await startSession();
  const { openFD } = await create('file');
  const other = await another();
  const fd = await other.fd('file');
  other.client.link.die();
  await write(openFD, 'lost on its way');
  await create('one');
  await settle();
  other.client.link.notice();
  await settle();
  await create('two');
  const back = new RawClient(served);
  await back.startSession(other.sessionId);
  await settle();
  const told = invalidatedBy(back).map((file) => [file.fd, file.flags, file.name]);
  expect(told).toEqual([
    [other.root, ENTRY, 'two'],
    [other.root, INVALIDATE_ENTRY, 'one'],
    [fd, WRITTEN, ''],
  ]);
});

test('a client without a session changes things all the same', async () => {
  await start();
  const { openFD } = await create('file');
  const other = await another();
  const fd = await other.fd('file');
  expect(await toldOf(other, () => write(openFD, 'x'))).toEqual([[fd, WRITTEN, '']]);
});
