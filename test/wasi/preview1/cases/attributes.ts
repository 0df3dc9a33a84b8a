// fd_filestat_*, path_filestat_*, fd_allocate, fd_advise, fd_sync and fd_datasync.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect } from 'vitest';
import { differs, type NodeNote, OURS, type Preview1Case } from '../case.ts';
import { BAD_FD, FOLLOW, NOFOLLOW, type Program, READ, RW, WRITE } from '../program.ts';

const { FSTFLAGS_ATIM, FSTFLAGS_ATIM_NOW, FSTFLAGS_MTIM, FSTFLAGS_MTIM_NOW } = wasi;
const BOTH = FSTFLAGS_ATIM | FSTFLAGS_MTIM;
const DAY = 86_400n * 10n ** 9n;

const FILLS_THE_DISK: NodeNote = {
  cannot: 'on a filesystem without fallocate() libc writes the whole range',
};

interface Times {
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly flags: number;
}

function setTimes(p: Program, fd: number, { atime, mtime, flags }: Times): Promise<string> {
  return p.call('fd_filestat_set_times', fd, atime, mtime, flags);
}

function setPathTimes(p: Program, path: string, lookup: number, times: Times): Promise<string> {
  const { atime, mtime, flags } = times;
  return p.scratch(() =>
    p.call('path_filestat_set_times', p.box, lookup, ...p.text(path), atime, mtime, flags),
  );
}

export const filestatCases: readonly Preview1Case[] = [
  {
    title: 'fd_filestat_get and path_filestat_get agree on a file',
    run: async (p) => {
      const file = await p.create('f', 'text');
      const stat = await p.fstat(file);
      expect(stat).toMatchObject({ type: wasi.FILETYPE_REGULAR_FILE, size: 4n, nlink: 1n });
      expect(await p.stat(p.box, 'f')).toEqual(stat);
    },
  },
  {
    title: 'path_filestat_get looks at a symlink itself or at what it points to',
    run: async (p) => {
      await p.createClosed('f', 'text');
      await p.symlink('f', 'link');
      const link = await p.stat(p.box, 'link', NOFOLLOW);
      expect(link).toMatchObject({ type: wasi.FILETYPE_SYMBOLIC_LINK, size: 1n });
      expect(await p.stat(p.box, 'link', FOLLOW)).toEqual(await p.stat(p.box, 'f'));
    },
  },
  {
    title: 'fd_filestat_get tells directories, streams and devices apart',
    node: OURS,
    run: async (p) => {
      expect(await p.fstat(p.box)).toMatchObject({ type: wasi.FILETYPE_DIRECTORY });
      expect(await p.fstat(0)).toMatchObject({ type: wasi.FILETYPE_UNKNOWN });
      expect(await p.fstat(2)).toMatchObject({ type: wasi.FILETYPE_CHARACTER_DEVICE });
    },
  },
  {
    title: 'fd_filestat_get returns BADF, and FAULT where the record has no room',
    node: differs('it answers OVERFLOW for a range outside of the memory'),
    run: async (p) => {
      const file = await p.create('f');
      expect(await p.call('fd_filestat_get', BAD_FD, p.result)).toBe('BADF');
      expect(await p.call('fd_filestat_get', file, p.size - 63)).toBe('FAULT');
      expect(await p.call('fd_filestat_get', file, p.size - 64)).toBe('SUCCESS');
      expect(await p.call('path_filestat_get', p.box, 0, ...p.text('f'), p.size - 63)).toBe(
        'FAULT',
      );
    },
  },
  {
    title: 'fd_filestat_set_size cuts and extends, and the offset stays',
    run: async (p) => {
      const file = await p.create('f', 'abcdef');
      await p.read(file, 5);
      expect(await p.call('fd_filestat_set_size', file, 3n)).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 3n });
      expect(await p.call('fd_filestat_set_size', file, 7n)).toBe('SUCCESS');
      expect(await p.tell(file)).toBe(5n);
      expect(await p.read(file)).toBe('\0\0');
    },
  },
  {
    title: 'fd_filestat_set_size of 2^63 and more is INVAL, of 2^53 and more FBIG',
    node: { cannot: 'the largest file of the machine is another one' },
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_filestat_set_size', file, -1n)).toBe('INVAL');
      expect(await p.call('fd_filestat_set_size', file, -(2n ** 63n))).toBe('INVAL');
      expect(await p.call('fd_filestat_set_size', file, 2n ** 53n)).toBe('FBIG');
      expect(await p.call('fd_filestat_set_size', file, 2n ** 63n - 1n)).toBe('FBIG');
      expect(await p.fstat(file)).toMatchObject({ size: 3n });
    },
  },
  {
    title: 'fd_filestat_set_size is INVAL for a reader and a directory, BADF for what is not open',
    node: differs('NOTCAPABLE: it takes the rights for more than the access mode'),
    run: async (p) => {
      await p.createClosed('f');
      const reader = await p.open(p.box, 'f', { rights: READ });
      expect(await p.call('fd_filestat_set_size', reader, 1n)).toBe('INVAL');
      expect(await p.call('fd_filestat_set_size', p.box, 1n)).toBe('INVAL');
      expect(await p.call('fd_filestat_set_size', BAD_FD, 1n)).toBe('BADF');
    },
  },
];

export const timesCases: readonly Preview1Case[] = [
  {
    title: 'set_times with a time that is both given and now is INVAL, by descriptor and by path',
    node: { cannot: 'Node 20 ends at flags it does not expect' },
    run: async (p) => {
      const file = await p.create('f');
      for (const flags of [
        FSTFLAGS_ATIM | FSTFLAGS_ATIM_NOW,
        FSTFLAGS_MTIM | FSTFLAGS_MTIM_NOW,
        15,
      ]) {
        const times = { atime: 1n, mtime: 1n, flags };
        expect(await setTimes(p, file, times)).toBe('INVAL');
        expect(await setPathTimes(p, 'f', FOLLOW, times)).toBe('INVAL');
      }
    },
  },
  {
    title: 'set_times changes what its flags name, in every combination',
    node: { cannot: 'Node 20 ends at flags it does not expect' },
    run: async (p) => {
      const file = await p.create('f');
      for (let flags = 0; flags < 16; flags++) {
        if ((flags & 3) === 3 || (flags & 12) === 12) continue;
        await setTimes(p, file, { atime: 1000n, mtime: 2000n, flags: BOTH });
        expect(await setTimes(p, file, { atime: 7n, mtime: 8n, flags })).toBe('SUCCESS');
        const { atime, mtime } = await p.fstat(file);
        if ((flags & FSTFLAGS_ATIM_NOW) !== 0) expect(atime).toBeGreaterThan(DAY);
        else expect(atime).toBe((flags & FSTFLAGS_ATIM) !== 0 ? 7n : 1000n);
        if ((flags & FSTFLAGS_MTIM_NOW) !== 0) expect(mtime).toBeGreaterThan(DAY);
        else expect(mtime).toBe((flags & FSTFLAGS_MTIM) !== 0 ? 8n : 2000n);
      }
    },
  },
  {
    title: 'set_times with flags that are none is INVAL',
    node: { cannot: 'Node 20 ends at flags it does not expect' },
    run: async (p) => {
      const file = await p.create('f');
      for (const flags of [16, 0x8000]) {
        const times = { atime: 1n, mtime: 1n, flags };
        expect(await setTimes(p, file, times)).toBe('INVAL');
        expect(await setPathTimes(p, 'f', FOLLOW, times)).toBe('INVAL');
      }
    },
  },
  {
    title: 'times after 2038, 2106 and 2262 are kept to the nanosecond',
    node: differs('it hands times on as fractions of seconds and loses nanoseconds'),
    run: async (p) => {
      const file = await p.create('f');
      for (const seconds of [2n ** 31n, 2n ** 32n + 5n, 9_300_000_000n, 15_000_000_000n]) {
        const time = seconds * 10n ** 9n + 123_456_789n;
        expect(await setTimes(p, file, { atime: time, mtime: time + 1n, flags: BOTH })).toBe(
          'SUCCESS',
        );
        expect(await p.fstat(file)).toMatchObject({ atime: time, mtime: time + 1n });
        expect(await p.stat(p.box, 'f')).toMatchObject({ atime: time, mtime: time + 1n });
      }
    },
  },
  {
    title: 'the largest time there is, in the year 2554, is kept',
    node: differs('it hands times on as fractions of seconds and loses nanoseconds'),
    run: async (p) => {
      const file = await p.create('f');
      expect(await setTimes(p, file, { atime: 0n, mtime: -1n, flags: BOTH })).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ atime: 0n, mtime: 2n ** 64n - 1n });
    },
  },
  {
    title: 'a file from before 1970 is shown as from 1970',
    node: OURS,
    run: async (p) => {
      const file = await p.create('f');
      const { task } = p.kernel;
      for (const sec of [-1, -(2 ** 31), -1_000_000_000_000]) {
        const time = { sec, nsec: 999_999_999 };
        await task.utimens('/box/f', time, time);
        expect(await p.fstat(file)).toMatchObject({ atime: 0n, mtime: 0n });
      }
    },
  },
  {
    title: 'a file from after 2554 is shown with the largest time, not with one before 1970',
    node: OURS,
    run: async (p) => {
      const file = await p.create('f');
      const time = { sec: 18_446_744_074, nsec: 0 };
      await p.kernel.task.utimens('/box/f', time, time);
      expect(await p.fstat(file)).toMatchObject({ mtime: 2n ** 64n - 1n });
      expect(await p.stat(p.box, 'f')).toMatchObject({ atime: 2n ** 64n - 1n });
    },
  },
  {
    title: 'path_filestat_set_times without following changes a symlink alone',
    node: differs('it hands times on as fractions of seconds and loses nanoseconds'),
    run: async (p) => {
      await p.createClosed('f');
      await p.symlink('f', 'link');
      const before = await p.stat(p.box, 'f');
      const times = { atime: 3n, mtime: 4n, flags: BOTH };
      expect(await setPathTimes(p, 'link', NOFOLLOW, times)).toBe('SUCCESS');
      expect(await p.stat(p.box, 'link', NOFOLLOW)).toMatchObject({ mtime: 4n });
      expect(await p.stat(p.box, 'f')).toMatchObject({ mtime: before.mtime });
    },
  },
  {
    title: 'path_filestat_set_times that follows changes what a symlink points to',
    node: differs('it hands times on as fractions of seconds and loses nanoseconds'),
    run: async (p) => {
      await p.createClosed('f');
      await p.symlink('f', 'link');
      const before = await p.stat(p.box, 'link', NOFOLLOW);
      const times = { atime: 3n, mtime: 4n, flags: BOTH };
      expect(await setPathTimes(p, 'link', FOLLOW, times)).toBe('SUCCESS');
      expect(await p.stat(p.box, 'f')).toMatchObject({ atime: 3n, mtime: 4n });
      expect(await p.stat(p.box, 'link', NOFOLLOW)).toMatchObject({ mtime: before.mtime });
    },
  },
  {
    title: 'path_filestat_set_times of a dangling symlink works without following only',
    run: async (p) => {
      await p.symlink('missing', 'link');
      const times = { atime: 3n, mtime: 4n, flags: BOTH };
      expect(await setPathTimes(p, 'link', FOLLOW, times)).toBe('NOENT');
      expect(await setPathTimes(p, 'link', NOFOLLOW, times)).toBe('SUCCESS');
    },
  },
  {
    title: 'set_times looks for the file even if both times are to stay',
    run: async (p) => {
      const nothing = { atime: 0n, mtime: 0n, flags: 0 };
      expect(await setTimes(p, BAD_FD, nothing)).toBe('BADF');
      expect(await setPathTimes(p, 'missing', FOLLOW, nothing)).toBe('NOENT');
    },
  },
];

export const spaceCases: readonly Preview1Case[] = [
  {
    title: 'fd_allocate extends a file and never cuts one',
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_allocate', file, 10n, 20n)).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 30n });
      expect(await p.call('fd_allocate', file, 0n, 5n)).toBe('SUCCESS');
      expect(await p.fstat(file)).toMatchObject({ size: 30n });
    },
  },
  {
    title: 'fd_allocate of nothing, or of a negative range, is INVAL',
    node: FILLS_THE_DISK,
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_allocate', file, 0n, 0n)).toBe('INVAL');
      expect(await p.call('fd_allocate', file, -1n, 1n)).toBe('INVAL');
      expect(await p.call('fd_allocate', file, 0n, -1n)).toBe('INVAL');
      expect(await p.fstat(file)).toMatchObject({ size: 3n });
    },
  },
  {
    title: 'fd_allocate beyond the largest file is FBIG',
    node: FILLS_THE_DISK,
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_allocate', file, 2n ** 63n - 1n, 1n)).toBe('FBIG');
      expect(await p.call('fd_allocate', file, 1n, 2n ** 63n - 1n)).toBe('FBIG');
      expect(await p.fstat(file)).toMatchObject({ size: 3n });
    },
  },
  {
    title: 'fd_allocate is BADF for a reader, a directory and what is not open',
    node: differs('NOTCAPABLE: it takes the rights for more than the access mode'),
    run: async (p) => {
      await p.createClosed('f');
      const reader = await p.open(p.box, 'f', { rights: READ });
      expect(await p.call('fd_allocate', reader, 0n, 1n)).toBe('BADF');
      expect(await p.call('fd_allocate', p.box, 0n, 1n)).toBe('BADF');
      expect(await p.call('fd_allocate', BAD_FD, 0n, 1n)).toBe('BADF');
    },
  },
  {
    title: 'fd_advise takes every advice, and any range that does not end before it starts',
    run: async (p) => {
      const file = await p.create('f', 'abc');
      for (let advice = 0; advice < 6; advice++) {
        expect(await p.call('fd_advise', file, 0n, 0n, advice)).toBe('SUCCESS');
        expect(await p.call('fd_advise', file, 2n ** 62n, 10n, advice)).toBe('SUCCESS');
      }
    },
  },
  {
    title: 'fd_advise is INVAL for a length of 2^63 and more, and for advice there is not',
    run: async (p) => {
      const file = await p.create('f', 'abc');
      expect(await p.call('fd_advise', file, 0n, -1n, 0)).toBe('INVAL');
      expect(await p.call('fd_advise', file, 0n, 0n, 6)).toBe('INVAL');
      expect(await p.call('fd_advise', file, 0n, 0n, -1)).toBe('INVAL');
    },
  },
  {
    title: 'fd_advise is BADF for what is not open and SPIPE for a stream',
    node: OURS,
    run: async (p) => {
      expect(await p.call('fd_advise', BAD_FD, 0n, 0n, 0)).toBe('BADF');
      expect(await p.call('fd_advise', 0, 0n, 0n, 0)).toBe('SPIPE');
    },
  },
  {
    title: 'fd_sync and fd_datasync take files and directories, readers and writers',
    node: differs('NOTCAPABLE: its rights have to be asked for one by one'),
    run: async (p) => {
      await p.createClosed('f', 'abc');
      for (const rights of [READ, WRITE, RW]) {
        const fd = await p.open(p.box, 'f', { rights });
        expect(await p.call('fd_sync', fd)).toBe('SUCCESS');
        expect(await p.call('fd_datasync', fd)).toBe('SUCCESS');
      }
      expect(await p.call('fd_sync', p.box)).toBe('SUCCESS');
      expect(await p.call('fd_datasync', p.box)).toBe('SUCCESS');
    },
  },
  {
    title: 'fd_sync and fd_datasync are BADF for what is not open and INVAL for a stream',
    node: OURS,
    run: async (p) => {
      for (const name of ['fd_sync', 'fd_datasync'] as const) {
        expect(await p.call(name, BAD_FD)).toBe('BADF');
        expect(await p.call(name, 0)).toBe('INVAL');
      }
    },
  },
];
