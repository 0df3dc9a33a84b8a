// Kernels for tests that have one gofer's folder at the same time: each is a client of its own.

import { Credentials } from '../../src/auth/credentials.ts';
import type { ConnectGofer } from '../../src/fs/gofer/mount-gofer.ts';
import type { CacheMode } from '../../src/fs/gofer/options.ts';
import type { GoferOptions } from '../../src/fs/gofer/mount-options.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import type { RemoteStatus } from '../../src/vfs/remote-link.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import { asyncSyscallsOf } from '../conformance/burrow-subject.ts';
import type { AsyncSyscalls } from '../conformance/process.ts';
import { startGofer, type TestGofer, type TestGoferOptions } from './gofers.ts';
import { bootKernel } from './kernels.ts';
import { SlowLink } from './slow-link.ts';

export interface Process {
  readonly sys: AsyncSyscalls;
  /** For what is to be interrupted. */
  run<T>(call: (sys: Syscalls) => Op<T>): Promise<T>;
  /** As by a signal. */
  interrupt(): void;
}

export interface GoferClient {
  readonly kernel: Kernel;
  readonly link: SlowLink;
  process(): Promise<Process>;
}

const closers: (() => Promise<void>)[] = [];

/** To be called after each test. */
export async function endGofers(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export function atEnd(close: () => Promise<void>): void {
  closers.push(close);
}

export async function gofer(options: TestGoferOptions = {}): Promise<TestGofer> {
  const started = await startGofer(options);
  closers.push(() => started.close());
  return started;
}

export interface ClientOptions extends GoferOptions {
  readonly cache: CacheMode;
  /** Another way there. */
  readonly connect?: ConnectGofer;
  /** Told how the link is. */
  readonly onLinkChanged?: (status: RemoteStatus) => void;
  /** Answers take a while. */
  readonly isSlow?: boolean;
  /** But events come at once. */
  readonly arePushesFirst?: boolean;
}

export async function clientOf(
  { url: source, connect: direct }: Pick<TestGofer, 'url' | 'connect'>,
  client: ClientOptions,
): Promise<GoferClient> {
  const { connect = direct, isSlow = false, arePushesFirst, onLinkChanged, ...options } = client;
  const link = new SlowLink(isSlow ? undefined : 0, { arePushesFirst });
  const spec = { type: 'gofer', source, options } as const;
  const kernel = await bootKernel(spec, {
    connectGofer: async (asked) => link.wrap(await connect(asked)),
    onLinkChanged: (_source, status) => onLinkChanged?.(status),
  });
  closers.push(() => runAsync(kernel.shutdown()));
  return { kernel, link, process: () => processOf(kernel) };
}

async function processOf(kernel: Kernel): Promise<Process> {
  const { task, sys } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  return {
    sys: asyncSyscallsOf(sys),
    run: (call) => runAsync(call(sys), task),
    interrupt: () => {
      task.interrupt();
    },
  };
}
