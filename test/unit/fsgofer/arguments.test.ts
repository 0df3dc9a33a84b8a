// What clients send: names in memory that changes, and numbers that are none. Nothing is done
// before it is known to be good, and nothing else is done than what was looked at.

import { Buffer } from 'node:buffer';
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { O_RDONLY, O_RDWR, SEEK_DATA, UTIME_NOW, XATTR_CREATE } from '../../../src/abi/fcntl.ts';
import {
  S_IFCHR,
  S_IFREG,
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../../../src/abi/stat.ts';
import type { HostSetAttr } from '../../../src/fsgofer/set-attributes.ts';
import { failureOf, useTree, WAYS } from './support.ts';

const GOOD = 'aaaaaaaaaaaaaaaaa';
const EVIL = '../outside/secret';

/** Bytes that are something else as soon as the call that was given them returns its promise. */
class Fickle {
  readonly #views: Uint8Array[] = [];

  of(name: string): Uint8Array {
    const view = new TextEncoder().encode(name);
    this.#views.push(view);
    return view;
  }

  turn(): void {
    for (const view of this.#views)
      view.set(new TextEncoder().encode(EVIL).subarray(0, view.length));
  }

  async during<T>(call: () => Promise<T>): Promise<T> {
    const promise = call();
    this.turn();
    return promise;
  }
}

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();

  test('a name that is changed after the call is the one that it was', async () => {
    writeFileSync(tree().at('outside', 'secret'), 'secret');
    const root = await tree().open(way);
    const fickle = new Fickle();
    const ownNames = (): string[] => readdirSync(tree().root);
    const create = (): ReturnType<typeof root.create> =>
      root.create(fickle.of(GOOD), { mode: 0o600, flags: O_RDWR });

    const { file, open } = await fickle.during(create);
    await open.close();
    tree().keep(file);
    expect((await file.stat()).size).toBe(0);
    const walked = await fickle.during(() => root.walk(fickle.of(GOOD)));
    expect((await tree().keep(walked.file).stat()).ino).toBe((await file.stat()).ino);

    const link = { file, directory: root };
    const linked = await fickle.during(() =>
      root.link(fickle.of('bbbbbbbbbbbbbbbbb'), { ...link, name: fickle.of(GOOD) }),
    );
    expect(tree().keep(linked.file).type).toBe(S_IFREG);
    await fickle.during(() =>
      root.rename(fickle.of(GOOD), root, { newName: fickle.of('ccccccccccccccccc') }),
    );
    const moved = fickle.of('ccccccccccccccccc');
    file.moved(root, moved);
    fickle.turn();
    expect((await file.stat()).nlink).toBe(2);
    await fickle.during(() => root.unlink(fickle.of('ccccccccccccccccc')));
    await root.unlink('bbbbbbbbbbbbbbbbb');
    expect(ownNames()).toEqual([]);

    const mkdir = (): ReturnType<typeof root.mkdir> => root.mkdir(fickle.of(GOOD), { mode: 0o700 });
    tree().keep((await fickle.during(mkdir)).file);
    expect(ownNames()).toEqual([GOOD]);
    await fickle.during(() => root.rmdir(fickle.of(GOOD)));
    const node = { mode: S_IFREG | 0o600, rdevMajor: 0, rdevMinor: 0 };
    tree().keep((await fickle.during(() => root.mknod(fickle.of(GOOD), node))).file);
    await root.unlink(GOOD);
    const symlink = (): ReturnType<typeof root.symlink> =>
      root.symlink(fickle.of(GOOD), { target: fickle.of('target') });
    expect(
      await tree()
        .keep((await fickle.during(symlink)).file)
        .readlink(),
    ).toBe('target');
    expect(readlinkSync(tree().in(GOOD))).toBe('target');
    expect(readdirSync(tree().outside)).toEqual(['secret']);
  });

  test('a size that is none is refused, and cuts nothing off', async () => {
    writeFileSync(tree().in('file'), 'hello');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const open = await file.open(O_RDWR);
    for (const [size, expected] of [
      [-1, 'EINVAL'],
      [-(2 ** 60), 'EINVAL'],
      [0.5, 'EFBIG'],
      [NaN, 'EFBIG'],
      [2 ** 53, 'EFBIG'],
      [2 ** 64, 'EFBIG'],
    ] as const) {
      expect(await failureOf(open.truncate(size))).toBe(expected);
      const { failureMask, error } = await file.setAttributes({ size });
      expect([failureMask, error?.code]).toEqual([STATX_SIZE, expected]);
    }
    await open.close();
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('hello');
  });

  test('nothing is changed if one attribute is none', async () => {
    writeFileSync(tree().in('file'), 'hello', { mode: 0o600 });
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const before = lstatSync(tree().in('file'), { bigint: true });
    const time = { sec: 1, nsec: 0 };
    const bad: HostSetAttr[] = [
      { size: -1 },
      { uid: -1 },
      { uid: 2 ** 32 - 1 },
      { uid: 2 ** 32 },
      { gid: -2 },
      { gid: 0.5 },
      { atime: { sec: 1, nsec: -7 } },
      { mtime: { sec: 1, nsec: 1e9 } },
      { mtime: { sec: 1, nsec: UTIME_NOW + 1 } },
      { mtime: { sec: 1, nsec: 0.5 } },
      { mtime: { sec: NaN, nsec: 0 } },
      { atime: { sec: 1.5, nsec: 0 } },
    ];
    const all = STATX_MODE | STATX_SIZE | STATX_UID | STATX_GID | STATX_ATIME | STATX_MTIME;
    for (const one of bad) {
      const { uid, gid } = before;
      const good = { mode: 0o644, size: 1, uid: Number(uid), gid: Number(gid) };
      const result = await file.setAttributes({ ...good, atime: time, mtime: time, ...one });
      expect([result.failureMask, result.error?.code]).toEqual([all, 'EINVAL']);
    }
    expect(lstatSync(tree().in('file'), { bigint: true })).toEqual(before);
  });

  test('a time that no file can have is the nearest', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    for (const far of [1e13, 2 ** 53, 2 ** 62, 2 ** 63, 2 ** 70, Infinity]) {
      for (const sec of [far, -far]) {
        const time = { sec, nsec: 5 };
        const result = await file.setAttributes({ atime: time, mtime: time });
        expect(result).toEqual({ failureMask: 0, error: undefined });
        const { atime, mtime } = await file.stat();
        // ext4 has 31 bits at least, tmpfs all.
        for (const { sec: actual } of [atime, mtime]) {
          expect(Math.sign(actual)).toBe(Math.sign(sec));
          expect(Math.abs(actual)).toBeGreaterThanOrEqual(2 ** 31 - 1);
        }
      }
    }
  });

  test('EINVAL for an owner who is nobody, and nothing is made', async () => {
    const root = await tree().open(way);
    for (const owner of [{ uid: -1 }, { gid: 2 ** 32 - 1 }, { uid: 2 ** 32 }, { gid: 0.5 }]) {
      const options = { mode: 0o700, ...owner };
      const node = { ...options, rdevMajor: 0, rdevMinor: 0 };
      for (const making of [
        root.create('x', { ...options, flags: O_RDWR }),
        root.mkdir('x', options),
        root.symlink('x', { target: 'y', ...owner }),
        root.mknod('x', { ...node, mode: S_IFREG }),
        root.mknod('x', { ...node, mode: S_IFCHR }),
      ]) {
        const lacksCall = way.calls.mknod === undefined;
        expect(['EINVAL', ...(lacksCall ? ['EOPNOTSUPP'] : [])]).toContain(await failureOf(making));
      }
    }
    expect(readdirSync(tree().root)).toEqual([]);
  });

  test('EFBIG for what ends beyond all files', async () => {
    const root = await tree().open(way);
    const made = await root.create('file', { mode: 0o600, flags: O_RDWR });
    tree().keep(made.file);
    const max = Number.MAX_SAFE_INTEGER;
    expect(await failureOf(made.open.write(new Uint8Array(10), max))).toBe('EFBIG');
    expect(await made.open.read(new Uint8Array(10), max)).toBe(0);
    if (way.calls.allocate !== undefined) {
      const allocate = (offset: number, length: number): Promise<string> =>
        failureOf(made.open.allocate({ mode: 0, offset, length }));
      expect(await allocate(max, 1)).toBe('EFBIG');
      expect(await allocate(1, max)).toBe('EFBIG');
      expect(await allocate(2 ** 64, 1)).toBe('EFBIG');
      expect(await allocate(0, 2 ** 64 + 2 ** 13)).toBe('EFBIG');
      expect(await allocate(-1, 5)).toBe('EINVAL');
      expect(await allocate(0.5, 5)).toBe('EFBIG');
      expect(await failureOf(made.open.seek(2 ** 64, SEEK_DATA))).toBe('EFBIG');
      expect(await failureOf(made.open.seek(-1, SEEK_DATA))).toBe('ENXIO');
    }
    expect((await made.open.stat()).size).toBe(0);
    await made.open.close();
  });

  test('more bytes than Linux moves at once are moved in part', async () => {
    writeFileSync(tree().in('file'), 'abc');
    const root = await tree().open(way);
    const open = await (await tree().walk(root, 'file')).open(O_RDONLY);
    // Its pages are never touched, but for the first.
    const many = new Uint8Array(2 ** 31 + 5);
    expect(await open.read(many, 0)).toBe(3);
    expect(await failureOf(open.write(many, 0))).toBe('EBADF');
    await open.close();
  });

  test('EINVAL for flags that are not known, or have more than 32 bits', async () => {
    writeFileSync(tree().in('file'), 'x');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    for (const flags of [-1, 8, 2 ** 32, 2 ** 32 + 1, 0.5]) {
      const renaming = root.rename('file', root, { newName: 'x', flags });
      expect(await failureOf(renaming)).toBe('EINVAL');
    }
    for (const flags of [-1, 2 ** 32, 2 ** 32 + O_RDWR, 0.5]) {
      expect(await failureOf(file.open(flags))).toBe('EINVAL');
    }
    if (way.calls.xattrs !== undefined) {
      for (const flags of [-1, 4, 2 ** 31, 2 ** 32 + XATTR_CREATE]) {
        expect(await failureOf(file.setXattr('user.a', Buffer.of(1), flags))).toBe('EINVAL');
      }
      expect(await file.listXattrs()).toEqual([]);
    }
    expect(readdirSync(tree().root)).toEqual(['file']);
  });
});
