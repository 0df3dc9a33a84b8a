// Kernels for tests, in Node: on tmpfs, and on idbfs over a store in memory.

import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import { Kernel, type KernelPlatform } from '../../src/kernel/kernel.ts';
import type { Credentials } from '../../src/auth/credentials.ts';
import type { Tabs } from '../../src/fs/relayfs/tabs.ts';
import { type Clock, RealClock } from '../../src/lib/clock.ts';
import { runAsync, runSync } from '../../src/lib/op.ts';
import type { Store } from '../../src/store/store.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';

export interface KernelOptions {
  readonly clock?: Clock;
  readonly store?: Store;
  readonly openStore?: KernelPlatform['openStore'];
  readonly tabs?: Tabs;
  readonly connectGofer?: KernelPlatform['connectGofer'];
  readonly onLinkChanged?: KernelPlatform['onLinkChanged'];
}

export function bootKernel(spec: KernelMountSpec, options: KernelOptions = {}): Promise<Kernel> {
  const platform: KernelPlatform = {
    clock: options.clock ?? new RealClock(),
    fillRandom: (buffer) => {
      crypto.getRandomValues(buffer as Uint8Array<ArrayBuffer>);
    },
    openStore: options.openStore ?? (() => Promise.resolve(options.store ?? new MemoryStore())),
    tabs: options.tabs,
    connectGofer: options.connectGofer,
    onLinkChanged: options.onLinkChanged,
  };
  return runAsync(Kernel.boot(platform, spec));
}

/** The system calls of a new task, which needs no waiting to be made. */
export function makeTask(kernel: Kernel, creds: Credentials): Syscalls {
  return runSync(kernel.createTask({ creds })).sys;
}
