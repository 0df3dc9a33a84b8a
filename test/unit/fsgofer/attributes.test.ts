// Attributes of the host's files: each by itself, times as exactly as the host lets.

import fc from 'fast-check';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UTIME_NOW, UTIME_OMIT } from '../../../src/abi/fcntl.ts';
import {
  S_PERMISSIONS,
  STATX_ATIME,
  STATX_GID,
  STATX_MODE,
  STATX_MTIME,
  STATX_SIZE,
  STATX_UID,
} from '../../../src/abi/stat.ts';
import { nodeTime } from '../../../src/fsgofer/file-times.ts';
import { hostStatOf } from '../../../src/fsgofer/host-stat.ts';
import { type Timespec, timespecFromNs, timespecToNs } from '../../../src/lib/clock.ts';
import { asOrdinaryUser, failureOf, isRoot, useTree, WAYS } from './support.ts';

const SEED = 20_253;
const otherId = isRoot ? 1234 : process.getuid!();

function timesOf(path: string): [atime: bigint, mtime: bigint] {
  const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
  return [atimeNs, mtimeNs];
}

/** Nanoseconds by which Node's times may differ. */
const NODE_PRECISION_NS = 1000n;

function expectNear(actual: bigint, wanted: Timespec, precisionNs: bigint): void {
  const difference = actual - timespecToNs(wanted);
  expect(difference < 0n ? -difference : difference).toBeLessThanOrEqual(precisionNs);
}

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();
  const precisionNs = way.calls.setTimes === undefined ? NODE_PRECISION_NS : 0n;

  test('all at once, of a file and of a directory', async () => {
    writeFileSync(tree().in('file'), 'hello');
    mkdirSync(tree().in('directory'));
    const root = await tree().open(way);
    const atime = { sec: 1_700_000_001, nsec: 123_456_789 };
    const mtime = { sec: 5_000_000_000, nsec: 999_999_999 };
    for (const name of ['file', 'directory']) {
      const file = await tree().walk(root, name);
      const result = await file.setAttributes({
        mode: 0o640,
        uid: otherId,
        gid: otherId,
        atime,
        mtime,
        ...(name === 'file' && { size: 3 }),
      });
      expect(result).toEqual({ failureMask: 0, error: undefined });
      const { mode, uid, gid } = lstatSync(tree().in(name));
      expect([mode & S_PERMISSIONS, uid, gid]).toEqual([0o640, otherId, otherId]);
      const [actualAtime, actualMtime] = timesOf(tree().in(name));
      expectNear(actualAtime, atime, precisionNs);
      expectNear(actualMtime, mtime, precisionNs);
    }
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('hel');
  });

  test('what fails keeps nothing else from being set', async () => {
    mkdirSync(tree().in('directory'));
    const root = await tree().open(way);
    const directory = await tree().walk(root, 'directory');
    const { failureMask, error } = await directory.setAttributes({
      mode: 0o711,
      size: 0,
      mtime: { sec: 7, nsec: 0 },
    });
    expect(failureMask).toBe(STATX_SIZE);
    expect(error?.code).toBe('EISDIR');
    expect(statSync(tree().in('directory')).mode & S_PERMISSIONS).toBe(0o711);
    expect(timesOf(tree().in('directory'))[1]).toBe(7_000_000_000n);
  });

  test('set-user-ID bits outlast what takes them away: a new owner, a new size', async () => {
    writeFileSync(tree().in('file'), 'hello', { mode: 0o644 });
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const done = { failureMask: 0, error: undefined };
    const owner = { uid: otherId, gid: otherId };
    for (const mode of [0o4755, 0o2755, 0o6711]) {
      expect(await file.setAttributes({ mode, size: 1, ...owner })).toEqual(done);
      expect(lstatSync(tree().in('file')).mode & S_PERMISSIONS).toBe(mode);
    }
    // Where nobody asks for them Linux has its way.
    expect(await file.setAttributes(owner)).toEqual(done);
    expect(lstatSync(tree().in('file')).mode & S_PERMISSIONS).toBe(0o711);
  });

  test('a size is set along with permissions that forbid it', async () => {
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o777);
    await asOrdinaryUser(async () => {
      writeFileSync(tree().in('file'), 'hello', { mode: 0o644 });
      const root = await tree().open(way);
      const file = await tree().walk(root, 'file');
      const result = await file.setAttributes({ mode: 0o444, size: 2 });
      expect(result).toEqual({ failureMask: 0, error: undefined });
    });
    expect(readFileSync(tree().in('file'), 'utf8')).toBe('he');
  });

  test('EPERM for what is somebody else’s, with a bit for each', async () => {
    writeFileSync(tree().in('file'), 'x', { mode: 0o666 });
    chmodSync(tree().in('file'), 0o666);
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o755);
    await asOrdinaryUser(async () => {
      const root = await tree().open(way);
      const file = await tree().walk(root, 'file');
      const { failureMask, error } = await file.setAttributes({
        // Only root gives files away, and only the owner changes the others, which may be us.
        ...(isRoot && { mode: 0o600, atime: { sec: 1, nsec: 0 }, mtime: { sec: 1, nsec: 0 } }),
        uid: 0,
        gid: 0,
        size: 0,
      });
      const owners = isRoot ? STATX_MODE | STATX_ATIME | STATX_MTIME : 0;
      expect(failureMask).toBe(owners | STATX_UID | STATX_GID);
      expect(error?.code).toBe('EPERM');
    });
    expect(statSync(tree().in('file')).size).toBe(0);
  });

  test('a symbolic link itself, and never what it leads to', async () => {
    writeFileSync(tree().at('outside', 'target'), 'secret', { mode: 0o600 });
    symlinkSync(tree().at('outside', 'target'), tree().in('link'));
    const before = lstatSync(tree().at('outside', 'target'), { bigint: true });
    const root = await tree().open(way);
    const link = await tree().walk(root, 'link');
    const mtime = { sec: 12, nsec: 0 };
    const { failureMask, error } = await link.setAttributes({
      mode: 0o777,
      size: 0,
      uid: otherId,
      atime: mtime,
      mtime,
    });
    expect(failureMask).toBe(STATX_MODE | STATX_SIZE);
    expect(error?.code).toBe('EINVAL');
    expect((await link.setAttributes({ mode: 0o777 })).error?.code).toBe('EOPNOTSUPP');
    expect(lstatSync(tree().in('link')).uid).toBe(otherId);
    expect(timesOf(tree().in('link'))[1]).toBe(12_000_000_000n);
    expect(lstatSync(tree().at('outside', 'target'), { bigint: true })).toEqual(before);
  });

  test('one time alone leaves the other, UTIME_NOW is now, and UTIME_OMIT is nothing', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const time = { sec: 1_600_000_000, nsec: 111_222_333 };
    await file.setAttributes({ atime: time, mtime: { sec: 9, nsec: 0 } });
    await file.setAttributes({ mtime: { sec: 10, nsec: 0 }, atime: { sec: 0, nsec: UTIME_OMIT } });
    const [atime, mtime] = timesOf(tree().in('file'));
    expectNear(atime, time, precisionNs * 2n);
    expect(mtime).toBe(10_000_000_000n);
    const startMs = Date.now();
    await file.setAttributes({ mtime: { sec: 0, nsec: UTIME_NOW } });
    const nowMs = Number(timesOf(tree().in('file'))[1] / 1_000_000n);
    expect(Math.abs(nowMs - startMs)).toBeLessThan(5000);
    const changed = lstatSync(tree().in('file'), { bigint: true }).ctimeNs;
    const result = await file.setAttributes({ atime: { sec: 0, nsec: UTIME_OMIT } });
    expect(result.failureMask).toBe(0);
    expect(lstatSync(tree().in('file'), { bigint: true }).ctimeNs).toBe(changed);
  });

  test('times before 1970', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const time = { sec: -2, nsec: 750_000_000 };
    await file.setAttributes({ atime: time, mtime: { sec: -1_000_000, nsec: 0 } });
    expect(timesOf(tree().in('file'))).toEqual([-1_250_000_000n, -1_000_000_000_000_000n]);
    expect((await file.stat()).atime).toEqual(time);
  });

  test('statfs tells of the filesystem', async () => {
    const root = await tree().open(way);
    const stats = await root.statfs();
    expect(stats.bsize).toBeGreaterThan(0);
    expect(stats.blocks).toBeGreaterThan(stats.bfree - 1);
    expect(stats.namelen).toBe(255);
  });
});

test('what Node is given for a time is in the right microsecond or the next', () => {
  const sec = fc.integer({ min: 0, max: 8_000_000_000 });
  const nsec = fc.integer({ min: 0, max: 999_999_999 });
  fc.assert(
    fc.property(sec, nsec, (seconds, nanoseconds) => {
      const value = nodeTime({ sec: seconds, nsec: nanoseconds }) as number;
      // What libuv makes of it: microseconds before its version 1.50.
      const usec = Math.floor(value * 1e6);
      const wanted = seconds * 1e6 + Math.floor(nanoseconds / 1000);
      expect(usec).toBeGreaterThanOrEqual(wanted);
      expect(usec).toBeLessThanOrEqual(wanted + 1);
      const wholeUsec = nodeTime({ sec: seconds, nsec: nanoseconds - (nanoseconds % 1000) });
      expect(Math.floor((wholeUsec as number) * 1e6)).toBe(wanted);
    }),
    { seed: SEED, numRuns: 2000 },
  );
});

describe('hostStatOf', () => {
  const tree = useTree();

  test('keeps all 64 bits, and refuses a size that is not exact', () => {
    const stats = lstatSync(tree().root, { bigint: true });
    const change = (values: object): Parameters<typeof hostStatOf>[0] =>
      Object.assign(Object.create(stats) as typeof stats, values);
    const stat = hostStatOf(
      change({
        ino: -1n,
        dev: 0xabcd_e123_4567_8f90n,
        mtimeNs: -1n,
        ctimeNs: 1_700_000_000_123_456_789n,
      }),
    );
    expect(stat.ino).toBe(0xffff_ffff_ffff_ffffn);
    // glibc: gnu_dev_major(), gnu_dev_minor().
    expect([stat.devMajor, stat.devMinor]).toEqual([0xabcd_e78f, 0x1234_5690]);
    expect(stat.mtime).toEqual({ sec: -1, nsec: 999_999_999 });
    expect(stat.ctime).toEqual(timespecFromNs(1_700_000_000_123_456_789n));
    expect(hostStatOf(change({ size: 2n ** 53n - 1n })).size).toBe(2 ** 53 - 1);
    expect(() => hostStatOf(change({ size: 2n ** 53n }))).toThrow('EOVERFLOW');
  });
});

describe('extended attributes', () => {
  const tree = useTree();
  const [withAll, ...others] = WAYS;

  test('are set, read, listed and removed, also under names that are not UTF-8', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(withAll!);
    const file = await tree().walk(root, 'file');
    const odd = Uint8Array.of(0x75, 0x73, 0x65, 0x72, 0x2e, 0xff);
    await file.setXattr('user.a', Uint8Array.of(0, 255, 1), 0);
    await file.setXattr('user.empty', new Uint8Array(), 0);
    await file.setXattr(odd, Uint8Array.of(7), 0);
    expect(await file.getXattr('user.a')).toEqual(Uint8Array.of(0, 255, 1));
    expect(await file.getXattr('user.empty')).toEqual(new Uint8Array());
    expect(await file.getXattr('user.empty', 0)).toEqual(new Uint8Array());
    expect(await file.getXattr(odd)).toEqual(Uint8Array.of(7));
    expect(new Set(await file.listXattrs())).toEqual(new Set(['user.a', 'user.empty', odd]));
    await file.removeXattr('user.a');
    expect(await failureOf(file.removeXattr('user.a'))).toBe('ENODATA');
    expect(await failureOf(file.getXattr('user.a'))).toBe('ENODATA');
    expect(await root.listXattrs()).toEqual([]);
  });

  test('errors are those of Linux', async () => {
    writeFileSync(tree().in('file'), '');
    symlinkSync('file', tree().in('link'));
    const root = await tree().open(withAll!);
    const file = await tree().walk(root, 'file');
    await file.setXattr('user.a', Uint8Array.of(1, 2), 0);
    expect(await failureOf(file.setXattr('user.a', new Uint8Array(), 1))).toBe('EEXIST');
    expect(await failureOf(file.setXattr('user.b', new Uint8Array(), 2))).toBe('ENODATA');
    expect(await failureOf(file.getXattr('user.a', 1))).toBe('ERANGE');
    await file.setXattr('user.one', Uint8Array.of(1), 0);
    expect(await failureOf(file.getXattr('user.one', 0))).toBe('ERANGE');
    expect(await failureOf(file.getXattr(''))).toBe('ERANGE');
    expect(await failureOf(file.getXattr(`user.${'a'.repeat(251)}`))).toBe('ERANGE');
    expect(await failureOf(file.getXattr('user.a\0b'))).toBe('EINVAL');
    expect(await failureOf(file.setXattr('user.a', new Uint8Array(65_537), 0))).toBe('E2BIG');
    // Of the link, which has none of this kind; not of the file.
    const link = await tree().walk(root, 'link');
    expect(await failureOf(link.setXattr('user.a', Uint8Array.of(1), 0))).toBe('EPERM');
    expect(await failureOf(link.getXattr('user.a'))).not.toBe('no failure');
  });

  test.each(others)('EOPNOTSUPP without the calls: $name', async (way) => {
    const root = await tree().open(way);
    expect(await failureOf(root.getXattr('user.a'))).toBe('EOPNOTSUPP');
    expect(await failureOf(root.setXattr('user.a', new Uint8Array(), 0))).toBe('EOPNOTSUPP');
    expect(await failureOf(root.listXattrs())).toBe('EOPNOTSUPP');
    expect(await failureOf(root.removeXattr('user.a'))).toBe('EOPNOTSUPP');
  });
});
