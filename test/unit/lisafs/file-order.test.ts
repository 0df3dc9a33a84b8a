// What is asked about one file is done in order, whichever of its names it was found by, and
// whichever client asks.

import { afterEach, describe, expect, test } from 'vitest';
import { O_RDWR, O_TRUNC } from '../../../src/abi/fcntl.ts';
import { STATX_MODE } from '../../../src/abi/stat.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { type MessageName, messageRow, type ResponseOf } from '../../../src/lisafs/messages.ts';
import { ServedTree } from '../../../src/served/served-tree.ts';
import { client, create, end, root, served, startSession, write } from './fixture.ts';
import { RawClient, settle } from './raw-client.ts';

afterEach(end);

const NO_TIME = { sec: 0, nsec: 0 };
const CHMOD = { mask: STATX_MODE, uid: 0, gid: 0, size: 0, atime: NO_TIME, mtime: NO_TIME };

function replyOf<Name extends MessageName>(
  { replies }: RawClient,
  name: Name,
  tag: number,
): ResponseOf<Name> | undefined {
  const frame = replies.find((reply) => reply.tag === tag);
  if (frame === undefined) return undefined;
  return messageRow(name).response!.decode(frame.payload) as ResponseOf<Name>;
}

/** What comes from now on isn't held; what waits already is. */
function holdWhatCame(release: () => void): () => void {
  served.tree.gate = undefined;
  return release;
}

interface Linked {
  /** By its first name. */
  readonly fd: number;
  readonly openFD: number;
  /** By its second. */
  readonly otherFd: number;
}

async function linked(): Promise<Linked> {
  const { fd, openFD } = await create('one');
  await write(openFD, 'text');
  const { link } = await client.call('LinkAt', { dirFD: root, targetFD: fd, name: 'two' });
  return { fd, openFD, otherFd: link.controlFD };
}

test('a look by one name comes after a write by another', async () => {
  await startSession();
  const { openFD, otherFd } = await linked();
  const release = served.tree.hold();
  client.send('PWrite', { fd: openFD, offset: 4, data: encodeUtf8(' and more') }, 100);
  await settle();
  const goOn = holdWhatCame(release);
  client.send('FStat', { fd: otherFd }, 101);
  await settle();
  expect(replyOf(client, 'FStat', 101)).toBeUndefined();
  goOn();
  await settle();
  expect(replyOf(client, 'FStat', 101)?.statx.size).toBe('text and more'.length);
});

test('and another client’s, and its opening and truncating', async () => {
  await startSession();
  const { fd } = await linked();
  const other = new RawClient(served);
  await other.startSession();
  const dirFD = await other.mount();
  const { inodes } = await other.call('Walk', { dirFD, path: ['two'] });
  const otherFd = inodes[0]!.controlFD;
  const release = served.tree.hold();
  client.send('SetStat', { fd, ...CHMOD, mode: 0o600 }, 100);
  await settle();
  const goOn = holdWhatCame(release);
  other.send('FStat', { fd: otherFd }, 101);
  other.send('OpenAt', { fd: otherFd, flags: O_RDWR | O_TRUNC }, 102);
  client.send('FStat', { fd }, 103);
  await settle();
  expect(other.replies.filter(({ tag }) => tag > 100)).toEqual([]);
  goOn();
  await settle();
  expect(replyOf(other, 'FStat', 101)!.statx.mode & 0o777).toBe(0o600);
  expect(replyOf(other, 'OpenAt', 102)?.openFD).toBeGreaterThan(0);
  expect(replyOf(client, 'FStat', 103)).toBeDefined();
});

test('a walk to a held name sees what was begun by another', async () => {
  await startSession();
  const { openFD } = await linked();
  const release = served.tree.hold();
  client.send('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('much longer') }, 100);
  await settle();
  const goOn = holdWhatCame(release);
  client.send('Walk', { dirFD: root, path: ['two'] }, 101);
  await settle();
  goOn();
  await settle();
  expect(replyOf(client, 'Walk', 101)?.inodes[0]?.statx.size).toBe('much longer'.length);
});

describe('locks', () => {
  test('stay while a request uses the file, and go with the last holder', async () => {
    const tree = new ServedTree();
    await startSession({ tree });
    const { fd, openFD, otherFd } = await linked();
    expect(tree.files.locks.size).toBe(1);
    const release = served.tree.hold();
    client.send('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('longer text') }, 100);
    client.send('Close', { fds: [fd, openFD, otherFd] }, 101);
    await settle();
    expect(tree.files.locks.size).toBe(1);
    // Whoever finds it now stands in line all the same.
    const goOn = holdWhatCame(release);
    client.send('WalkStat', { dirFD: root, path: ['two'] }, 102);
    await settle();
    goOn();
    await settle();
    expect(tree.files.locks.size).toBe(0);
  });

  test('come to no deadlock, whatever is done by two names at once', async () => {
    await startSession({ inFlightMax: 200 });
    const { fd, openFD, otherFd } = await linked();
    const other = new RawClient(served);
    await other.startSession();
    const dirFD = await other.mount();
    const release = served.tree.hold();
    let tag = 1000;
    for (let round = 0; round < 8; round++) {
      client.send('PWrite', { fd: openFD, offset: round, data: encodeUtf8('x') }, ++tag);
      client.send('SetStat', { fd: otherFd, ...CHMOD, mode: 0o600 + round }, ++tag);
      other.send('Walk', { dirFD, path: ['two'] }, ++tag);
      client.send('LinkAt', { dirFD: root, targetFD: otherFd, name: `link-${round}` }, ++tag);
      other.send('WalkOpenRead', { dirFD, path: ['one'], flags: 0, maxBytes: 10 }, ++tag);
      const move = { oldDir: dirFD, oldName: `link-${round}`, newDir: dirFD, newName: 'three' };
      other.send('RenameAt', move, ++tag);
      client.send('UnlinkAt', { dirFD: root, flags: 0, name: 'three' }, ++tag);
      client.send('FStat', { fd }, ++tag);
      other.send('ListDir', { dirFD, cookie: 0, maxBytes: 10_000, flags: 3 }, ++tag);
    }
    await settle();
    release();
    for (let turn = 0; turn < 20; turn++) await settle();
    const answered = [...client.replies, ...other.replies].filter((reply) => reply.tag > 1000);
    expect(answered).toHaveLength(tag - 1000);
  });
});
