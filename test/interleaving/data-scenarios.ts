// Reads, writes, cuts, commits and the end of files at the same time.

import { O_APPEND, O_RDWR, O_TRUNC, SEEK_CUR, XATTR_CREATE } from '../../src/abi/fcntl.ts';
import { close, create, mkdir, open, pread, pwrite, rename, stat, unlink, write } from './calls.ts';
import { act, type Action } from '../support/history/action.ts';
import type { Scenario, Watch } from './scenario.ts';

/** Two chunks. */
const SIZE = 40_000;
const A_FILE = [create('/f'), pwrite(0, 1, SIZE, 0)];

const BUFFER = { buffer: 100 };

function setXattr(path: string, name: string, length: number, flags = 0): Action {
  return act('setxattr', path, name, { seed: 1, length }, flags, 0);
}

/** What had been written when the first fsync began is in the store when it has ended. */
const whatIsSyncedStays: Watch = ({ calls, committedTree }) => {
  const [written, synced] = [calls[0]?.[1], calls[1]?.[0]];
  if (synced?.outcome === undefined || written?.outcome === undefined) return undefined;
  if (written.ended >= synced.began || committedTree.includes(' 60000 ')) return undefined;
  return 'fsync has ended, and what was written before is not in the store';
};

export const DATA: readonly Scenario[] = [
  {
    title: 'a write, an append and a cut of one file come one after the other',
    tree: A_FILE,
    opened: [open('/f'), open('/f', O_RDWR | O_APPEND)],
    programs: [[pwrite(0, 2, 5000, 30_000)], [write(1, 3, 5000)], [act('ftruncate', 0, 10_000)]],
  },
  {
    title: 'two appends follow each other',
    tree: A_FILE,
    opened: [open('/f', O_RDWR | O_APPEND)],
    programs: [[write(0, 2, 5000)], [write(0, 3, 5000)], [pread(0, 1000, SIZE)]],
  },
  {
    title: 'a read sees a write wholly or not at all',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[pread(0, SIZE, 0)], [pwrite(0, 2, 10_000, 30_000)]],
  },
  {
    title: 'a file that is cut and grown again has zeros between',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[act('ftruncate', 0, 33_000), act('ftruncate', 0, SIZE)], [pread(0, SIZE, 0)]],
  },
  {
    title: 'bytes that are cut and written anew while they are loaded are the new ones',
    tree: [create('/f'), pwrite(0, 1, 65_536, 0)],
    opened: [open('/f')],
    programs: [
      [pread(0, 1000, 35_000), pread(0, 1000, 35_000)],
      [act('ftruncate', 0, 32_768), pwrite(0, 2, 32_768, 32_768)],
    ],
    commitsMax: 1,
  },
  {
    title: 'writes through one description follow each other',
    tree: A_FILE,
    opened: [open('/f')],
    isOneTask: true,
    programs: [[write(0, 2, 100)], [write(0, 3, 100)], [act('lseek', 0, 0, SEEK_CUR)]],
  },
  {
    title: 'a read through a descriptor that is closed meanwhile ends',
    tree: A_FILE,
    opened: [open('/f')],
    isOneTask: true,
    programs: [[pread(0, SIZE, 0)], [close(0)], [unlink('/f')]],
  },
  {
    title: 'a file goes with its last name or its last descriptor, whichever goes later',
    tree: [mkdir('/a'), create('/a/f'), pwrite(0, 1, 5000, 0)],
    opened: [open('/a/f')],
    programs: [[close(0)], [close(0)], [unlink('/a/f')]],
    commitsMax: 1,
  },
  {
    title: 'a file that is unlinked or replaced is read to its end by who has it open',
    tree: [...A_FILE, create('/n')],
    opened: [open('/f')],
    programs: [[pread(0, SIZE, 0)], [rename('/n', '/f')]],
    commitsMax: 1,
  },
  {
    title: 'open with O_TRUNC empties the file it opens',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[open('/f', O_RDWR | O_TRUNC)], [pwrite(0, 2, 5000, 35_000)], [stat('/f')]],
  },
  {
    title: 'truncate by path cuts the file it finds',
    tree: [...A_FILE, create('/n')],
    opened: [open('/f')],
    programs: [[act('truncate', '/f', 10_000)], [rename('/n', '/f')], [pwrite(0, 2, 10, 9995)]],
  },
  {
    title: 'fsync ends when what was written before is in the store',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[pwrite(0, 2, 10, 0), pwrite(0, 3, 20_000, SIZE)], [act('fsync', 0)]],
    commitsMax: 1,
    watch: whatIsSyncedStays,
  },
  {
    title: 'two fsyncs share a commit that has what was written before either',
    isLarge: true,
    tree: A_FILE,
    opened: [open('/f')],
    programs: [
      [pwrite(0, 2, 10, 0), pwrite(0, 3, 20_000, SIZE)],
      [act('fsync', 0)],
      [act('fsync', 0)],
    ],
    commitsMax: 1,
    watch: whatIsSyncedStays,
  },
  {
    title: 'a commit writes a state between two calls',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[pwrite(0, 2, 5000, 30_000), rename('/f', '/g')], [act('ftruncate', 0, 31_000)]],
    commitsMax: 1,
  },
  {
    title: 'two commits write states between two calls',
    isLarge: true,
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[pwrite(0, 2, 5000, 30_000)], [act('ftruncate', 0, 31_000)], [rename('/f', '/g')]],
    commitsMax: 2,
  },
  {
    title: 'of two calls that make an extended attribute, one does',
    tree: [create('/f'), setXattr('/f', 'user.a', 3)],
    programs: [
      [setXattr('/f', 'user.b', 4, XATTR_CREATE)],
      [setXattr('/f', 'user.b', 5, XATTR_CREATE), act('getxattr', '/f', 'user.b', BUFFER, 0)],
    ],
  },
  {
    title: 'an extended attribute is read also when its file is removed for good meanwhile',
    tree: [create('/f'), setXattr('/f', 'user.a', 3)],
    programs: [[act('getxattr', '/f', 'user.a', BUFFER, 0)], [unlink('/f')]],
    commitsMax: 1,
  },
  {
    title: 'a list of extended attributes is read also when its file is removed for good meanwhile',
    tree: [create('/f'), setXattr('/f', 'user.a', 3)],
    programs: [[act('listxattr', '/f', BUFFER, 0)], [unlink('/f')]],
    commitsMax: 1,
  },
  {
    title: 'an extended attribute goes with its file or is read, also while it is committed',
    tree: [create('/f'), setXattr('/f', 'user.a', 3), create('/n')],
    programs: [
      [act('getxattr', '/f', 'user.a', BUFFER, 0)],
      [setXattr('/f', 'user.a', 9)],
      [rename('/n', '/f')],
    ],
    commitsMax: 1,
    isLarge: true,
  },
  {
    title: 'an extended attribute that is removed is gone, and the others stay',
    tree: [create('/f'), setXattr('/f', 'user.a', 3), setXattr('/f', 'user.b', 3)],
    programs: [
      [act('removexattr', '/f', 'user.a', 0)],
      [act('listxattr', '/f', BUFFER, 0)],
      [unlink('/f')],
    ],
  },
  {
    title: 'a writer that has to wait for a commit goes on after it',
    tree: A_FILE,
    opened: [open('/f')],
    programs: [[pwrite(0, 2, 20_000, 0)], [pwrite(0, 3, 20_000, 100)], [pwrite(0, 4, 10, 0)]],
    dirtyLimit: 2000,
  },
];
