// Files by 9P: walks, data, directories, attributes.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { DT_DIR, DT_REG, S_IFDIR, S_IFIFO, S_IFMT } from '../../../src/abi/stat.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import {
  type Dirent,
  GETATTR_BASIC,
  GETATTR_BTIME,
  QTDIR,
  QTFILE,
  QTSYMLINK,
  SETATTR_CTIME,
  SETATTR_MODE,
  SETATTR_SIZE,
} from '../../../src/p9/records.ts';
import { type Attached, attach, read, useServer, write } from './support.ts';

const serve = useServer();
const GOOGLE = '9P2000.L.Google.13';
const NO_TIME = { sec: 0, nsec: 0 };
const ALL = 0xffff_ffff_ffff_ffffn;

async function getattr({ client }: Pick<Attached, 'client'>, fid: number, requestMask = ALL) {
  return client.call('getattr', { fid, requestMask });
}

function setattrOf(fid: number, valid: number, changed: { mode?: number; size?: number }) {
  const owner = { uid: 0, gid: 0, atime: NO_TIME, mtime: NO_TIME };
  return { fid, valid, mode: 0, size: 0, ...owner, ...changed };
}

test('a file is made, written, read and found again', async () => {
  const { client, root } = await attach(serve());
  const fid = await client.create(root, 'a', O_RDWR);
  expect(await write(client, fid, 'some text')).toBe(9);
  expect(await read(client, fid, 4, 5)).toBe('text');
  await client.call('fsync', { fid, datasync: undefined });
  await client.call('fsync', { fid, datasync: 1 });
  await client.call('clunk', { fid });
  expect(await read(client, await client.open(root, O_RDONLY, 'a'))).toBe('some text');
  await expect(read(client, fid)).rejects.toBe(linuxerr.EBADF);
});

test('a partial walk tells how far it came, and leaves the new fid alone', async () => {
  const { client, root } = await attach(serve());
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  const walk = (...names: string[]) => client.call('walk', { fid: root, newfid: 50, names });
  expect((await walk('d', 'none', 'x')).qids.map(({ type }) => type)).toEqual([QTDIR]);
  await expect(client.walk(50)).rejects.toBe(linuxerr.EBADF);
  await expect(walk('none')).rejects.toBe(linuxerr.ENOENT);
  const same = { fid: root, newfid: root, names: ['d', 'none'] };
  expect((await client.call('walk', same)).qids).toHaveLength(1);
  expect((await walk('d')).qids).toHaveLength(1);
});

test('gVisor’s walks fail as a whole', async () => {
  const { client, root } = await attach(serve(), GOOGLE);
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  const values = { fid: root, newfid: 50, names: ['d', 'none'] };
  await expect(client.call('walk', values)).rejects.toBe(linuxerr.ENOENT);
  const dots = { fid: root, newfid: 50, names: ['..'] };
  await expect(client.call('walk', dots)).rejects.toBe(linuxerr.EINVAL);
  const many = { fid: root, newfid: 50, names: ['d', ...Array<string>(20).fill('x')] };
  await expect(client.call('walk', many)).rejects.toBe(linuxerr.ENOENT);
});

test('a fid takes the place of the one it was walked from', async () => {
  const { client, root } = await attach(serve());
  const fid = await client.walk(root);
  await client.call('mkdir', { dfid: fid, name: 'd', mode: 0o755, gid: 0 });
  const { qids } = await client.call('walk', { fid, newfid: fid, names: ['d'] });
  expect((await getattr({ client }, fid)).qid.path).toBe(qids[0]!.path);
});

test('walks that are refused', async () => {
  const { client, root } = await attach(serve());
  await client.create(root, 'f', O_RDWR);
  const file = await client.walk(root, 'f');
  const refused = (names: string[], newfid = 50, fid = root) =>
    expect(client.call('walk', { fid, newfid, names })).rejects;
  await refused(['f'], root + 1, 77).toBe(linuxerr.EBADF);
  await refused(['f'], file).toBe(linuxerr.EINVAL);
  await refused([''], 50).toBe(linuxerr.EINVAL);
  await refused(['a/b'], 50).toBe(linuxerr.EINVAL);
  await refused(['x'.repeat(256)], 50).toBe(linuxerr.ENAMETOOLONG);
  await refused(Array<string>(17).fill('a'), 50).toBe(linuxerr.EINVAL);
  await refused(['x'], 50, file).toBe(linuxerr.ENOTDIR);
});

test('"." stays and ".." leads up, and never beyond the root', async () => {
  const served = await attach(serve());
  const { client, root } = served;
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  const { path } = (await getattr(served, root)).qid;
  for (const names of [['.'], ['..'], ['..', '..'], ['d', '..'], ['d', '.', '..', '..']]) {
    const fid = await client.walk(root, ...names);
    expect((await getattr(served, fid)).qid.path).toBe(path);
  }
  const below = await client.attach('d');
  expect((await getattr(served, await client.walk(below, '..'))).qid.path).toBe(path);
});

test('as many fids as a client may have, and no more', async () => {
  const { client, root } = await attach(serve({ fidsMax: 3 }));
  const fid = await client.walk(root);
  await client.walk(root);
  await expect(client.walk(root)).rejects.toBe(linuxerr.EMFILE);
  await expect(client.attach()).rejects.toBe(linuxerr.EMFILE);
  await client.call('clunk', { fid });
  await client.walk(root);
});

test('open looks at what there is', async () => {
  const { client, root } = await attach(serve());
  await client.create(root, 'f', O_RDWR);
  await client.call('symlink', { dfid: root, name: 's', target: 'f', gid: 0 });
  const refused = (flags: number, ...names: string[]) =>
    expect(client.open(root, flags, ...names)).rejects;
  await refused(O_WRONLY).toBe(linuxerr.EISDIR);
  await refused(O_TRUNC).toBe(linuxerr.EISDIR);
  await refused(O_RDONLY, 's').toBe(linuxerr.EINVAL);
  await refused(3, 'f').toBe(linuxerr.EINVAL);
  await refused(O_DIRECTORY, 'f').toBe(linuxerr.ENOTDIR);
  const fid = await client.open(root, O_RDONLY, 'f');
  await expect(client.call('lopen', { fid, flags: O_RDONLY })).rejects.toBe(linuxerr.EINVAL);
  await expect(write(client, fid, 'x')).rejects.toBe(linuxerr.EBADF);
  const writer = await client.open(root, O_WRONLY, 'f');
  await expect(read(client, writer)).rejects.toBe(linuxerr.EBADF);
  const dir = await client.open(root, O_RDONLY);
  await expect(read(client, dir)).rejects.toBe(linuxerr.EISDIR);
  const list = client.call('readdir', { fid, offset: 0n, count: 100 });
  await expect(list).rejects.toBe(linuxerr.ENOTDIR);
});

test('O_APPEND writes to the end, whatever the offset', async () => {
  const { client, root } = await attach(serve());
  await write(client, await client.create(root, 'f', O_RDWR), 'one');
  const fid = await client.open(root, O_RDWR | O_APPEND, 'f');
  await write(client, fid, 'two', 0);
  expect(await read(client, fid)).toBe('onetwo');
});

test('create opens what is there already, unless it is to be new', async () => {
  const { client, root } = await attach(serve());
  await write(client, await client.create(root, 'f', O_RDWR), 'text');
  expect(await read(client, await client.create(root, 'f', O_RDWR | O_CREAT))).toBe('text');
  const exclusive = client.create(root, 'f', O_RDWR | O_CREAT | O_EXCL);
  await expect(exclusive).rejects.toBe(linuxerr.EEXIST);
  await client.call('symlink', { dfid: root, name: 's', target: 'f', gid: 0 });
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  await expect(client.create(root, 's', O_RDWR | O_CREAT)).rejects.toBe(linuxerr.ELOOP);
  await expect(client.create(root, 'd', O_RDWR | O_CREAT)).rejects.toBe(linuxerr.EISDIR);
  const google = await attach(serve(), GOOGLE);
  await google.client.create(google.root, 'f', O_RDWR);
  await expect(google.client.create(google.root, 'f', O_RDWR)).rejects.toBe(linuxerr.EEXIST);
});

test('a directory is read piece by piece, from any entry on', async () => {
  const { client, root } = await attach(serve());
  const names = Array.from({ length: 20 }, (_, index) => `name-${index}`);
  for (const name of names) await client.create(root, name, O_RDWR);
  await client.call('mkdir', { dfid: root, name: 'dir', mode: 0o755, gid: 0 });
  const fid = await client.open(root, O_RDONLY);
  const list = async (offset: bigint, count = 100) =>
    (await client.call('readdir', { fid, offset, count })).entries;
  const all: Dirent[] = [];
  for (let offset = 0n; ; offset = all.at(-1)!.offset) {
    const entries = await list(offset);
    if (entries.length === 0) break;
    all.push(...entries);
  }
  const listed = all.map(({ name }) => name).filter((name) => name !== '.' && name !== '..');
  expect(listed.toSorted()).toEqual([...names, 'dir'].toSorted());
  const of = (name: string) => all.find((entry) => entry.name === name)!;
  expect([of('dir').type, of('dir').qid.type]).toEqual([DT_DIR, QTDIR]);
  expect([of('name-3').type, of('name-3').qid.type]).toEqual([DT_REG, QTFILE]);
  const { qid } = await getattr({ client }, await client.walk(root, 'name-3'));
  expect(of('name-3').qid.path).toBe(qid.path);
  expect((await list(all[4]!.offset)).at(0)).toEqual(all[5]);
  await expect(list(0n, 10)).rejects.toBe(linuxerr.EINVAL);
  await expect(list(1n << 60n)).rejects.toBe(linuxerr.EINVAL);
});

test('gVisor’s clients get no dots, and the type of a QID', async () => {
  const { client, root } = await attach(serve(), GOOGLE);
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  const fid = await client.open(root, O_RDONLY);
  const { entries } = await client.call('readdir', { fid, offset: 0n, count: 1000 });
  expect(entries.map(({ name, type }) => [name, type])).toEqual([['d', QTDIR]]);
});

test('a read gives no more than a message holds', async () => {
  const client = serve().connect();
  await client.version('9P2000.L', 1024);
  const root = await client.attach();
  const fid = await client.create(root, 'f', O_RDWR);
  for (let at = 0; at < 2000; at += 500) await write(client, fid, 'x'.repeat(500), at);
  const { data } = await client.call('read', { fid, offset: 0, count: 0xffff_ffff });
  expect(data).toHaveLength(1024 - 11);
});

test('getattr says what is valid, and no more than was asked for', async () => {
  const served = serve();
  const { client, root, memory } = await attach(served);
  const { valid, attr, qid } = await getattr({ client }, root);
  expect(valid).toBe(BigInt(GETATTR_BASIC));
  expect([attr.mode & S_IFMT, qid.type]).toEqual([S_IFDIR, QTDIR]);
  expect((await getattr({ client }, root, 3n)).valid).toBe(3n);
  memory.hasBirthTimes = true;
  expect((await getattr({ client }, root)).valid).toBe(BigInt(GETATTR_BASIC | GETATTR_BTIME));
});

test('setattr sets what its mask says', async () => {
  const { client, root, memory } = await attach(serve());
  const fid = await client.create(root, 'f', O_RDWR);
  await write(client, fid, 'some text');
  const before = (await getattr({ client }, fid)).qid.version;
  const valid = SETATTR_MODE | SETATTR_SIZE | SETATTR_CTIME;
  await client.call('setattr', setattrOf(fid, valid, { mode: 0o100600, size: 4 }));
  const { attr, qid } = await getattr({ client }, fid);
  expect([attr.mode & 0o7777, attr.size]).toEqual([0o600, 4]);
  expect(qid.version).not.toBe(before);
  const changes = memory.changes.length;
  await client.call('setattr', setattrOf(fid, SETATTR_CTIME, {}));
  expect(memory.changes).toHaveLength(changes);
  await expect(client.call('setattr', setattrOf(fid, 0x200, {}))).rejects.toBe(linuxerr.EINVAL);
});

test('setattrclunk’s fid is gone even if it fails', async () => {
  const { client, root } = await attach(serve(), GOOGLE);
  const fid = await client.walk(root);
  const values = setattrOf(fid, 0x200, {});
  await expect(client.call('setattrclunk', values)).rejects.toBe(linuxerr.EINVAL);
  await expect(getattr({ client }, fid)).rejects.toBe(linuxerr.EBADF);
});

test('walkgetattr and multigetattr tell attributes on the way', async () => {
  const { client, root } = await attach(serve(), GOOGLE);
  await client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 });
  const dir = await client.walk(root, 'd');
  await client.call('symlink', { dfid: dir, name: 's', target: '/x', gid: 0 });
  const walked = await client.call('walkgetattr', { fid: root, newfid: 50, names: ['d', 's'] });
  expect(walked.qids.map(({ type }) => type)).toEqual([QTDIR, QTSYMLINK]);
  expect(await client.call('readlink', { fid: 50 })).toEqual({ target: '/x' });
  const types = async (...names: string[]) =>
    (await client.call('multigetattr', { fid: root, names })).stats.map(({ qid }) => qid.type);
  expect(await types('', 'd', 's', 'below')).toEqual([QTDIR, QTDIR, QTSYMLINK]);
  expect(await types('none', 'd')).toEqual([]);
  await expect(client.call('readlink', { fid: root })).rejects.toBe(linuxerr.EINVAL);
});

test('statfs, allocate and flushf', async () => {
  const { client, root } = await attach(serve(), GOOGLE);
  expect(await client.call('statfs', { fid: root })).toMatchObject({ bsize: 4096, blocks: 8n });
  const fid = await client.create(root, 'f', O_RDWR);
  await client.call('allocate', { fid, mode: 0, offset: 0, length: 10 });
  await client.call('flushf', { fid });
  const reader = await client.open(root, O_RDONLY, 'f');
  const values = { fid: reader, mode: 0, offset: 0, length: 10 };
  await expect(client.call('allocate', values)).rejects.toBe(linuxerr.EBADF);
});

test('EROFS for whatever would change anything', async () => {
  const { client, root, memory } = await attach(serve({ isReadOnly: true }), GOOGLE);
  const [fid, dfid, name, gid] = [root, root, 'a', 0];
  const bytes = encodeUtf8('x');
  const requests = [
    client.call('lopen', { fid, flags: O_WRONLY }),
    client.call('lcreate', { fid, name, flags: O_RDONLY, mode: 0, gid }),
    client.call('symlink', { dfid, name, target: 'x', gid }),
    client.call('mknod', { dfid, name, mode: S_IFIFO, major: 0, minor: 0, gid }),
    client.call('mkdir', { dfid, name, mode: 0, gid }),
    client.call('renameat', { olddfid: root, oldname: name, newdfid: root, newname: 'b' }),
    client.call('rename', { fid, dfid, name }),
    client.call('unlinkat', { dfid, name, flags: 0 }),
    client.call('setattr', setattrOf(fid, SETATTR_MODE, {})),
    client.call('xattrcreate', { fid, name: 'user.a', attrSize: 1, flags: 0 }),
    client.call('setxattr', { fid, name: 'user.a', value: bytes, flags: 0 }),
    client.call('removexattr', { fid, name: 'user.a' }),
  ];
  const ends = await Promise.allSettled(requests);
  expect(ends.map((end) => end.status === 'rejected' && (end.reason as unknown))).toEqual(
    ends.map(() => linuxerr.EROFS),
  );
  await expect(client.call('remove', { fid: await client.walk(root) })).rejects.toBe(
    linuxerr.EROFS,
  );
  expect(memory.changes).toEqual([]);
});
