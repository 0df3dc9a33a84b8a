// The filesystems the cases run on besides the real Linux. A new filesystem adds one row.

import type { Credentials } from '../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { runAsync } from '../../src/lib/op.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { GoferLink } from '../../src/fs/gofer/mount-gofer.ts';
import type { CacheMode } from '../../src/fs/gofer/options.ts';
import { startDiod, whyNoDiod } from '../support/diod.ts';
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
  /** Why it can't be run on this machine; undefined if it can. */
  readonly whyNot?: string | undefined;
  /** Names of the ways to call it that are run; undefined for all. */
  readonly fronts?: readonly string[] | undefined;
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

const VERSIONS = { lisafs: 'lisafs', '9p2000.L': '9P2000.L' } as const;

/** A real folder of this host, by a real WebSocket. */
async function onGofer(
  cache: CacheMode,
  protocol: GoferLink['protocol'] = 'lisafs',
): Promise<FilesystemUnderTest> {
  const gofer = await startGofer();
  const { connect: connectGofer, url: source } = gofer;
  const spec: KernelMountSpec = {
    type: 'gofer',
    source,
    options: { version: VERSIONS[protocol], cache },
  };
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

/** The same folder by 9P, with a server that is none of ours. */
async function onDiod(cache: CacheMode): Promise<FilesystemUnderTest> {
  const diod = await startDiod();
  const { connect: connectGofer, url: source, folder: aname } = diod;
  const options = { version: '9P2000.L', cache, aname };
  const mounted = await onKernel({ type: 'gofer', source, options }, { connectGofer });
  return {
    ...mounted,
    close: async () => {
      await mounted.close();
      await diod.close();
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

const NO_FLAGS = '9P’s renames have no flags';

/** By 9P2000.L, with gVisor's messages or without. */
const P9_DIFFERENCES: Readonly<Record<string, string>> = {
  'RENAME_WHITEOUT leaves the device 0:0 under the old name': NO_FLAGS,
  'RENAME_WHITEOUT moves a directory, and goes with RENAME_NOREPLACE': NO_FLAGS,
  'a queue of 16384 events is full: IN_Q_OVERFLOW, and what follows is lost': NO_FLAGS,
  'a rename that leaves a whiteout tells of the rename alone': NO_FLAGS,
  'an exchange tells of two renames, each with a cookie of its own': NO_FLAGS,
  'renameat2 with RENAME_EXCHANGE returns ENOTDIR for a file with a trailing slash': NO_FLAGS,
  'renameat2 with RENAME_EXCHANGE swaps a file and a directory of different parents': NO_FLAGS,
  'renameat2 with RENAME_EXCHANGE swaps two directories with entries': NO_FLAGS,
  'renameat2 with RENAME_EXCHANGE swaps two files': NO_FLAGS,
  'renameat2 with RENAME_NOREPLACE moves to a free name': NO_FLAGS,
  'the whiteout that RENAME_WHITEOUT leaves has the group of a setgid directory': NO_FLAGS,
  'a user may leave a whiteout, and a file takes its place': NO_FLAGS,
};

/** What plain 9P2000.L has no message for besides, or diod does not do. */
const DIOD_LACKS: ReadonlySet<Feature> = new Set<Feature>([...GOFER_LACKS]);

const NO_ALLOCATE = '9P2000.L has no message that allocates';
const BY_PATH = 'diod knows files by their paths, even those that are open';
const EMPTY_XATTR = 'by the protocol, a value of no bytes is none';

const DIOD_DIFFERENCES: Readonly<Record<string, string>> = {
  ...P9_DIFFERENCES,
  'FALLOC_FL_KEEP_SIZE takes space beyond the end and leaves the size as it is': NO_ALLOCATE,
  'a hole beyond the end changes nothing, one across it stops there': NO_ALLOCATE,
  'a hole that begins and ends within blocks is zeroed to the byte': NO_ALLOCATE,
  'a punched hole reads as zeros and leaves the size as it is': NO_ALLOCATE,
  'fallocate far beyond what the medium holds returns ENOSPC or EFBIG, and grows nothing':
    NO_ALLOCATE,
  'fallocate grows a file to the end of the range and never shrinks it': NO_ALLOCATE,
  'fallocate keeps what is in the range and fills the rest with zeros': NO_ALLOCATE,
  'fallocate takes the blocks of the range': NO_ALLOCATE,
  'fallocate tells of a change, with a hole or the old size too': NO_ALLOCATE,
  'fallocate with FALLOC_FL_KEEP_SIZE takes blocks and leaves the size': NO_ALLOCATE,
  'fallocate works through a write-only description and leaves its offset': NO_ALLOCATE,
  'punching a hole changes mtime and ctime, and clears the setuid bit': NO_ALLOCATE,
  'punching a hole gives space back': NO_ALLOCATE,
  'the birth time is there and does not change': 'diod does not tell it',
  'an attribute may be empty': EMPTY_XATTR,
  'two hundred attributes of one file are listed and keep their values': EMPTY_XATTR,
  'getcwd returns ENAMETOOLONG for a path of more than 4096 bytes': BY_PATH,
};

/** Where changes are sent at once. */
const DIOD_UNLINKED_DIFFERENCES: Readonly<Record<string, string>> = {
  'fchmod changes the file of a read-only description': BY_PATH,
  'IN_EXCL_UNLINK does not hide changes of the inode': BY_PATH,
  'an unlinked file that is open grows by writing and shrinks by ftruncate': BY_PATH,
};

/** Where files are looked at each time. */
const DIOD_SHARED_DIFFERENCES: Readonly<Record<string, string>> = {
  'attributes belong to the file, whatever names it has': BY_PATH,
};

const GOFER_MODES: readonly CacheMode[] = ['exclusive', 'writethrough', 'shared', 'none'];

/** README.md says when all of them are run. */
const isThorough = process.env['BURROW_GOFER'] === 'all';
const P9_MODES: readonly CacheMode[] = isThorough ? GOFER_MODES : ['exclusive'];
const P9_FRONTS = isThorough ? undefined : ['called directly'];

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
  ...P9_MODES.map((cache) => ({
    name: `gofer, 9P, ${cache}`,
    create: () => onGofer(cache, '9p2000.L'),
    fronts: P9_FRONTS,
    lacking: new Set([...GOFER_LACKS, ...(isAuthoritative(cache) ? [] : SHARED_LACKS)]),
    knownDifferences: {
      ...(isAuthoritative(cache) ? {} : SHARED_DIFFERENCES),
      ...P9_DIFFERENCES,
    },
  })),
  ...P9_MODES.map((cache) => ({
    name: `gofer, 9P, diod, ${cache}`,
    create: () => onDiod(cache),
    fronts: P9_FRONTS,
    whyNot: whyNoDiod(),
    lacking: new Set([...DIOD_LACKS, ...(isAuthoritative(cache) ? [] : SHARED_LACKS)]),
    knownDifferences: {
      ...DIOD_DIFFERENCES,
      ...(cache === 'exclusive' ? {} : DIOD_UNLINKED_DIFFERENCES),
      ...(isAuthoritative(cache) ? {} : { ...SHARED_DIFFERENCES, ...DIOD_SHARED_DIFFERENCES }),
    },
  })),
];
