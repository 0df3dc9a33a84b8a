// The filesystems the cases run on besides the real Linux. A new filesystem adds one row.

import type { Credentials } from '../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { runAsync } from '../../src/lib/op.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { CacheMode } from '../../src/fs/gofer/options.ts';
import { startGofer } from '../support/gofers.ts';
import { bootKernel, type KernelOptions } from '../support/kernels.ts';
import { Site } from '../support/site.ts';
import type { TaskUnderTest } from './burrow-process.ts';
import type { Feature } from './case.ts';

/** A mounted filesystem, fresh and empty. */
export interface FilesystemUnderTest {
  /** An absolute path on it where the cases make their directories; every user may search it. */
  readonly directory: string;
  /** A new task with working directory '/', its own descriptor table and its own umask. */
  makeTask(credentials: Credentials): Promise<TaskUnderTest>;
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
  return underTest(await bootKernel(spec, options));
}

async function underTest(kernel: Kernel): Promise<FilesystemUnderTest> {
  // Cases look at a filesystem besides the one under test.
  await runAsync(kernel.mount('/dev', { type: 'devfs' }));
  return {
    directory: '/',
    makeTask: async (creds) => {
      const { task, sys } = await runAsync(kernel.createTask({ creds }));
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

/** The engine, with everything but the medium as it is in a browser. */
async function onEngine(): Promise<FilesystemUnderTest> {
  const device = new MemoryDevice({ capacityBytes: STORE_BYTES });
  const checksum = await loadChecksum();
  const store = await runAsync(Engine.open({ device, checksum, cacheBytes: 1 << 20 }));
  return onKernel({ type: 'idbfs' }, { store });
}

function onWaitingStore(): Promise<FilesystemUnderTest> {
  const store = new MemoryStore({ yields: true, capacityBytes: STORE_BYTES });
  return onKernel({ type: 'idbfs' }, { store });
}

/** The tab that makes the calls is not the one that holds the store. */
async function onRelay(): Promise<FilesystemUnderTest> {
  const site = new Site();
  const store = new MemoryStore({ yields: true, capacityBytes: STORE_BYTES });
  const holder = await bootKernel({ type: 'idbfs' }, { store, tabs: site.openTab() });
  const relayed = await underTest(await bootKernel({ type: 'idbfs' }, { tabs: site.openTab() }));
  return {
    ...relayed,
    close: async () => {
      await relayed.close();
      await runAsync(holder.shutdown());
    },
  };
}

/** A real folder of this host, by a real WebSocket. */
async function onGofer(cache: CacheMode): Promise<FilesystemUnderTest> {
  const gofer = await startGofer();
  const { connect: connectGofer, url: source } = gofer;
  const spec = { type: 'gofer', source, options: { cache } } as const;
  const mounted = await onKernel(spec, { connectGofer });
  return {
    ...mounted,
    close: async () => {
      await mounted.close();
      await gofer.close();
      if (gofer.errors.length > 0) throw gofer.errors[0];
    },
  };
}

/** What lisafs has no message for, and what the server does not let clients do. */
const GOFER_LACKS: ReadonlySet<Feature> = new Set<Feature>([
  // No message makes a file without a name, or tells of holes.
  'files without a name',
  'finding holes',
  // The server makes none: they would be the host's.
  'device nodes',
  // A value is a String, of 65,535 bytes at most; and ext4 has less.
  'large extended attributes',
  'zeroing ranges',
  'moving ranges',
  // ext4 leaves what was allocated there.
  'punching beyond the end',
]);

const SHARED_LACKS: readonly Feature[] = [
  // The host's filesystem has its own mind.
  'truncating to the same size without a trace',
];

const READ_THERE = 'access times are the host’s, which is not told who reads or why';
const PIPE_HERE = 'what goes through a FIFO stays here; the server knows the name alone';

/** Where others change the files too, attributes are what the server says. */
const SHARED_DIFFERENCES: Readonly<Record<string, string>> = {
  'copy_file_range within a file moves its access time, as it has been changed since': READ_THERE,
  'sendfile of nothing moves the access time of its source': READ_THERE,
  'read with O_NOATIME leaves atime': READ_THERE,
  'following a symbolic link changes the atime of the link': READ_THERE,
  'readlink changes the atime of the link and lstat does not': READ_THERE,
  'reading a FIFO changes its access time, unless it was opened with O_NOATIME': PIPE_HERE,
  'writing to a FIFO changes its mtime and ctime, reading its atime': PIPE_HERE,
  'a user may leave a whiteout, and a file takes its place': 'the host’s own user makes it',
};

function isAuthoritative(cache: CacheMode): boolean {
  return cache === 'exclusive' || cache === 'writethrough';
}

const GOFER_MODES: readonly CacheMode[] = ['exclusive', 'writethrough', 'shared', 'none'];

export const FILESYSTEMS: readonly FilesystemRow[] = [
  {
    name: 'tmpfs',
    create: () => onKernel({ type: 'tmpfs' }),
    // As Linux's tmpfs.
    lacking: new Set<Feature>(['zeroing ranges', 'moving ranges']),
    knownDifferences: {},
  },
  {
    name: 'idbfs',
    create: () => onEngine(),
    lacking: new Set<Feature>(['moving ranges']),
    knownDifferences: {},
  },
  {
    name: 'idbfs on a store that always waits',
    create: () => onWaitingStore(),
    lacking: new Set<Feature>(['moving ranges']),
    knownDifferences: {},
  },
  {
    name: 'idbfs that another tab holds',
    create: () => onRelay(),
    lacking: new Set<Feature>(['moving ranges']),
    knownDifferences: {},
  },
  ...GOFER_MODES.map((cache) => ({
    name: `gofer, ${cache}`,
    create: () => onGofer(cache),
    lacking: new Set([...GOFER_LACKS, ...(isAuthoritative(cache) ? [] : SHARED_LACKS)]),
    knownDifferences: isAuthoritative(cache) ? {} : SHARED_DIFFERENCES,
  })),
];
