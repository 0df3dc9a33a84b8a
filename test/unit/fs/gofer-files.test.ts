// A gofer's client and the server's files: what it holds there, and lets go of, whatever becomes of
// them and of whoever waits.

import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
} from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT } from '../../../src/abi/stat.ts';
import { GoferInode } from '../../../src/fs/gofer/gofer-inode.ts';
import type { GoferOptions } from '../../../src/fs/gofer/mount-options.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import { MemoryGofer, orInterrupted, type Program, until } from './memory-gofer.ts';

let gofer: MemoryGofer;
let program: Program;

beforeEach(() => {
  gofer = new MemoryGofer();
});

afterEach(async () => {
  await gofer.close();
});

async function mount(cache: string, options: GoferOptions = {}): Promise<void> {
  await gofer.mount({ cache, ...options });
  program = await gofer.program();
}

describe('what nobody refers to', () => {
  test('a file given up before it was synced is forgotten when it is removed', async () => {
    await mount('exclusive');
    const [paths, later] = ['a', 'b'].map((name) =>
      Array.from({ length: 1100 }, (_, index) => `/${name}${index}`),
    );
    for (const path of paths!) await program.write(path, 'x');
    // What is yet to be sent isn't given up.
    await until(() => gofer.gate.count('PWrite') === paths!.length);
    for (const path of later!) await program.write(path, 'x');
    expect(gofer.gate.count('FSync')).toBeGreaterThan(1000);
    for (const path of [...paths!, ...later!]) await program.unlink(path);
    await runAsync(program.sys.sync());
    expect(queryObjects(GoferInode)).toBeLessThan(100);
  });

  test('a file that the host replaces goes when the last has closed it', async () => {
    await mount('shared');
    const replaceOnce = async (): Promise<number> => {
      gofer.file('f', 'old');
      const fd = await program.open('/f');
      gofer.file('f', 'new');
      await program.stat('/f');
      expect(await program.readFd(fd)).toBe('old');
      await program.close(fd);
      return gofer.pinned();
    };
    const once = await replaceOnce();
    let pinned = 0;
    for (let round = 0; round < 50; round++) pinned = await replaceOnce();
    expect(pinned).toBe(once);
  });

  test.each(['exclusive', 'writethrough', 'shared', 'none'])(
    '%s: a file goes when another is renamed to its name',
    async (cache) => {
      await mount(cache);
      const replaceOnce = async (): Promise<number> => {
        await program.write('/new', 'x');
        const held = await program.open('/new');
        await program.run(program.sys.renameat2(AT_FDCWD, '/new', AT_FDCWD, '/f', 0));
        await program.close(held);
        await program.run(program.sys.sync());
        return gofer.pinned();
      };
      const once = await replaceOnce();
      let pinned = 0;
      for (let round = 0; round < 50; round++) pinned = await replaceOnce();
      expect(pinned).toBe(once);
    },
  );

  test('a file that is replaced while it is being opened is opened all the same', async () => {
    gofer.file('f', 'old');
    await mount('shared');
    // What is known is looked at and opened; anything else is found and opened at once.
    await program.stat('/f');
    gofer.gate.hold('OpenReadAt');
    const opening = program.open('/f');
    await until(() => gofer.gate.heldCount('OpenReadAt') === 1);
    gofer.file('f', 'new');
    await program.stat('/f');
    gofer.gate.open('OpenReadAt');
    const fd = await opening;
    expect(await program.readFd(fd)).toBe('old');
    await program.close(fd);
    expect(await program.read('/f')).toBe('new');
  });

  test('a file that was evicted before it was sent goes once it has been', async () => {
    for (let index = 0; index < 10; index++) gofer.file(`other-${index}`);
    await mount('exclusive', { dentry_cache_limit: 1 });
    await program.write('/first', 'x');
    await program.run(program.sys.sync());
    const before = await gofer.pinned();
    await program.write('/second', 'dirty');
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 10; index++) await program.stat(`/other-${index}`);
    }
    expect(gofer.root.children?.has('second')).toBe(false);
    await program.run(program.sys.sync());
    expect(await gofer.pinned()).toBeLessThanOrEqual(before);
    expect(await program.read('/second')).toBe('dirty');
  });

  test('names that a listing brings are no more than the limit', async () => {
    for (let index = 0; index < 100; index++) gofer.file(`file-${index}`);
    await mount('exclusive', { dentry_cache_limit: 10 });
    expect(await program.list('/')).toHaveLength(100);
    expect(gofer.root.children?.size).toBeLessThanOrEqual(10);
  });
});

describe('who is interrupted', () => {
  test('in a lookup leaves nothing open', async () => {
    gofer.file('file', '', gofer.directory('dir'));
    await mount('exclusive');
    const before = await gofer.pinned();
    gofer.gate.hold('Walk');
    const looking = orInterrupted(program.stat('/dir/file'));
    await until(() => gofer.gate.heldCount('Walk') === 1);
    program.interrupt();
    expect(await looking).toBe('interrupted');
    gofer.gate.open('Walk');
    expect(await gofer.pinned()).toBe(before);
  });

  test('while a symlink is read leaves nothing open', async () => {
    const link = gofer.tree.newInode(S_IFLNK | 0o777);
    link.target = 'nowhere';
    gofer.tree.top.names.set('link', link);
    await mount('exclusive');
    const before = await gofer.pinned();
    gofer.gate.hold('ReadLinkAt');
    const looking = orInterrupted(program.stat('/link'));
    await until(() => gofer.gate.heldCount('ReadLinkAt') === 1);
    program.interrupt();
    expect(await looking).toBe('interrupted');
    gofer.gate.open('ReadLinkAt');
    expect(await gofer.pinned()).toBe(before);
  });

  test.each([
    ['OpenReadAt', O_RDONLY],
    ['OpenAt', O_RDWR],
  ] as const)('in %s leaves nothing open', async (name, flags) => {
    gofer.file('file', 'text');
    await mount('exclusive');
    await program.stat('/file');
    const before = await gofer.pinned();
    gofer.gate.hold(name);
    const opening = orInterrupted(program.open('/file', flags));
    await until(() => gofer.gate.heldCount(name) === 1);
    program.interrupt();
    expect(await opening).toBe('interrupted');
    gofer.gate.open(name);
    expect(await gofer.pinned()).toBe(before);
  });

  test('in a truncation knows the size that the server has', async () => {
    const file = gofer.file('file', 'x'.repeat(100_000));
    await mount('exclusive');
    const fd = await program.open('/file', O_RDWR);
    gofer.gate.hold('PRead');
    const call = orInterrupted(program.run(program.sys.ftruncate(fd, 70_001)));
    const outcome = await Promise.race([
      call,
      until(() => gofer.gate.heldCount('PRead') > 0).then(() => 'reading'),
    ]);
    program.interrupt();
    gofer.gate.open('PRead');
    await call;
    expect(outcome).not.toBe('interrupted');
    expect(file.data.length).toBe(70_001);
    expect((await program.stat('/file')).size).toBe(70_001);
    // What is behind the end is zeros again.
    await program.run(program.sys.pwrite(fd, encodeUtf8('y'), 80_000));
    const buffer = new Uint8Array(20_000);
    expect(await program.run(program.sys.pread(fd, buffer, 69_999))).toBe(10_002);
    expect([...buffer.subarray(0, 3)]).toEqual([0x78, 0x78, 0]);
    expect(buffer.subarray(2, 10_001).every((byte) => byte === 0)).toBe(true);
  });
});

describe('a server that is started anew', () => {
  test('what is closed meanwhile is nobody else’s descriptor', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `file-${index}`);
    for (const name of names) {
      gofer.file(`old-${name}`);
      gofer.file(name, name);
    }
    let dir = gofer.tree.top;
    for (const name of ['a', 'b', 'c', 'd']) dir = gofer.directory(name, dir);
    await mount('exclusive', { dentry_cache_limit: 12 });
    const fds: number[] = [];
    for (const name of names) fds.push(await program.open(`/${name}`, O_RDWR));
    for (const name of names) await program.read(`/old-${name}`);
    // More names than the limit: the next lookup evicts files that nobody has open.
    await program.stat('/a/b/c/d');
    gofer.gate.hold('Reclaim');
    gofer.restart();
    await until(() => gofer.gate.heldCount('Reclaim') === 1);
    const looking = program.stat('/nothing');
    await gofer.pinned();
    expect(gofer.root.children?.has('old-file-0')).toBe(false);
    gofer.gate.open('Reclaim');
    await expect(looking).rejects.toBe(linuxerr.ENOENT);
    for (const [index, name] of names.entries()) {
      await program.run(program.sys.pwrite(fds[index]!, encodeUtf8('F'), 0));
      await program.run(program.sys.fsync(fds[index]!));
      expect(gofer.tree.top.names.get(name)?.data[0]).toBe(0x46);
      await program.close(fds[index]!);
    }
    await program.mkdir('/a/b/c/d/e');
  });

  test('what is asked meanwhile is asked of the right file', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `file-${index}`);
    for (const name of names) gofer.file(name, name);
    await mount('shared');
    const fds: number[] = [];
    for (const name of names) fds.push(await program.open(`/${name}`));
    // Ids are given out in another order.
    for (const fd of fds.slice(0, 5)) await program.close(fd);
    for (const name of names.slice(0, 5)) gofer.tree.top.names.delete(name);
    gofer.gate.hold('Reclaim');
    gofer.restart();
    await until(() => gofer.gate.heldCount('Reclaim') === 1);
    const reading = fds.slice(5).map((fd) => program.readFd(fd));
    await gofer.pinned();
    gofer.gate.open('Reclaim');
    expect(await Promise.all(reading)).toEqual(names.slice(5));
  });

  test('a file that was made while there was no link is made then', async () => {
    await mount('exclusive');
    await program.mkdir('/dir');
    await program.write('/dir/before', 'x');
    await program.run(program.sys.sync());
    gofer.restart();
    await program.write('/dir/meanwhile', 'text');
    await program.run(program.sys.sync());
    const made = gofer.tree.top.names.get('dir')?.names.get('meanwhile');
    expect(made?.data).toEqual(encodeUtf8('text'));
    expect(await program.read('/dir/meanwhile')).toBe('text');
  });
});

describe('a directory that changes all the time', () => {
  const OTHERS = Array.from({ length: 8 }, (_, index) => `other-${index}`);

  async function busyDirectory(): Promise<void> {
    const dir = gofer.directory('dir');
    for (const name of ['wanted', ...OTHERS]) gofer.file(name, name, dir);
    await mount('exclusive');
    for (const name of OTHERS) await program.stat(`/dir/${name}`);
    gofer.gate.requests.length = 0;
  }

  test('a lookup gets through by one request', async () => {
    await busyDirectory();
    gofer.gate.hold('Walk');
    let isFound = false;
    const looking = program.stat('/dir/wanted').then(() => {
      isFound = true;
    });
    for (const name of OTHERS) {
      await until(() => isFound || gofer.gate.heldCount('Walk') === 1);
      await program.unlink(`/dir/${name}`);
      gofer.gate.release('Walk');
    }
    gofer.gate.open('Walk');
    await looking;
    expect(gofer.gate.count('Walk')).toBe(1);
  });

  test('a listing gets through by two, and says what there is', async () => {
    await busyDirectory();
    const fd = await program.open('/dir');
    gofer.gate.hold('ListDir');
    let isListed = false;
    const listing = program.run(program.sys.getdents(fd, 65_536)).finally(() => {
      isListed = true;
    });
    const removals: Promise<void>[] = [];
    for (const name of OTHERS) {
      await until(() => isListed || gofer.gate.heldCount('ListDir') === 1);
      removals.push(program.unlink(`/dir/${name}`));
      // As far as it comes.
      await gofer.pinned();
      gofer.gate.release('ListDir');
    }
    gofer.gate.open('ListDir');
    await Promise.all(removals);
    const names = (await listing).map(({ name }) => name);
    expect(gofer.gate.count('ListDir')).toBe(2);
    expect(names).toContain('wanted');
    expect(names).not.toContain(OTHERS[0]);
    await program.close(fd);
    expect(await program.list('/dir')).toEqual(['wanted']);
  });

  test('a lookup waits for a change of the name itself', async () => {
    await busyDirectory();
    const other = await gofer.program();
    gofer.gate.hold('MkdirAs');
    const making = program.mkdir('/dir/new');
    await until(() => gofer.gate.heldCount('MkdirAs') === 1);
    const before = gofer.gate.count('Walk');
    const looking = other.stat('/dir/new');
    await gofer.pinned();
    gofer.gate.open('MkdirAs');
    await making;
    expect((await looking).mode & S_IFMT).toBe(S_IFDIR);
    expect(gofer.gate.count('Walk')).toBe(before);
  });
});

describe('a host that does what it should not in exclusive mode', () => {
  test('a file that it replaces is found once more by its name', async () => {
    gofer.file('file', 'old');
    await mount('exclusive');
    await program.list('/');
    gofer.file('file', 'newer');
    expect(await program.read('/file')).toBe('newer');
    expect((await program.stat('/file')).size).toBe(5);
  });

  test('a directory on the way to a file is found once more', async () => {
    // Those that come late in a long listing come without descriptors, which would pin them.
    for (let index = 0; index < 2000; index++) gofer.file(`file-${index}`);
    gofer.file('file', 'old', gofer.directory('dir'));
    await mount('exclusive');
    await program.list('/');
    gofer.file('file', 'newer', gofer.directory('dir'));
    expect(await program.read('/dir/file')).toBe('newer');
    await program.write('/dir/other', 'x');
    expect(await program.list('/dir')).toEqual(['file', 'other']);
  });

  test('a file that it removes is ENOENT', async () => {
    gofer.file('file', 'old');
    await mount('exclusive');
    await program.list('/');
    gofer.tree.top.names.delete('file');
    await expect(program.open('/file')).rejects.toBe(linuxerr.ENOENT);
    expect(await program.list('/')).toEqual([]);
  });
});

describe('directories', () => {
  test('fsync of one gets to the host', async () => {
    await mount('exclusive');
    await program.mkdir('/dir');
    await program.write('/dir/file', 'x');
    await program.run(program.sys.sync());
    const before = gofer.tree.changes.filter((change) => change === 'sync').length;
    const fd = await program.open('/dir', O_DIRECTORY);
    const pinned = await gofer.pinned();
    await program.run(program.sys.fsync(fd));
    expect(gofer.tree.changes.filter((change) => change === 'sync').length).toBe(before + 1);
    expect(await gofer.pinned()).toBe(pinned);
    gofer.tree.failures.set('sync', linuxerr.ENOSPC);
    await expect(program.run(program.sys.fsync(fd))).rejects.toBe(linuxerr.ENOSPC);
    await program.run(program.sys.fsync(fd));
    await program.close(fd);
    await expect(program.run(program.sys.sync())).rejects.toBe(linuxerr.ENOSPC);
  });

  test('sync() makes changes of names last as well', async () => {
    gofer.file('file');
    await mount('writethrough');
    await program.run(program.sys.renameat2(AT_FDCWD, '/file', AT_FDCWD, '/moved', 0));
    await program.run(program.sys.sync());
    expect(gofer.tree.changes.slice(-1)).toEqual(['sync']);
  });

  test.each(['EACCES', 'ESTALE'] as const)('sync() of one that is %s is none', async (name) => {
    await mount('writethrough');
    await program.mkdir('/dir');
    gofer.tree.failures.set('sync', linuxerr[name]);
    await program.run(program.sys.sync());
    expect(gofer.tree.failures.has('sync')).toBe(false);
    const fd = await program.open('/dir');
    gofer.tree.failures.set('sync', linuxerr[name]);
    await expect(program.run(program.sys.fsync(fd))).rejects.toBe(linuxerr[name]);
    await program.close(fd);
  });

  test('fsync tells that a file in it could not be made', async () => {
    await mount('exclusive');
    await program.mkdir('/dir');
    await program.write('/dir/first', 'x');
    const fd = await program.open('/dir');
    await program.run(program.sys.fsync(fd));
    gofer.tree.failures.set('make second', linuxerr.ENOSPC);
    await program.close(await program.open('/dir/second', O_CREAT | O_RDWR));
    await expect(program.run(program.sys.fsync(fd))).rejects.toBe(linuxerr.ENOSPC);
    await expect(program.stat('/dir/second')).rejects.toBe(linuxerr.ENOENT);
    await program.close(fd);
    await expect(program.run(program.sys.sync())).rejects.toBe(linuxerr.ENOSPC);
  });

  test.each(['exclusive', 'shared'])(
    '%s: have one link for ever where the host does not count them',
    async (cache) => {
      // The tree in memory says 1 of all, as btrfs does.
      gofer.directory('sub', gofer.directory('dir'));
      await mount(cache);
      expect((await program.stat('/dir')).nlink).toBe(1);
      await program.unlink('/dir/sub', AT_REMOVEDIR);
      expect((await program.stat('/dir')).nlink).toBe(1);
      await program.mkdir('/dir/again');
      expect((await program.stat('/dir')).nlink).toBe(1);
      expect((await program.stat('/dir/again')).nlink).toBe(1);
      await program.write('/dir/again/file', 'x');
      expect(await program.read('/dir/again/file')).toBe('x');
    },
  );

  test('one with a name that is no text is not taken for empty', async () => {
    const top = gofer.directory('top');
    gofer.file('first', '', top);
    gofer.file('bad-bad-bad', '', gofer.directory('sub', top));
    const marker = encodeUtf8('bad-bad-bad');
    gofer.gate.alter = (frame) => {
      for (let at = 0; at + marker.length <= frame.length; at++) {
        if (marker.every((byte, index) => frame[at + index] === byte)) frame[at] = 0xff;
      }
    };
    await mount('exclusive');
    await program.unlink('/top/first');
    expect(await program.list('/top/sub')).toEqual([]);
    const removing = program.unlink('/top/sub', AT_REMOVEDIR);
    await expect(removing).rejects.toBe(linuxerr.ENOTEMPTY);
  });
});

describe('what a file is', () => {
  test('one whose number comes again is of the type that it is now', async () => {
    const file = gofer.file('file', 'text');
    await mount('shared');
    const fd = await program.open('/file');
    file.mode = S_IFDIR | 0o755;
    const { mode } = await program.stat('/file');
    expect(mode & S_IFMT).toBe(S_IFDIR);
    await program.close(fd);
  });

  test.each([
    ['says', 7, 7],
    ['does not know', NO_ID, 65_534],
  ])('a new one is whose the server %s, waited for or not', async (_title, uid, seen) => {
    gofer.tree.uid = uid;
    gofer.directory('dir');
    await mount('exclusive');
    const user = await gofer.program(1000);
    for (const name of ['first', 'second']) await user.write(`/dir/${name}`, 'x');
    await user.run(user.sys.sync());
    expect((await user.stat('/dir/first')).uid).toBe(seen);
    expect((await user.stat('/dir/second')).uid).toBe(seen);
  });

  test('a mode that was set meanwhile is kept', async () => {
    await mount('exclusive');
    await program.write('/first', 'x');
    gofer.gate.hold('CreateWrite');
    const fd = await program.open('/second', O_CREAT | O_TRUNC | O_RDWR, 0o600);
    await program.run(program.sys.fchmodat(AT_FDCWD, '/second', 0o640, 0));
    gofer.gate.open('CreateWrite');
    await program.run(program.sys.fsync(fd));
    expect((await program.stat('/second')).mode & 0o777).toBe(0o640);
    expect(gofer.tree.top.names.get('second')!.mode & 0o777).toBe(0o640);
    await program.close(fd);
  });
});
