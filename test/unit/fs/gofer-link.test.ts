// The link of a mounted gofer as the kernel shows it, by the real server over real WebSockets: what
// is counted, what is told when it breaks, and how to let go of a server that doesn't come back.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from '../../../src/abi/fcntl.ts';
import type { CacheMode } from '../../../src/fs/gofer/options.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { parseGoferUrl, protocolsFor } from '../../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import type { RemoteStatus } from '../../../src/vfs/remote-link.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import { bootKernel } from '../../support/kernels.ts';
import { TokenGofer } from '../../support/token-gofer.ts';

const clock = new RealClock();

let gofer: TokenGofer;
let kernel: Kernel;
let told: RemoteStatus[] = [];
let onTold: () => void = () => undefined;

beforeEach(async () => {
  told = [];
  gofer = await TokenGofer.start();
  kernel = await bootKernel(
    { type: 'tmpfs' },
    {
      connectGofer: ({ source, token }) => {
        const address = parseGoferUrl(source);
        return connectWebSocket(address.url, {
          clock,
          messageSizeMax: 4 << 20,
          timeoutMs: 10_000,
          protocols: ['lisafs'],
          extraProtocols: protocolsFor(token ?? address.token),
          WebSocket,
        });
      },
      onLinkChanged: (source, status) => {
        expect(source).toBe(gofer.url);
        told.push(status);
        onTold();
      },
    },
  );
});

afterEach(async () => {
  await runAsync(kernel.shutdown());
  await gofer.close();
});

function mount(cache: CacheMode): Promise<void> {
  const spec = { type: 'gofer', source: gofer.address, options: { cache } } as const;
  return runAsync(kernel.mount('/remote', spec));
}

function link(): RemoteStatus {
  return kernel.mounts.find(({ path }) => path === '/remote')!.link!;
}

/** Waits until such a state is told. */
async function tells(state: RemoteStatus['state']): Promise<RemoteStatus> {
  for (;;) {
    const found = told.findLast((status) => status.state === state);
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => {
      onTold = resolve;
    });
  }
}

async function makeSys() {
  return asyncSyscallsOf((await runAsync(kernel.createTask({}))).sys);
}

test('a mount tells how its link is; others have none', async () => {
  await mount('writethrough');
  expect(link()).toMatchObject({
    state: 'connected',
    reason: undefined,
    cache: 'writethrough',
    locks: 'server',
    reconnectCount: 0,
  });
  expect(link().latencyMs).toBeGreaterThan(0);
  expect(link().requestCount).toBeGreaterThan(0);
  expect(kernel.mounts[0]).toMatchObject({ path: '/', link: undefined });
});

test('who looks at a link has its latency measured, now and then', async () => {
  await mount('exclusive');
  const before = link();
  // The state of a link that is there is told only for its latency.
  told = [];
  kernel.measureLinks();
  const measured = await tells('connected');
  expect(measured.requestCount).toBe(before.requestCount + 1);
  expect(measured.latencyMs).not.toBe(before.latencyMs);
  kernel.measureLinks();
  expect(link().requestCount).toBe(measured.requestCount);
});

describe('what memory has answered is counted', () => {
  /** Requests sent, and those that needn't be. */
  async function countsOf(run: () => Promise<unknown>): Promise<[sent: number, saved: number]> {
    const before = link();
    await run();
    const after = link();
    return [after.requestCount - before.requestCount, after.savedCount - before.savedCount];
  }

  test('exclusive: names, names that are not there, listings and reads', async () => {
    await writeFile(join(gofer.folder, 'file'), 'text');
    await mount('exclusive');
    const sys = await makeSys();
    const stat = (): Promise<unknown> => sys.fstatat(AT_FDCWD, '/remote/file', 0);
    const missing = async (): Promise<void> => {
      await expect(sys.fstatat(AT_FDCWD, '/remote/none', 0)).rejects.toBe(linuxerr.ENOENT);
    };
    const list = async (): Promise<void> => {
      const fd = await sys.openat(AT_FDCWD, '/remote', O_RDONLY | O_DIRECTORY, 0);
      await sys.getdents(fd, 4096);
      await sys.close(fd);
    };
    const fd = async (): Promise<number> => sys.openat(AT_FDCWD, '/remote/file', O_RDONLY, 0);
    expect(await countsOf(stat)).toEqual([1, 0]);
    expect(await countsOf(stat)).toEqual([0, 1]);
    expect(await countsOf(missing)).toEqual([1, 0]);
    expect(await countsOf(list)).toEqual([1, 0]);
    expect(await countsOf(list)).toEqual([0, 1]);
    expect(await countsOf(missing)).toEqual([0, 1]);
    const opened = await fd();
    const read = (): Promise<number> => sys.pread(opened, new Uint8Array(4), 0);
    await read();
    expect(await countsOf(read)).toEqual([0, 1]);
  });

  test('shared: none, as all is looked at again', async () => {
    await writeFile(join(gofer.folder, 'file'), 'text');
    await mount('shared');
    const sys = await makeSys();
    const stat = (): Promise<unknown> => sys.fstatat(AT_FDCWD, '/remote/file', 0);
    await stat();
    const [sent, saved] = await countsOf(stat);
    expect([sent > 0, saved]).toEqual([true, 0]);
  });
});

test('a link that breaks is told, and reconnect() goes on at once', async () => {
  await mount('shared');
  await gofer.stop();
  const broken = await tells('reconnecting');
  expect(broken.reason).toMatch(/\w/);
  await gofer.restart();
  told = [];
  await runAsync(kernel.reconnect('/remote/'));
  expect(await tells('connected')).toMatchObject({ reason: undefined, reconnectCount: 1 });
});

test('a token that is refused is final, until reconnect()', async () => {
  await mount('exclusive');
  await gofer.restart('another');
  const { reason } = await tells('failed');
  expect(reason).toMatch(/^token refused: it is not the one/);
  const sys = await makeSys();
  await expect(sys.fstatat(AT_FDCWD, '/remote/any', 0)).rejects.toBe(linuxerr.EIO);
  await gofer.restart();
  told = [];
  await runAsync(kernel.reconnect('/remote'));
  await tells('connected');
  await expect(sys.fstatat(AT_FDCWD, '/remote/any', 0)).rejects.toBe(linuxerr.ENOENT);
});

test('a wrong token is refused as a mount, in words', async () => {
  await gofer.restart('another');
  await expect(mount('shared')).rejects.toThrow(`${gofer.url}: token refused: it is not the one`);
});

test('reconnect() is for gofers', async () => {
  await expect(runAsync(kernel.reconnect('/'))).rejects.toBe(linuxerr.EINVAL);
  await expect(runAsync(kernel.reconnect('/nowhere'))).rejects.toBe(linuxerr.EINVAL);
});

describe('a server that does not come back', () => {
  test.each(['exclusive', 'shared'] as const)(
    '%s: is unmounted without being asked, if nothing is written that it has not got',
    async (cache) => {
      await mount(cache);
      await gofer.stop();
      await tells('reconnecting');
      await runAsync(kernel.umount('/remote'));
      expect(kernel.mounts.map(({ path }) => path)).not.toContain('/remote');
    },
  );

  test('with force, what waits for it fails with EIO', async () => {
    await writeFile(join(gofer.folder, 'file'), 'text');
    await mount('shared');
    const sys = await makeSys();
    const fd = await sys.openat(AT_FDCWD, '/remote/file', O_RDONLY, 0);
    await gofer.stop();
    await tells('reconnecting');
    const waiting = expect(sys.fstatat(AT_FDCWD, '/remote/file', 0)).rejects.toBe(linuxerr.EIO);
    await expect(runAsync(kernel.umount('/remote'))).rejects.toBe(linuxerr.EBUSY);
    await runAsync(kernel.umount('/remote', { isForced: true }));
    await waiting;
    await expect(sys.pread(fd, new Uint8Array(4), 0)).rejects.toBe(linuxerr.EIO);
    await sys.close(fd);
    await expect(sys.fstatat(AT_FDCWD, '/remote/file', 0)).rejects.toBe(linuxerr.ENOENT);
    // One that was let go of says no more.
    expect(told.at(-1)?.state).toBe('reconnecting');
  });
});
