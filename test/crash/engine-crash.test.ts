// The engine under random histories of system calls: what its device held after any commit is
// whole, mounts, and is a state that the filesystem really had when the commit began; nothing that
// was synced by then is missing.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { checkStore } from '../../src/fs/idbfs/check.ts';
import { CHUNK_SIZE } from '../../src/fs/shared/file-data.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync, runSync } from '../../src/lib/op.ts';
import { checkDevice } from '../../src/store/engine/check.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { type DeviceImage, MemoryDevice } from '../../src/store/engine/memory-device.ts';
import type { Batch, Durability, Store } from '../../src/store/store.ts';
import { type Action, perform, printAction } from '../support/history/action.ts';
import { anyAction, PRELUDE } from '../support/history/generate.ts';
import { closeSession, openIdbfs, openTmpfs } from '../support/history/session.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { readTree, treeInMemory, withoutAtime } from '../support/history/tree.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const checksum = await loadChecksum();

/** A write of a history touches two chunks: with less, a commit may come between its pieces. */
const CHUNKS_BYTES = 3 * CHUNK_SIZE;
/** The least that the engine may keep in memory: nodes are read again and again. */
const CACHE_BYTES = 1000;
const LIMITS = { dentries: 8, listingBatch: 3, cacheSizeMin: 0 };

interface Moment {
  readonly image: DeviceImage;
  /** What the tree was when the commit began, or after the action that it began in. */
  readonly trees: string[][];
}

function openEngine(device: MemoryDevice): Promise<Engine> {
  return runAsync(Engine.open({ device, checksum, cacheBytes: CACHE_BYTES }));
}

/** A history on an engine, with a tmpfs that does the same. Returns what each commit left. */
async function run(actions: readonly Action[]): Promise<Moment[]> {
  const device = new MemoryDevice({ yields: true });
  const engine = await openEngine(device);
  const clock = new FakeClock();
  const model = openTmpfs(clock);
  const moments: Moment[] = [];
  let open: string[][][] = [];
  const store: Store = {
    get: (key) => engine.get(key),
    scan: (options) => engine.scan(options),
    read: (...range) => engine.read(...range),
    dataRanges: (...range) => engine.dataRanges(...range),
    readAtOnce: (...ranges) => engine.readAtOnce(...ranges),
    nextData: (...from) => engine.nextData(...from),
    usage: () => engine.usage(),
    isOpen: true,
    get reservedBytes() {
      return engine.reservedBytes;
    },
    reserve: (size) => engine.reserve(size),
    *log(batch: Batch): Op<boolean> {
      const trees = [treeInMemory(model.filesystem)];
      open.push(trees);
      const isLogged = yield* engine.log(batch);
      moments.push({ image: device.image, trees });
      return isLogged;
    },
    view: (options) => engine.view(options),
    replace: () => engine.replace(),
    close: () => engine.close(),
    *commit(batch: Batch, options: { readonly durability: Durability }): Op<void> {
      const trees = [treeInMemory(model.filesystem)];
      open.push(trees);
      yield* engine.commit(batch, options);
      moments.push({ image: device.image, trees });
    },
  };
  const cache = { cacheSize: CHUNKS_BYTES, limits: LIMITS };
  const session = await runAsync(openIdbfs({ store, clock, dirtyLimit: 20_000, ...cache }));
  for (const action of [...PRELUDE, ...actions]) {
    const outcome = await runAsync(perform(session.sys, action));
    expect(outcome, printAction(action)).toBe(runSync(perform(model.sys, action)));
    for (const trees of open) trees.push(treeInMemory(model.filesystem));
    open = [];
    const isSync = ['fsync', 'fdatasync', 'sync', 'syncfs'].includes(action.call);
    if (!isSync || outcome !== '"done"') continue;
    moments.push({ image: device.image, trees: [treeInMemory(model.filesystem)] });
  }
  await runAsync(closeSession(session));
  return moments;
}

/** What a mount after a crash shows. Everything is whole before it and after it. */
async function mountImage(image: DeviceImage): Promise<string[]> {
  const device = new MemoryDevice();
  device.restore(image);
  const before = await runAsync(checkDevice(device, checksum));
  expect(before.problems).toEqual([]);
  const store = await openEngine(device);
  expect((await runAsync(checkStore(store, {}))).problems).toEqual([]);
  const session = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  expect((await runAsync(session.filesystem.check())).problems).toEqual([]);
  const tree = await runAsync(readTree(session.sys));
  await runAsync(closeSession(session));
  device.restore(device.image);
  expect((await runAsync(checkDevice(device, checksum))).problems).toEqual([]);
  return withoutAtime(tree);
}

test('every state of the device mounts, whole, with everything that was synced', async () => {
  let count = 0;
  const options = { writeMax: 9000, syncs: true };
  const actions = fc.array(anyAction(options), { minLength: 20, maxLength: 80, size: 'max' });
  const property = fc.asyncProperty(actions, async (history) => {
    for (const { image, trees } of await run(history)) {
      count++;
      const tree = (await mountImage(image)).join('\n');
      const wanted = trees.map((each) => withoutAtime(each).join('\n'));
      if (!wanted.includes(tree)) expect(tree).toBe(wanted[0]);
    }
  });
  await fc.assert(property, { ...fuzz(40), endOnFailure: true });
  expect(count).toBeGreaterThan(400);
});
