// The filesystems the cases run on besides the real Linux. A new filesystem adds one row.

import type { Credentials } from '../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { runAsync } from '../../src/lib/op.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
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
];
