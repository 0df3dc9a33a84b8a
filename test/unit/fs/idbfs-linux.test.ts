// What idbfs keeps besides names and data: extended attributes, holes, special files, files that
// never had a name; and stores of an older format.

import { expect, test } from 'vitest';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_CREAT,
  O_RDWR,
  O_TMPFILE,
  SEEK_DATA,
} from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import { makeDev, S_IFCHR, S_IFIFO } from '../../../src/abi/stat.ts';
import { decodeFilesystem, encodeFilesystem, filesystemKey } from '../../../src/fs/idbfs/items.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runSync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { storeProblems } from '../../support/history/store-check.ts';

function mount(store: MemoryStore): Session<Idbfs> {
  return runSync(openIdbfs({ store, clock: new FakeClock() }));
}

/** Unmounts and mounts again; nothing is left in memory. */
function remount(store: MemoryStore, session: Session<Idbfs>): Session<Idbfs> {
  runSync(closeSession(session));
  expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
  store.restore(store.snapshot());
  return mount(store);
}

function xattr(sys: Syscalls, path: string, name: string): number[] {
  const buffer = new Uint8Array(65536);
  return [...buffer.subarray(0, runSync(sys.getxattr(path, name, buffer, 0)))];
}

/** What of its objects has bytes. */
function objectsIn(store: MemoryStore): unknown[] {
  return [...store.snapshot().objects.values()].filter(({ size }) => size > 0);
}

const create = (sys: Syscalls, path: string): number =>
  runSync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));

test('extended attributes are there at the next mount, trailing zeros included', () => {
  const store = new MemoryStore();
  let session = mount(store);
  create(session.sys, '/file');
  const value = new Uint8Array([0, 1, 0, 0]);
  runSync(session.sys.setxattr('/file', 'user.a', value, 0, 0));
  runSync(session.sys.setxattr('/file', 'user.empty', new Uint8Array(0), 0, 0));
  runSync(session.sys.setxattr('/file', 'user.large', new Uint8Array(65536).fill(9), 0, 0));
  session = remount(store, session);
  expect(xattr(session.sys, '/file', 'user.a')).toEqual([0, 1, 0, 0]);
  expect(xattr(session.sys, '/file', 'user.empty')).toEqual([]);
  expect(xattr(session.sys, '/file', 'user.large')).toHaveLength(65536);
  for (const name of ['user.a', 'user.empty', 'user.large']) {
    runSync(session.sys.removexattr('/file', name, 0));
  }
  session = remount(store, session);
  expect(() => xattr(session.sys, '/file', 'user.a')).toThrow(linuxerr.ENODATA);
});

test('the attributes of a removed file go with it', () => {
  const store = new MemoryStore();
  let session = mount(store);
  create(session.sys, '/file');
  runSync(session.sys.setxattr('/file', 'user.a', new Uint8Array([1]), 0, 0));
  session = remount(store, session);
  runSync(session.sys.unlinkat(AT_FDCWD, '/file', 0));
  remount(store, session);
  expect(objectsIn(store)).toEqual([]);
});

test('attributes that were removed just before the file go with it, too', () => {
  const store = new MemoryStore();
  let session = mount(store);
  create(session.sys, '/file');
  runSync(session.sys.setxattr('/file', 'user.a', new Uint8Array([1]), 0, 0));
  session = remount(store, session);
  runSync(session.sys.removexattr('/file', 'user.a', 0));
  runSync(session.sys.unlinkat(AT_FDCWD, '/file', 0));
  remount(store, session);
  expect(objectsIn(store)).toEqual([]);
});

test('a hole stays a hole, whether or not the store had the data', () => {
  const store = new MemoryStore();
  let session = mount(store);
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  let fd = create(session.sys, '/file');
  runSync(session.sys.pwrite(fd, new Uint8Array(200_000).fill(7), 0));
  runSync(session.sys.fallocate(fd, mode, 0, 50_000));
  session = remount(store, session);
  fd = create(session.sys, '/file');
  expect(runSync(session.sys.lseek(fd, 0, SEEK_DATA))).toBe(49_152);
  runSync(session.sys.fallocate(fd, mode, 60_000, 100_000));
  const read = (at: number): number => {
    const byte = new Uint8Array(1);
    runSync(session.sys.pread(fd, byte, at));
    return byte[0] ?? -1;
  };
  // Before the commit, when the store still has the bytes, and after it.
  expect([49_999, 50_000, 59_999, 60_000, 159_999, 160_000].map(read)).toEqual([0, 7, 7, 0, 0, 7]);
  session = remount(store, session);
  fd = create(session.sys, '/file');
  expect([49_999, 50_000, 59_999, 60_000, 159_999, 160_000].map(read)).toEqual([0, 7, 7, 0, 0, 7]);
  expect(runSync(session.sys.lseek(fd, 65_536, SEEK_DATA))).toBe(159_744);
});

test('special files keep their types and numbers', () => {
  const store = new MemoryStore();
  let session = mount(store);
  runSync(session.sys.mknodat(AT_FDCWD, '/fifo', S_IFIFO | 0o640, 0));
  runSync(session.sys.mknodat(AT_FDCWD, '/null', S_IFCHR | 0o666, makeDev(1, 3)));
  session = remount(store, session);
  expect(runSync(session.sys.fstatat(AT_FDCWD, '/fifo', 0)).mode).toBe(S_IFIFO | 0o640);
  expect(runSync(session.sys.fstatat(AT_FDCWD, '/null', 0)).rdev).toBe(makeDev(1, 3));
});

test('a file made without a name stays if it gets one, and goes if it does not', () => {
  const store = new MemoryStore();
  let session = mount(store);
  const flags = O_TMPFILE | O_RDWR;
  const [kept, lost] = [0, 1].map(() => runSync(session.sys.openat(AT_FDCWD, '/', flags, 0o600)));
  for (const fd of [kept!, lost!]) runSync(session.sys.write(fd, new Uint8Array(10).fill(1)));
  // Both are on the list of orphans after this.
  runSync(session.sys.sync());
  runSync(session.sys.linkat(kept!, '', AT_FDCWD, '/kept', AT_EMPTY_PATH));
  runSync(session.sys.sync());
  expect(storeProblems(store.snapshot(), { orphans: 'listed' })).toEqual([]);
  session = remount(store, session);
  expect(runSync(session.sys.fstatat(AT_FDCWD, '/kept', 0))).toMatchObject({ size: 10, nlink: 1 });
});

test('a store of format 1 is read, and has the present format from its first change on', () => {
  const store = new MemoryStore();
  let session = mount(store);
  create(session.sys, '/file');
  runSync(closeSession(session));
  const header = encodeFilesystem(100);
  new DataView(header.buffer).setUint32(0, 1, true);
  store.restore(store.snapshot());
  const items = new Map([[filesystemKey, header]]);
  runSync(store.commit({ items, discards: [], writes: [] }, { durability: 'strict' }));
  const versionOf = (): number => {
    const bytes = runSync(store.get(filesystemKey));
    return decodeFilesystem(bytes!).formatVersion;
  };
  session = mount(store);
  expect(versionOf()).toBe(1);
  runSync(session.sys.setxattr('/file', 'user.a', new Uint8Array([5]), 0, 0));
  session = remount(store, session);
  expect(versionOf()).toBe(2);
  expect(xattr(session.sys, '/file', 'user.a')).toEqual([5]);
});
