// Snapshots of a store that several tabs use: they are taken, mounted and rolled back to in the
// tab that holds it.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_CREAT, O_WRONLY } from '../../../src/abi/fcntl.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { type Op, runAsync, waitFor } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { SourceLock } from '../../../src/store/source-lock.ts';
import { type Actor, Scene } from '../../support/scene.ts';
import { Site } from '../../support/site.ts';
import { checkImage, openEngine } from '../store/engine/support.ts';

let device: MemoryDevice;
let site: Site;
let holder: Scene;
let client: Scene;

/** The store, which gives back the lock in the end, as that of a browser does. */
async function openStore(lock: SourceLock | undefined): Promise<Engine> {
  if (!device.isOpen) device.restore(device.image);
  const engine = await openEngine(device);
  const close = engine.close.bind(engine);
  engine.close = function* (): Op<void> {
    yield* close();
    yield* waitFor(lock?.release() ?? Promise.resolve());
  };
  return engine;
}

const openTab = (): Promise<Scene> =>
  Scene.open(
    { type: 'idbfs' },
    { tabs: site.openTab(), openStore: (_source, _options, lock) => openStore(lock) },
  );

beforeEach(async () => {
  device = new MemoryDevice({ yields: true });
  site = new Site();
  holder = await openTab();
  client = await openTab();
});

afterEach(async () => {
  await checkImage(device);
});

const take = ({ snapshots }: Kernel, name: string): Promise<void> =>
  runAsync(snapshots.create('/', name, { isWritable: false }));
const shutdown = ({ kernel }: Scene): Promise<void> => runAsync(kernel.shutdown());
const rollback = ({ snapshots }: Kernel, name: string): Promise<unknown> =>
  runAsync(snapshots.rollback('/', name, { keepAs: null }));

async function put(actor: Actor, path: string, text: string): Promise<void> {
  const fd = await actor.open(path, O_CREAT | O_WRONLY, 0o644);
  await actor.write(fd, text);
  await actor.close(fd);
}

test('a snapshot that the holder takes has what its clients have done', async () => {
  await put(await client.newActor(), '/of-client', 'text');
  await take(holder.kernel, 's');
  const t = await holder.newActor();
  await t.mkdir('/s');
  await holder.mount('/s', { type: 'idbfs', options: { snapshot: 's' } });
  expect(await t.readFile('/s/of-client')).toBe('text');
  await expect(holder.mount('/s', { type: 'idbfs' })).rejects.toBe(linuxerr.EBUSY);
  await shutdown(client);
  await shutdown(holder);
});

test('a client neither takes nor mounts any, until it holds the store itself', async () => {
  await take(holder.kernel, 's');
  await expect(take(client.kernel, 'other')).rejects.toMatchObject({
    reason: 'locked',
    message: expect.stringContaining('Another tab of this site holds') as string,
  });
  const t = await client.newActor();
  await t.mkdir('/s');
  const mount = (): Promise<void> =>
    client.mount('/s', { type: 'idbfs', options: { snapshot: 's' } });
  await expect(mount()).rejects.toMatchObject({ reason: 'locked' });
  await expect(client.mount('/s', { type: 'idbfs' })).rejects.toBe(linuxerr.EBUSY);
  await put(t, '/file', 'text');
  await shutdown(holder);
  expect(await t.readFile('/file')).toBe('text');
  await mount();
  expect(await t.list('/s')).toEqual([]);
  await shutdown(client);
});

test('the holder does not roll back while others use the tree', async () => {
  await take(holder.kernel, 's');
  const t = await client.newActor();
  await put(t, '/file', 'text');
  await expect(rollback(holder.kernel, 's')).rejects.toBe(linuxerr.EBUSY);
  expect(await t.readFile('/file')).toBe('text');
  await shutdown(client);
  await expect.poll(() => rollback(holder.kernel, 's').catch(String)).toBeNull();
  client = await openTab();
  const other = await client.newActor();
  expect(await other.list('/')).toEqual([]);
  await put(other, '/new', 'text');
  await shutdown(holder);
  expect(await other.readFile('/new')).toBe('text');
  await shutdown(client);
});

test('a store that was left is shared again', async () => {
  await shutdown(client);
  await shutdown(holder);
  holder = await openTab();
  client = await openTab();
  await put(await client.newActor(), '/file', 'text');
  expect(await (await holder.newActor()).list('/')).toEqual(['file']);
  await shutdown(client);
  await shutdown(holder);
});
