// A lisafs server of a folder of this host: what its messages do there, as Node's own calls see it.

import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_REMOVEDIR,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  UTIME_NOW,
  UTIME_OMIT,
} from '../../../src/abi/fcntl.ts';
import {
  S_IFREG,
  S_PERMISSIONS,
  STATX_ATIME,
  STATX_BTIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../../../src/abi/stat.ts';
import { timespecFromNs } from '../../../src/lib/clock.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { WALK_COMPONENT_SYMLINK } from '../../../src/lisafs/records.ts';
import { OWNER, useServedTree } from './served-support.ts';
import { asOrdinaryUser, isRoot, WAYS } from './support.ts';

const ZERO = { sec: 0, nsec: 0 };
const NO_CHANGE = { ...OWNER, mask: 0, mode: 0, size: 0, atime: ZERO, mtime: ZERO };
/** Who a gofer may give files to: anybody if it is root's. */
const otherId = isRoot ? 1234 : process.getuid!();

const permissionsOf = (path: string): number => lstatSync(path).mode & S_PERMISSIONS;

describe.each(WAYS)('$name', ({ access, calls }) => {
  const { tree, start, serve } = useServedTree();
  const begin = (): ReturnType<typeof start> => start({ access, calls });

  test('attributes are those of the host, with all digits', async () => {
    writeFileSync(tree().in('file'), 'hello');
    const client = await begin();
    const { statx, controlFD } = await client.walk('file');
    const host = lstatSync(tree().in('file'), { bigint: true });
    const { statx: again } = await client.call('FStat', { fd: controlFD });
    expect(again).toEqual(statx);
    expect(statx).toMatchObject({
      mode: Number(host.mode),
      nlink: 1,
      uid: Number(host.uid),
      gid: Number(host.gid),
      ino: host.ino,
      size: 5,
      blksize: Number(host.blksize),
      blocks: Number(host.blocks),
      mtime: timespecFromNs(host.mtimeNs),
      ctime: timespecFromNs(host.ctimeNs),
    });
    const knowsBirth = (statx.mask & STATX_BTIME) !== 0;
    expect(knowsBirth).toBe(host.birthtimeNs !== 0n);
    const root = await client.call('WalkStat', { dirFD: client.rootFD, path: ['', 'file'] });
    expect(root.stats.map(({ ino }) => ino)).toEqual([
      lstatSync(tree().root, { bigint: true }).ino,
      host.ino,
    ]);
  });

  test('statfs is the host’s', async () => {
    const client = await begin();
    const host = statfsSync(tree().root, { bigint: true });
    const answer = await client.call('FStatFS', { fd: client.rootFD });
    expect(answer).toMatchObject({ type: Number(host.type), blocks: host.blocks, nameLen: 255 });
    expect(answer.blockSize).toBe(Number(host.bsize));
  });

  test('a file is made, written, read, truncated and synced', async () => {
    const client = await begin();
    const { newFD, child } = await client.create('file', 0o640);
    expect(child.statx.mode).toBe(S_IFREG | 0o640);
    expect(await client.write(newFD, 'hello')).toBe(5);
    expect(await client.write(newFD, 'p', 4)).toBe(1);
    expect(await client.read(newFD)).toBe('hellp');
    expect(await client.read(newFD, 2, 1)).toBe('el');
    expect(await client.read(newFD, 10, 5)).toBe('');
    await client.call('FSync', { fds: [newFD] });
    await client.call('Flush', { fd: newFD });
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('hellp');
    expect(permissionsOf(tree().in('file'))).toBe(0o640);
    await client.open(O_WRONLY | O_TRUNC, 'file');
    expect(statSync(tree().in('file')).size).toBe(0);
  });

  test('create is exclusive, and follows nothing', async () => {
    writeFileSync(tree().in('file'), 'old');
    symlinkSync(tree().at('outside', 'new'), tree().in('link'));
    const client = await begin();
    for (const name of ['file', 'link']) {
      await expect(client.create(name)).rejects.toBe(linuxerr.EEXIST);
      await expect(client.mkdir(name)).rejects.toBe(linuxerr.EEXIST);
      await expect(client.symlink(name, 'x')).rejects.toBe(linuxerr.EEXIST);
      await expect(client.mknod(name, S_IFREG)).rejects.toBe(linuxerr.EEXIST);
    }
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('old');
    expect(readdirSync(tree().outside)).toEqual([]);
  });

  test('CreateWrite makes a file with its data', async () => {
    const client = await begin();
    const values = { dirFD: client.rootFD, ...OWNER, mode: 0o600, flags: O_RDWR, name: 'file' };
    const data = encodeUtf8('hello');
    const made = await client.call('CreateWrite', {
      ...values,
      data,
      clientFD: 0,
      clientOpenFD: 0,
    });
    expect(made.child.statx.size).toBe(5);
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('hello');
  });

  test('directories, symlinks and nodes are made, and removed', async () => {
    const client = await begin();
    await client.mkdir('directory', 0o1751);
    const link = await client.symlink('link', '../outside/ä');
    await client.mknod('node', S_IFREG | 0o604);
    expect(permissionsOf(tree().in('directory'))).toBe(0o1751);
    expect(readlinkSync(tree().in('link'))).toBe('../outside/ä');
    expect(permissionsOf(tree().in('node'))).toBe(0o604);
    const { target } = await client.call('ReadLinkAt', { fd: link.controlFD });
    expect(target).toBe('../outside/ä');
    const remove = (name: string, flags: number): Promise<object> =>
      client.call('UnlinkAt', { dirFD: client.rootFD, flags, name });
    await expect(remove('directory', 0)).rejects.toBe(linuxerr.EISDIR);
    await expect(remove('link', AT_REMOVEDIR)).rejects.toBe(linuxerr.ENOTDIR);
    await expect(remove('none', 0)).rejects.toBe(linuxerr.ENOENT);
    await remove('directory', AT_REMOVEDIR);
    await remove('link', 0);
    await remove('node', 0);
    expect(readdirSync(tree().root)).toEqual([]);
  });

  test('what is made is whose the client says, if root makes it', async () => {
    const client = await start({ access, calls, isRoot });
    const owner = { uid: otherId, gid: otherId };
    const common = { dirFD: client.rootFD, ...owner, mode: 0o755 };
    await client.call('OpenCreateAt', { ...common, flags: O_RDWR, name: 'file' });
    await client.call('MkdirAt', { ...common, name: 'directory' });
    await client.call('SymlinkAt', { dirFD: client.rootFD, ...owner, name: 'link', target: 'x' });
    for (const name of ['file', 'directory', 'link']) {
      const { uid, gid } = lstatSync(tree().in(name));
      expect([uid, gid]).toEqual([otherId, otherId]);
    }
    await client.create('mine');
    expect(lstatSync(tree().in('mine')).uid).toBe(process.getuid!());
  });

  test('what is made is the gofer’s, if that isn’t root', async () => {
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o777);
    await asOrdinaryUser(async () => {
      const client = await begin();
      const common = { dirFD: client.rootFD, uid: 0, gid: 0, mode: 0o755 };
      const { childDir } = await client.call('MkdirAt', { ...common, name: 'directory' });
      expect(childDir.statx.uid).toBe(process.geteuid!());
    });
  });

  test('a name is linked, also a symlink', async () => {
    writeFileSync(tree().in('file'), 'x');
    symlinkSync('file', tree().in('link'));
    mkdirSync(tree().in('directory'));
    const client = await begin();
    const dirFD = await client.fd('directory');
    for (const name of ['file', 'link']) {
      const { controlFD: targetFD, statx } = await client.walk(name);
      const { link } = await client.call('LinkAt', { dirFD, targetFD, name });
      expect([link.statx.ino, link.statx.nlink]).toEqual([statx.ino, 2]);
      expect(lstatSync(tree().in('directory', name), { bigint: true }).ino).toBe(statx.ino);
      const again = client.call('LinkAt', { dirFD, targetFD, name });
      await expect(again).rejects.toBe(linuxerr.EEXIST);
    }
  });

  test('a file is linked whose directory the client has closed, and that was moved', async () => {
    mkdirSync(tree().in('a'));
    mkdirSync(tree().in('b'));
    writeFileSync(tree().in('a', 'file'), 'x');
    const client = await begin();
    const [a, b] = [await client.fd('a'), await client.fd('b')];
    const { inodes } = await client.call('Walk', { dirFD: a, path: ['file'] });
    const targetFD = inodes[0]!.controlFD;
    await client.call('Close', { fds: [a] });
    await client.call('LinkAt', { dirFD: b, targetFD, name: 'one' });
    const names = { oldDir: await client.fd('a'), oldName: 'file', newDir: b, newName: 'moved' };
    await client.call('RenameAt', names);
    await client.call('Close', { fds: [b, names.oldDir] });
    await client.call('LinkAt', { dirFD: client.rootFD, targetFD, name: 'two' });
    expect(readdirSync(tree().in('b')).toSorted()).toEqual(['moved', 'one']);
    expect(statSync(tree().in('two')).nlink).toBe(3);
  });

  test('renaming moves and replaces; what was open stays itself', async () => {
    mkdirSync(tree().in('directory', 'inner'), { recursive: true });
    writeFileSync(tree().in('directory', 'inner', 'file'), 'mine');
    writeFileSync(tree().in('other'), 'replaced');
    const client = await begin();
    const [directory, inner] = [
      await client.fd('directory'),
      await client.fd('directory', 'inner'),
    ];
    const fd = await client.fd('directory', 'inner', 'file');
    const { openFD } = await client.call('OpenAt', { fd, flags: O_RDWR });
    const other = await client.open(O_RDONLY, 'other');
    const root = client.rootFD;
    const rename = (oldDir: number, oldName: string, newDir: number, newName: string) =>
      client.call('RenameAt', { oldDir, oldName, newDir, newName });
    await rename(root, 'directory', root, 'moved');
    expect(readdirSync(tree().root).toSorted()).toEqual(['moved', 'other']);
    // Files beneath it are where they are now.
    expect((await client.call('FStat', { fd })).statx.size).toBe(4);
    await client.write(openFD, 'M');
    await rename(inner, 'file', root, 'other');
    expect(readFileSync(tree().in('other'), 'utf8')).toBe('Mine');
    expect(await client.read(other)).toBe('replaced');
    const { openFD: again } = await client.call('OpenAt', { fd, flags: O_RDONLY });
    expect(await client.read(again)).toBe('Mine');
    await expect(rename(root, 'none', root, 'x')).rejects.toBe(linuxerr.ENOENT);
    await expect(rename(root, 'moved', inner, 'x')).rejects.toBe(linuxerr.EINVAL);
    expect((await client.call('FStat', { fd: directory })).statx.nlink).toBeGreaterThan(0);
  });

  test('renaming takes flags', async () => {
    writeFileSync(tree().in('a'), 'a');
    writeFileSync(tree().in('b'), 'b');
    const client = await begin();
    const [oldDir, newDir] = [client.rootFD, client.rootFD];
    const rename = (newName: string, flags: number): Promise<object> =>
      client.call('RenameAt2', { oldDir, newDir, oldName: 'a', newName, flags });
    await expect(rename('b', RENAME_NOREPLACE)).rejects.toBe(linuxerr.EEXIST);
    await expect(rename('b', 8)).rejects.toBe(linuxerr.EINVAL);
    if (calls.rename === undefined) {
      await expect(rename('b', RENAME_EXCHANGE)).rejects.toBe(linuxerr.EINVAL);
    } else {
      const fd = await client.fd('a');
      await rename('b', RENAME_EXCHANGE);
      expect(readFileSync(tree().in('a'), 'utf8')).toBe('b');
      const { openFD } = await client.call('OpenAt', { fd, flags: O_RDONLY });
      expect(await client.read(openFD)).toBe('a');
    }
  });

  test('an open file that was removed is read and written on', async () => {
    writeFileSync(tree().in('file'), 'hello');
    const client = await begin();
    const openFD = await client.open(O_RDWR, 'file');
    await client.call('UnlinkAt', { dirFD: client.rootFD, flags: 0, name: 'file' });
    expect(readdirSync(tree().root)).toEqual([]);
    await client.write(openFD, 'J');
    expect(await client.read(openFD)).toBe('Jello');
    await client.create('file');
    expect(await client.read(openFD)).toBe('Jello');
  });

  test('attributes are set each by itself', async () => {
    writeFileSync(tree().in('file'), 'hello');
    linkSync(tree().in('file'), tree().in('other'));
    const client = await begin();
    const fd = await client.fd('file');
    const all = STATX_MODE | STATX_SIZE | STATX_ATIME | STATX_MTIME | STATX_UID | STATX_GID;
    const changes = { ...NO_CHANGE, fd, mask: all, mode: 0o1604, size: 2, gid: otherId };
    const [atime, mtime] = [
      { sec: 1_000_000_000, nsec: 123_000_000 },
      { sec: 1_500_000_000, nsec: 5000 },
    ];
    const done = await client.call('SetStat', { ...changes, atime, mtime });
    expect(done).toEqual({ failureMask: 0, failureErrno: 0 });
    const host = lstatSync(tree().in('other'), { bigint: true });
    expect(Number(host.mode) & S_PERMISSIONS).toBe(0o1604);
    expect([host.size, host.atimeNs]).toEqual([2n, 1_000_000_000_123_000_000n]);
    expect(host.mtimeNs / 1000n).toBe(1_500_000_000_000_005n);
    // NO_ID: as it is.
    expect([Number(host.uid), Number(host.gid)]).toEqual([process.getuid!(), otherId]);
    // What isn't asked for isn't looked at.
    await client.call('SetStat', { ...NO_CHANGE, fd, mask: STATX_MODE, mode: 0o600, size: 0 });
    expect(lstatSync(tree().in('file')).size).toBe(2);
    const times = STATX_ATIME | STATX_MTIME;
    const now = { atime: { sec: 0, nsec: UTIME_OMIT }, mtime: { sec: 0, nsec: UTIME_NOW } };
    await client.call('SetStat', { ...NO_CHANGE, fd, mask: times, ...now });
    const touched = lstatSync(tree().in('file'));
    expect(Math.round(touched.atimeMs)).toBe(1_000_000_000_123);
    expect(touched.mtimeMs).toBeGreaterThan(1_600_000_000_000);
    const bad = { ...NO_CHANGE, fd, mask: STATX_ATIME, atime: { sec: 0, nsec: 1_000_000_000 } };
    await expect(client.call('SetStat', bad)).rejects.toBe(linuxerr.EINVAL);
  });

  test('of attributes that can’t be set it is told which, and the others are', async () => {
    mkdirSync(tree().in('directory'));
    const client = await begin();
    const fd = await client.fd('directory');
    const mask = STATX_MODE | STATX_SIZE;
    const answer = await client.call('SetStat', { ...NO_CHANGE, fd, mask, mode: 0o700, size: 0 });
    expect(answer).toEqual({ failureMask: STATX_SIZE, failureErrno: linuxerr.EISDIR.errno });
    expect(permissionsOf(tree().in('directory'))).toBe(0o700);
  });

  test('walks follow nothing, and end where something isn’t a directory', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), '');
    symlinkSync('directory', tree().in('link'));
    const client = await begin();
    const dirFD = client.rootFD;
    const walk = await client.call('Walk', { dirFD, path: ['link', 'file'] });
    expect([walk.status, walk.inodes.length]).toEqual([WALK_COMPONENT_SYMLINK, 1]);
    const none = await client.call('Walk', { dirFD, path: ['directory', 'none', 'x'] });
    expect([none.status, none.inodes.length]).toEqual([1, 1]);
    const through = client.call('Walk', { dirFD, path: ['directory', 'file', 'x'] });
    await expect(through).rejects.toBe(linuxerr.ENOTDIR);
  });

  test('space is allocated where the host can', async () => {
    const client = await begin();
    const { newFD } = await client.create('file');
    const allocate = (mode: number): Promise<object> =>
      client.call('FAllocate', { fd: newFD, mode, offset: 0, length: 10_000 });
    if (calls.allocate === undefined) {
      await expect(allocate(0)).rejects.toBe(linuxerr.EOPNOTSUPP);
    } else {
      await allocate(0);
      expect(statSync(tree().in('file')).size).toBe(10_000);
    }
    // More than a C int holds.
    await expect(allocate(2 ** 32)).rejects.toBe(linuxerr.EOPNOTSUPP);
  });

  test('clients of one server see one tree, and each other’s renames', async () => {
    const served = await serve({ access, calls });
    const [one, two] = [await served.connect(), await served.connect()];
    const { newFD } = await one.create('file');
    await one.write(newFD, 'hello');
    const fd = await two.fd('file');
    const [oldDir, newDir] = [one.rootFD, one.rootFD];
    await one.call('RenameAt', { oldDir, oldName: 'file', newDir, newName: 'moved' });
    const { openFD } = await two.call('OpenAt', { fd, flags: O_RDONLY });
    expect(await two.read(openFD)).toBe('hello');
  });

  test('the root is the directory that was opened, whatever becomes of its path', async () => {
    const served = await serve({ access, calls });
    renameSync(tree().root, tree().at('moved'));
    mkdirSync(tree().root);
    writeFileSync(tree().in('wrong'), '');
    if (access === 'pinned') {
      const client = await served.connect();
      await client.create('right');
      expect(readdirSync(tree().at('moved'))).toEqual(['right']);
    } else {
      await expect(served.connect()).rejects.toBe(linuxerr.ESTALE);
    }
  });
});
