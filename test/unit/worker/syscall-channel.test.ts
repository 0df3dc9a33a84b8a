// System calls from another thread: it blocks, the kernel's thread never does.

import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'vite';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import type { WaitQueue } from '../../../src/lib/op.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { ChannelServer, makeChannel } from '../../../worker/syscall-channel.ts';
import { digest, makeData } from '../../support/history/action.ts';
import { type Actor, Scene } from '../../support/scene.ts';
import type { CallMessage, CallResult } from './channel-thread.ts';

vi.setConfig({ hookTimeout: 60_000 });

/** channel-thread.ts and what it imports as one script: Node's threads know no TypeScript. */
async function bundleThread(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'esnext',
      lib: {
        entry: fileURLToPath(new URL('channel-thread.ts', import.meta.url)),
        formats: ['es'],
      },
      rolldownOptions: { external: ['node:worker_threads'] },
    },
  });
  const [output] = result as { output: { code: string }[] }[];
  return output!.output[0]!.code;
}

let script: string;
let scene: Scene;
let t: Actor;
let thread: Worker;
let server: ChannelServer;
let panics: unknown[];

beforeAll(async () => {
  script = await bundleThread();
});

function connect(sys: Syscalls): void {
  const channel = makeChannel();
  panics = [];
  const onPanic = (error: unknown): void => void panics.push(error);
  server = new ChannelServer(channel, { sys, interruption: t.task, onPanic });
  thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: channel,
  });
}

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(async () => {
  server.stop();
  await thread.terminate();
  await scene.close();
  expect(panics).toEqual([]);
});

function call(name: string, ...args: readonly unknown[]): Promise<CallResult> {
  return callTimes(1, name, ...args);
}

function callTimes(times: number, name: string, ...args: readonly unknown[]): Promise<CallResult> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    const message: CallMessage = { name, args, times };
    thread.postMessage(message);
  });
}

function installPipe(): { fd: number; queue: ByteQueue } {
  const queue = new ByteQueue();
  const options = { flags: O_RDONLY, isTerminal: false, input: queue };
  return { fd: t.task.fds.install(scene.kernel.openStream(options, ROOT_CREDENTIALS)), queue };
}

/** Resolves when somebody waits for a queue to change. */
async function waited({ changed }: ByteQueue): Promise<void> {
  await expect.poll(() => (changed as WaitQueue).isEmpty).toBe(false);
}

test('results and failures come back as from the calls themselves', async () => {
  connect(t.sys);
  expect(await call('mkdirat', AT_FDCWD, '/dé', 0o755, 0)).toMatchObject({ value: undefined });
  expect(await call('mkdirat', AT_FDCWD, '/dé', 0o755, 0)).toEqual({ code: 'EEXIST' });
  const stat = await call('fstatat', AT_FDCWD, '/dé', 0);
  expect(stat).toMatchObject({ value: await t.stat('/dé') });
  expect(await call('openat', AT_FDCWD, '/dé', O_RDONLY, 0)).toMatchObject({ value: 0 });
  const listing = await call('getdents', 0, 1000);
  expect(listing).toMatchObject({ value: [{ name: '.' }, { name: '..' }] });
});

test('a call that waits blocks its thread until there is something', async () => {
  connect(t.sys);
  const { fd, queue } = installPipe();
  const read = call('read', fd, new Uint8Array(10));
  await waited(queue);
  queue.write(new Uint8Array([1, 2, 3]));
  expect(await read).toMatchObject({ value: 3 });
});

test('the end of the task interrupts a call', async () => {
  connect(t.sys);
  const { fd, queue } = installPipe();
  const read = call('read', fd, new Uint8Array(10));
  await waited(queue);
  scene.kernel.endTask(t.task);
  expect(await read).toEqual({ code: 'EINTR' });
});

test('megabytes go through at once, both ways', async () => {
  connect(t.sys);
  await t.open('/f', O_CREAT | O_RDWR);
  const data = makeData({ seed: 5, length: 3_000_001 });
  expect(await call('write', 0, data)).toMatchObject({ value: data.length });
  const result = await call('pread', 0, new Uint8Array(4_000_000), 1);
  expect(result).toMatchObject({ value: data.length - 1 });
  const { buffer } = result as { buffer: Uint8Array };
  expect(digest(buffer.subarray(0, data.length - 1))).toBe(digest(data.subarray(1)));
});

test('thousands of calls in a row, one at a time', async () => {
  connect(t.sys);
  await t.open('/f', O_CREAT | O_RDWR);
  expect(await callTimes(5000, 'write', 0, new Uint8Array([1]))).toMatchObject({ value: 1 });
  expect((await t.fstat(0)).size).toBe(5000);
});

test('an error that is no failure of the call is a panic', async () => {
  const bug = new TypeError('a bug');
  const broken = Object.create(t.sys, {
    sync: {
      value: () => {
        throw bug;
      },
    },
  }) as Syscalls;
  connect(broken);
  void call('sync').catch(() => undefined);
  await vi.waitFor(() => {
    expect(panics).toEqual([bug]);
  });
  panics = [];
});
