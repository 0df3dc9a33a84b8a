// Names, extended attributes and locks by 9P, and what clients of lisafs learn of it.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_REMOVEDIR, O_RDONLY, O_RDWR, O_WRONLY, XATTR_REPLACE } from '../../../src/abi/fcntl.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import {
  INVALIDATE_ATTRIBUTES,
  INVALIDATE_DATA,
  INVALIDATE_ENTRY,
  INVALIDATE_GONE,
} from '../../../src/lisafs/extensions.ts';
import { MESSAGES as LISAFS } from '../../../src/lisafs/messages.ts';
import { Server as LisafsServer } from '../../../src/lisafs/server.ts';
import {
  LOCK_BLOCKED,
  LOCK_FLAGS_BLOCK,
  LOCK_FLAGS_RECLAIM,
  LOCK_SUCCESS,
  LOCK_TYPE_RDLCK,
  LOCK_TYPE_UNLCK,
  LOCK_TYPE_WRLCK,
} from '../../../src/p9/records.ts';
import { RawClient, settle } from '../lisafs/raw-client.ts';
import type { P9Client } from '../../support/p9-client.ts';
import { attach, read, useServer, write } from './support.ts';

const serve = useServer();
const GOOGLE = '9P2000.L.Google.13';

function mkdir(client: P9Client, dfid: number, name: string) {
  return client.call('mkdir', { dfid, name, mode: 0o755, gid: 0 });
}

describe('names', () => {
  test('are made, for whomever the message says', async () => {
    const { client, root } = await attach(serve(), GOOGLE);
    const at = { dfid: root, gid: 0 };
    const node = { ...at, mode: S_IFIFO | 0o644, major: 0, minor: 0 };
    await client.call('mknod', { ...node, name: 'a' });
    await client.call('umknod', { ...node, name: 'b', uid: 1 });
    await client.call('usymlink', { ...at, name: 'c', target: 'x', uid: 1 });
    await client.call('umkdir', { ...at, name: 'd', mode: 0o700, uid: 1 });
    const fid = await client.walk(root);
    await client.call('ucreate', { fid, name: 'e', flags: O_RDWR, mode: 0o600, gid: 0, uid: 1 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.walk(root, name);
    await expect(mkdir(client, root, 'a')).rejects.toBe(linuxerr.EEXIST);
    await expect(mkdir(client, root, '..')).rejects.toBe(linuxerr.EINVAL);
    await expect(mkdir(client, await client.walk(root, 'a'), 'x')).rejects.toBe(linuxerr.ENOTDIR);
  });

  test('a link is another name of the file', async () => {
    const { client, root } = await attach(serve());
    await write(client, await client.create(root, 'a', O_RDWR), 'text');
    const fid = await client.walk(root, 'a');
    await client.call('link', { dfid: root, fid, name: 'b' });
    expect(await read(client, await client.open(root, O_RDONLY, 'b'))).toBe('text');
    const ofDirectory = client.call('link', { dfid: root, fid: root, name: 'c' });
    await expect(ofDirectory).rejects.toBe(linuxerr.EPERM);
  });

  test('unlinkat removes files, and directories with its flag', async () => {
    const { client, root } = await attach(serve());
    const open = await client.create(root, 'f', O_RDWR);
    await mkdir(client, root, 'd');
    const unlink = (name: string, flags: number) =>
      client.call('unlinkat', { dfid: root, name, flags });
    await expect(unlink('d', 0)).rejects.toBe(linuxerr.EISDIR);
    await expect(unlink('f', AT_REMOVEDIR)).rejects.toBe(linuxerr.ENOTDIR);
    await expect(unlink('f', 1)).rejects.toBe(linuxerr.EINVAL);
    const dir = await client.walk(root, 'd');
    await unlink('d', AT_REMOVEDIR);
    await unlink('f', 0);
    await expect(client.walk(root, 'f')).rejects.toBe(linuxerr.ENOENT);
    await expect(mkdir(client, dir, 'x')).rejects.toBe(linuxerr.EINVAL);
    await write(client, open, 'still there');
    expect(await read(client, open)).toBe('still there');
  });

  test('rename and remove find the name that a fid’s file has by now', async () => {
    const { client, root } = await attach(serve());
    await mkdir(client, root, 'a');
    await mkdir(client, await client.walk(root, 'a'), 'b');
    await client.create(await client.walk(root, 'a', 'b'), 'f', O_RDWR);
    const fid = await client.walk(root, 'a', 'b', 'f');
    const move = { olddfid: root, oldname: 'a', newdfid: root, newname: 'c' };
    await client.call('renameat', move);
    await client.call('rename', { fid, dfid: root, name: 'g' });
    await client.walk(root, 'g');
    await client.call('rename', { fid, dfid: await client.walk(root, 'c'), name: 'h' });
    await client.call('remove', { fid });
    await expect(client.walk(await client.walk(root, 'c'), 'h')).rejects.toBe(linuxerr.ENOENT);
    await expect(client.walk(fid)).rejects.toBe(linuxerr.EBADF);
  });

  test('remove clunks even if it fails', async () => {
    const { client, root } = await attach(serve());
    await mkdir(client, root, 'd');
    await mkdir(client, await client.walk(root, 'd'), 'e');
    const full = await client.walk(root, 'd');
    await expect(client.call('remove', { fid: full })).rejects.toBe(linuxerr.ENOTEMPTY);
    await expect(client.walk(full)).rejects.toBe(linuxerr.EBADF);
    const again = await client.walk(root);
    await expect(client.call('remove', { fid: again })).rejects.toBe(linuxerr.EBUSY);
    const gone = await client.walk(root, 'd', 'e');
    await client.call('remove', { fid: await client.walk(root, 'd', 'e') });
    await expect(client.call('remove', { fid: gone })).rejects.toBe(linuxerr.ENOENT);
  });

  test('a name that the host has given to another file is ESTALE', async () => {
    const { client, root, memory } = await attach(serve());
    await client.create(root, 'f', O_RDWR);
    await client.create(root, 'g', O_RDWR);
    const fid = await client.walk(root, 'f');
    memory.top.names.set('f', memory.top.names.get('g')!);
    const renamed = client.call('rename', { fid, dfid: root, name: 'h' });
    await expect(renamed).rejects.toBe(linuxerr.ESTALE);
  });
});

describe('extended attributes', () => {
  async function setXattr(client: P9Client, fid: number, name: string, text: string, flags = 0) {
    const clone = await client.walk(fid);
    const values = { fid: clone, name, attrSize: text.length, flags };
    await client.call('xattrcreate', values);
    for (let at = 0; at < text.length; at += 2) {
      await write(client, clone, text.slice(at, at + 2), at);
    }
    await client.call('clunk', { fid: clone });
  }

  async function xattr(client: P9Client, fid: number, name: string): Promise<string> {
    const newfid = client.newFid();
    const { size } = await client.call('xattrwalk', { fid, newfid, name });
    const text = await read(client, newfid, 1000);
    expect(text).toHaveLength(size);
    expect(await read(client, newfid, 3, 1)).toBe(text.slice(1, 4));
    return text;
  }

  test('are written, read, listed and removed like files', async () => {
    const { client, root } = await attach(serve());
    await setXattr(client, root, 'user.a', 'value');
    await setXattr(client, root, 'user.empty', '');
    expect(await xattr(client, root, 'user.a')).toBe('value');
    expect(await xattr(client, root, 'user.empty')).toBe('');
    expect(await xattr(client, root, '')).toBe('user.a\0user.empty\0');
    await setXattr(client, root, 'user.a', '', XATTR_REPLACE);
    await expect(xattr(client, root, 'user.a')).rejects.toBe(linuxerr.ENODATA);
  });

  test('one that is not whole is not set', async () => {
    const { client, root } = await attach(serve());
    const fid = await client.walk(root);
    await client.call('xattrcreate', { fid, name: 'user.a', attrSize: 4, flags: 0 });
    await expect(write(client, fid, 'xyz', 2)).rejects.toBe(linuxerr.EINVAL);
    await expect(write(client, fid, 'vwxyz')).rejects.toBe(linuxerr.EINVAL);
    await write(client, fid, 'xy');
    await expect(client.walk(fid)).rejects.toBe(linuxerr.EBUSY);
    await expect(client.call('clunk', { fid })).rejects.toBe(linuxerr.EINVAL);
    await expect(client.walk(fid)).rejects.toBe(linuxerr.EBADF);
    await expect(xattr(client, root, 'user.a')).rejects.toBe(linuxerr.ENODATA);
  });

  test('take no more memory than a client may have', async () => {
    const { client, root } = await attach(serve({ xattrBytesMax: 100 }));
    const create = async (attrSize: number): Promise<number> => {
      const fid = await client.walk(root);
      await client.call('xattrcreate', { fid, name: 'user.a', attrSize, flags: 0 });
      return fid;
    };
    await expect(create(65_537)).rejects.toBe(linuxerr.E2BIG);
    const fid = await create(60);
    await expect(create(60)).rejects.toBe(linuxerr.ENOMEM);
    await expect(client.call('clunk', { fid })).rejects.toBe(linuxerr.EINVAL);
    await create(60);
  });

  test('gVisor’s messages do the same at once', async () => {
    const { client, root: fid } = await attach(serve(), GOOGLE);
    const value = encodeUtf8('value');
    await client.call('setxattr', { fid, name: 'user.a', value, flags: 0 });
    const got = await client.call('getxattr', { fid, name: 'user.a', size: 0 });
    expect(decodeUtf8(got.value)).toBe('value');
    expect(await client.call('listxattr', { fid, size: 0 })).toEqual({ names: ['user.a'] });
    await client.call('removexattr', { fid, name: 'user.a' });
    expect(await client.call('listxattr', { fid, size: 0 })).toEqual({ names: [] });
  });
});

describe('locks', () => {
  function lockOf(fid: number, type: number, changed: { procId?: number; flags?: number } = {}) {
    const whose = { procId: 1, clientId: 'host', ...changed };
    return { fid, type, flags: 0, start: 0, length: 10, ...whose };
  }

  test('keep others out, until they are given up', async () => {
    const { client, root } = await attach(serve());
    const fid = await client.create(root, 'f', O_RDWR);
    const lock = async (type: number, procId: number) =>
      (await client.call('lock', lockOf(fid, type, { procId }))).status;
    expect(await lock(LOCK_TYPE_WRLCK, 1)).toBe(LOCK_SUCCESS);
    expect(await lock(LOCK_TYPE_RDLCK, 2)).toBe(LOCK_BLOCKED);
    const { flags: _, ...asked } = lockOf(fid, LOCK_TYPE_RDLCK, { procId: 2 });
    expect(await client.call('getlock', asked)).toEqual({
      ...{ type: LOCK_TYPE_WRLCK, start: 0, length: 10, procId: 1, clientId: 'host' },
    });
    expect(await lock(LOCK_TYPE_UNLCK, 1)).toBe(LOCK_SUCCESS);
    expect((await client.call('getlock', asked)).type).toBe(LOCK_TYPE_UNLCK);
    expect(await lock(LOCK_TYPE_RDLCK, 2)).toBe(LOCK_SUCCESS);
  });

  test('go with the fid, and with the client', async () => {
    const served = serve();
    const { client, root } = await attach(served);
    const fid = await client.create(root, 'f', O_RDWR);
    const other = await attach(served);
    const theirs = await other.client.open(other.root, O_RDWR, 'f');
    const lock = async (who: P9Client, of: number) =>
      (await who.call('lock', lockOf(of, LOCK_TYPE_WRLCK))).status;
    expect(await lock(client, fid)).toBe(LOCK_SUCCESS);
    expect(await lock(other.client, theirs)).toBe(LOCK_BLOCKED);
    await client.call('clunk', { fid });
    expect(await lock(other.client, theirs)).toBe(LOCK_SUCCESS);
    const again = await client.open(root, O_RDWR, 'f');
    expect(await lock(client, again)).toBe(LOCK_BLOCKED);
    await other.client.leave();
    await settle();
    expect(await lock(client, again)).toBe(LOCK_SUCCESS);
  });

  test('are waited for, which keeps nothing else from being done', async () => {
    const { client, root } = await attach(serve());
    const fid = await client.create(root, 'f', O_RDWR);
    await client.call('lock', lockOf(fid, LOCK_TYPE_WRLCK));
    const waits = { procId: 2, flags: LOCK_FLAGS_BLOCK };
    const waiting = client.call('lock', lockOf(fid, LOCK_TYPE_WRLCK, waits));
    await write(client, fid, 'text');
    await client.call('lock', lockOf(fid, LOCK_TYPE_UNLCK));
    expect((await waiting).status).toBe(LOCK_SUCCESS);
  });

  const BURROW = `burrow-${'0a'.repeat(16)}`;

  test('of Burrow’s clients are of the kind that their names say', async () => {
    const served = serve();
    const { client, root } = await attach(served);
    await client.create(root, 'f', O_RDWR);
    const fid = await client.open(root, O_RDONLY, 'f');
    const writer = await client.open(root, O_RDWR, 'f');
    const whole = { start: 0, length: 0 };
    const flock = async (owner: number, type: number) =>
      (
        await client.call('lock', {
          ...lockOf(fid, type, { procId: owner }),
          ...whole,
          clientId: `${BURROW}/${owner}/flock`,
        })
      ).status;
    // As with flock(2), a description that only reads may have it.
    expect(await flock(1, LOCK_TYPE_WRLCK)).toBe(LOCK_SUCCESS);
    expect(await flock(2, LOCK_TYPE_RDLCK)).toBe(LOCK_BLOCKED);
    const record = { ...lockOf(writer, LOCK_TYPE_WRLCK), clientId: `${BURROW}/3/record` };
    expect((await client.call('lock', record)).status).toBe(LOCK_SUCCESS);
    const ofd = { ...lockOf(writer, LOCK_TYPE_WRLCK), procId: 4, clientId: `${BURROW}/4/ofd` };
    expect((await client.call('lock', ofd)).status).toBe(LOCK_BLOCKED);
    expect((await client.call('lock', { ...ofd, start: 20 })).status).toBe(LOCK_SUCCESS);
    // It is no process’s.
    const asked = { ...lockOf(fid, LOCK_TYPE_RDLCK, { procId: 5 }), start: 20 };
    expect(await client.call('getlock', asked)).toMatchObject({ start: 20, procId: 0 });
    const clientId = `${BURROW}/1/flock`;
    const part = client.call('lock', { ...lockOf(fid, LOCK_TYPE_RDLCK), clientId });
    await expect(part).rejects.toBe(linuxerr.EINVAL);
    const question = client.call('getlock', { ...asked, ...whole, clientId });
    await expect(question).rejects.toBe(linuxerr.EINVAL);
    expect(await flock(1, LOCK_TYPE_UNLCK)).toBe(LOCK_SUCCESS);
    expect(await flock(2, LOCK_TYPE_WRLCK)).toBe(LOCK_SUCCESS);
  });

  test('are taken again by a client whose old link is taken to be there', async () => {
    const served = serve();
    const old = await attach(served);
    const fid = await old.client.create(old.root, 'f', O_RDWR);
    const clientId = `${BURROW}/1/record`;
    const lock = { ...lockOf(fid, LOCK_TYPE_WRLCK), clientId };
    expect((await old.client.call('lock', lock)).status).toBe(LOCK_SUCCESS);
    // Whoever waits there doesn’t get it in between.
    const waits = { flags: LOCK_FLAGS_BLOCK, clientId: `${BURROW}/2/record` };
    old.client.send('lock', { ...lock, ...waits });
    const { client, root } = await attach(served);
    const again = await client.open(root, O_RDWR, 'f');
    const retaken = { ...lock, fid: again };
    expect((await client.call('lock', retaken)).status).toBe(LOCK_BLOCKED);
    const flags = LOCK_FLAGS_RECLAIM;
    // Who has another name takes nothing from anybody.
    const others = [`burrow-${'0b'.repeat(16)}/1/record`, 'host'];
    for (const other of others) {
      const asked = { ...retaken, flags, clientId: other };
      expect((await client.call('lock', asked)).status).toBe(LOCK_BLOCKED);
    }
    expect((await client.call('lock', { ...retaken, flags })).status).toBe(LOCK_SUCCESS);
    await old.client.closed;
  });

  test('of very many owners, one after the other, by a fid that stays', async () => {
    const { client, root } = await attach(serve());
    const fid = await client.create(root, 'f', O_RDWR);
    const held = lockOf(fid, LOCK_TYPE_WRLCK, { procId: 1 });
    await client.call('lock', held);
    for (let procId = 2; procId < 10_100; procId++) {
      const lock = {
        ...lockOf(fid, LOCK_TYPE_WRLCK, { procId }),
        start: procId % 2 === 0 ? 0 : 10,
      };
      // Some get none, and have nothing to give up.
      const { status } = await client.call('lock', lock);
      expect(status).toBe(procId % 2 === 0 ? LOCK_BLOCKED : LOCK_SUCCESS);
      if (status === LOCK_SUCCESS) await client.call('lock', { ...lock, type: LOCK_TYPE_UNLCK });
    }
    expect((await client.call('lock', { ...held, procId: 2 })).status).toBe(LOCK_BLOCKED);
    await client.call('clunk', { fid });
    const again = await client.open(root, O_RDWR, 'f');
    const lock = { ...held, fid: again, procId: 2 };
    expect((await client.call('lock', lock)).status).toBe(LOCK_SUCCESS);
  });

  test('that are refused', async () => {
    const { client, root } = await attach(serve());
    await client.create(root, 'f', O_RDWR);
    const [reader, writer] = [
      await client.open(root, O_RDONLY, 'f'),
      await client.open(root, O_WRONLY, 'f'),
    ];
    const refused = (fid: number, type: number, changed: object = {}) =>
      expect(client.call('lock', { ...lockOf(fid, type), ...changed })).rejects;
    await refused(reader, LOCK_TYPE_WRLCK).toBe(linuxerr.EBADF);
    await refused(writer, LOCK_TYPE_RDLCK).toBe(linuxerr.EBADF);
    await refused(await client.walk(root, 'f'), LOCK_TYPE_RDLCK).toBe(linuxerr.EBADF);
    await refused(reader, 9).toBe(linuxerr.EINVAL);
    await refused(reader, LOCK_TYPE_RDLCK, { flags: 8 }).toBe(linuxerr.EINVAL);
    const start = Number.MAX_SAFE_INTEGER;
    await refused(reader, LOCK_TYPE_RDLCK, { start }).toBe(linuxerr.EINVAL);
    const clientId = 'x'.repeat(256);
    await refused(reader, LOCK_TYPE_RDLCK, { clientId }).toBe(linuxerr.ENAMETOOLONG);
  });
});

test('clients of lisafs are told what one of 9P changes, and wait while it renames', async () => {
  const served = serve();
  const { client, root } = await attach(served);
  const lisafs = new LisafsServer({
    root: () => served.memory.root(),
    tree: served.tree,
    locks: served.locks,
    clock: served.clock,
    randomBytes: (size) => new Uint8Array(size).fill(0xee),
    onError: (error) => served.errors.push(error),
  });
  const other = new RawClient({ server: lisafs, clock: served.clock });
  await other.startSession();
  const rootFD = await other.mount();
  await client.create(root, 'f', O_RDWR);
  const { inodes } = await other.call('Walk', { dirFD: rootFD, path: ['f'] });
  const told = async (): Promise<[number, number, string][]> => {
    await settle();
    const { mid, request } = LISAFS.Invalidate;
    const pushed = other.replies.filter((frame) => frame.mid === mid);
    other.replies.length = 0;
    return pushed
      .flatMap(({ payload }) => request.decode(payload).files)
      .map(({ fd, flags, name }) => [fd, flags, String(name)]);
  };
  await told();
  const file = inodes[0]!.controlFD;
  await write(client, await client.open(root, O_RDWR, 'f'), 'text');
  expect(await told()).toEqual([[file, INVALIDATE_ATTRIBUTES | INVALIDATE_DATA, '']]);
  const rename = { olddfid: root, oldname: 'f', newdfid: root, newname: 'g' };
  await client.call('renameat', rename);
  const moved = await told();
  expect(moved.map(([fd, , name]) => [fd, name])).toContainEqual([rootFD, 'f']);
  expect(moved.map(([fd, , name]) => [fd, name])).toContainEqual([rootFD, 'g']);
  await client.call('unlinkat', { dfid: root, name: 'g', flags: 0 });
  const gone = await told();
  expect(gone).toContainEqual([rootFD, INVALIDATE_ATTRIBUTES | INVALIDATE_ENTRY, 'g']);
  expect(gone).toContainEqual([file, INVALIDATE_ATTRIBUTES | INVALIDATE_GONE, '']);
  lisafs.stop();
  await settle();
});
