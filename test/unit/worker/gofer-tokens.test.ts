// Tokens of gofers that a page says anew for each link: across the boundary to the kernel's worker,
// to a real server whose token changes.

import { expose, proxy, releaseProxy, wrap } from 'comlink';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { MountSpec } from '../../../src/api.ts';
import { AT_FDCWD } from '../../../src/abi/fcntl.ts';
import type { ConnectGofer } from '../../../src/fs/gofer/mount-gofer.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { FRAME_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { type AskToken, joinToken, splitTokens } from '../../../worker/gofer-tokens.ts';
import { startServer, type TestServer } from '../../support/gofer-servers.ts';
import { bootKernel } from '../../support/kernels.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(): Promise<TestServer> {
  const server = await startServer();
  closers.push(() => server.stop());
  await writeFile(join(server.folder, 'file'), 'four');
  return server;
}

const connectGofer: ConnectGofer = ({ source, token }) =>
  connectWebSocket(source, {
    clock: new RealClock(),
    messageSizeMax: FRAME_SIZE_MAX,
    timeoutMs: 10_000,
    protocols: ['lisafs'],
    extraProtocols: protocolsFor(token),
    WebSocket,
  });

/** What the worker does with a mount that the page asks for. */
class Service {
  #kernel: Kernel | undefined;

  async mount(spec: MountSpec, askToken?: AskToken): Promise<void> {
    const whole = askToken === undefined ? spec : joinToken('/', spec, askToken);
    this.#kernel = await bootKernel(whole, { connectGofer });
  }

  async sizeOf(path: string): Promise<number> {
    const { sys } = await runAsync(this.#kernel!.createTask({}));
    return (await runAsync(sys.fstatat(AT_FDCWD, path, 0))).size;
  }

  async shutdown(): Promise<void> {
    if (this.#kernel !== undefined) await runAsync(this.#kernel.shutdown());
  }
}

/** The page's side of a service behind a port. */
function startService() {
  const { port1, port2 } = new MessageChannel();
  expose(new Service(), port1);
  const service = wrap<Service>(port2);
  closers.push(async () => {
    await service.shutdown();
    service[releaseProxy]();
    port1.close();
    port2.close();
  });
  return service;
}

async function mount(spec: MountSpec) {
  const service = startService();
  const { mounts, asked, ask } = splitTokens({ '/': spec });
  await service.mount(mounts['/']!, asked.length === 0 ? undefined : proxy(ask));
  return service;
}

test('a function is asked for the token each time a link is opened', async () => {
  const server = await serve();
  const said: string[] = [];
  const token = (): Promise<string> => {
    said.push(server.token);
    return Promise.resolve(server.token);
  };
  const options = { token, cache: 'shared' };
  const service = await mount({ type: 'gofer', source: server.url, options });
  expect(await service.sizeOf('/file')).toBe(4);
  await server.changeToken();
  await server.cutLinks();
  expect(await service.sizeOf('/file')).toBe(4);
  expect(new Set(said).size).toBe(2);
  expect(said.at(-1)).toBe(server.token);
});

test('a token that was refused is asked for again, until it is right', async () => {
  const server = await serve();
  let asked = 0;
  const { token: old } = server;
  // Somebody who is late with the news.
  const token = (): string => (++asked > 1 && asked < 4 ? old : server.token);
  const options = { token, cache: 'shared' };
  const service = await mount({ type: 'gofer', source: server.url, options });
  await server.changeToken();
  await server.cutLinks();
  expect(await service.sizeOf('/file')).toBe(4);
  expect(asked).toBeGreaterThanOrEqual(4);
});

test('a token that is text goes with the mount', async () => {
  const server = await serve();
  const options = { token: server.token };
  const service = await mount({ type: 'gofer', source: server.url, options });
  expect(await service.sizeOf('/file')).toBe(4);
});

test('what can not be a token, and a function that fails, are told in words', async () => {
  const server = await serve();
  const mountWith = (token: () => string): Promise<unknown> =>
    mount({ type: 'gofer', source: server.url, options: { token } });
  await expect(mountWith(() => '')).rejects.toThrow('the token is empty');
  await expect(mountWith(() => 5 as unknown as string)).rejects.toThrow('the token is no text');
  await expect(
    mountWith(() => {
      throw new Error('nobody is signed in');
    }),
  ).rejects.toThrow('nobody is signed in');
});

test('other mounts are left as they are', () => {
  const mounts = { '/': { type: 'tmpfs' }, '/dev': { type: 'devfs' } } as const;
  expect(splitTokens(mounts)).toMatchObject({ mounts, asked: [] });
});
