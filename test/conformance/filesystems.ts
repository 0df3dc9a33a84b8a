// The filesystems the cases run on besides the real Linux. A new filesystem adds one row.

import type { Credentials } from '../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { runAsync, runSync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import { bootKernel, type KernelOptions } from '../support/kernels.ts';
import type { TaskUnderTest } from './burrow-process.ts';
import type { Feature } from './case.ts';

/** A mounted filesystem, fresh and empty. */
export interface FilesystemUnderTest {
  /** An absolute path on it where the cases make their directories; every user may search it. */
  readonly directory: string;
  /** A new task with working directory '/', its own descriptor table and its own umask. */
  makeTask(credentials: Credentials): TaskUnderTest;
  close(): Promise<void>;
}

export interface FilesystemRow {
  readonly name: string;
  readonly create: () => Promise<FilesystemUnderTest>;
  /** What it can't do, because Linux's filesystem of this kind can't either. */
  readonly lacking: ReadonlySet<Feature>;
  /** Title of a case that fails here → why it has to. The case is expected to fail. */
  readonly knownDifferences: Readonly<Record<string, string>>;
}

async function onKernel(
  spec: KernelMountSpec,
  options?: KernelOptions,
): Promise<FilesystemUnderTest> {
  const kernel = await bootKernel(spec, options);
  // Cases look at a filesystem besides the one under test.
  await runAsync(kernel.mount('/dev', { type: 'devfs' }));
  return {
    directory: '/',
    makeTask: (creds) => {
      // Needs no waiting.
      const { task, sys } = runSync(kernel.createTask({ creds }));
      return {
        sys,
        interruption: task,
        interrupt: () => {
          task.interrupt();
        },
        end: () => {
          kernel.endTask(task);
        },
      };
    },
    close: () => runAsync(kernel.shutdown()),
  };
}

/** What fallocate() far beyond must not fit in. */
const STORE_BYTES = 2 ** 30;

function onIdbfs(options: { readonly yields: boolean }): Promise<FilesystemUnderTest> {
  const store = new MemoryStore({ ...options, capacityBytes: STORE_BYTES });
  return onKernel({ type: 'idbfs' }, { store });
}

const MOUNT_FLAGS_ARE_TWO = 'mount() knows MS_RDONLY and MS_NOATIME, and ignores the other flags';
const RANGES_STAY = 'fallocate() neither collapses nor inserts ranges: EOPNOTSUPP';

const KNOWN_EVERYWHERE = {
  'statfs tells the flags of the mount': MOUNT_FLAGS_ARE_TWO,
  'a device does not open on a mount with MS_NODEV: EACCES': MOUNT_FLAGS_ARE_TWO,
  'a range of bytes that ends beyond what an offset can be is EINVAL to read and write':
    'pread() of what lies beyond the largest offset returns 0',
  'getcwd returns ENAMETOOLONG for a path of more than 4096 bytes':
    'getcwd() returns a path of any length',
};

const KNOWN_OF_IDBFS = {
  ...KNOWN_EVERYWHERE,
  'FALLOC_FL_COLLAPSE_RANGE takes a range out and moves the rest up': RANGES_STAY,
  'FALLOC_FL_COLLAPSE_RANGE keeps a last block that is not full': RANGES_STAY,
  'FALLOC_FL_COLLAPSE_RANGE returns EINVAL for a range that reaches the end': RANGES_STAY,
  'FALLOC_FL_INSERT_RANGE puts a hole in and moves the rest down': RANGES_STAY,
  'FALLOC_FL_INSERT_RANGE returns EINVAL at the end of the file and beyond': RANGES_STAY,
  'ranges taken out or put in begin and end with blocks: EINVAL': RANGES_STAY,
  'taking a range out or putting one in changes mtime and not the offset': RANGES_STAY,
};

export const FILESYSTEMS: readonly FilesystemRow[] = [
  {
    name: 'tmpfs',
    create: () => onKernel({ type: 'tmpfs' }),
    // As Linux's tmpfs.
    lacking: new Set<Feature>(['zeroing ranges', 'moving ranges']),
    knownDifferences: KNOWN_EVERYWHERE,
  },
  {
    name: 'idbfs',
    create: () => onIdbfs({ yields: false }),
    lacking: new Set<Feature>(),
    knownDifferences: KNOWN_OF_IDBFS,
  },
  {
    name: 'idbfs on a store that always waits',
    create: () => onIdbfs({ yields: true }),
    lacking: new Set<Feature>(),
    knownDifferences: KNOWN_OF_IDBFS,
  },
];
