// Random histories of an engine with snapshots and clones: what its device held after any commit is
// whole, all trees of one moment are in it, and what was deleted by then goes when it is used
// again.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { runAsync } from '../../src/lib/op.ts';
import { type DeviceImage, MemoryDevice } from '../../src/store/engine/memory-device.ts';
import type { Store } from '../../src/store/store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyStep, type Forest, History, type Step, until } from '../unit/store/engine/history.ts';
import { checkImage, openEngine } from '../unit/store/engine/support.ts';
import { checkAll } from '../unit/store/model.ts';
import { bytes, commit } from '../unit/store/support.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT * 2 });

interface Moment {
  readonly image: DeviceImage;
  /** What the trees were before the step under way, and after it. */
  readonly forests: readonly Forest[];
}

async function run(steps: readonly Step[]): Promise<Moment[]> {
  const device = new MemoryDevice({ yields: true });
  const history = new History(await openEngine(device));
  const images = device.record();
  const moments: Moment[] = [];
  for (const step of steps) {
    if (step.kind === 'reopen' || step.kind === 'fail') continue;
    const before = history.forest.copy();
    const first = images.length;
    await history.do(step);
    const forests = [before, history.forest.copy()];
    for (const image of images.slice(first)) moments.push({ image, forests });
  }
  return moments;
}

async function isLike(forest: Forest, image: DeviceImage): Promise<boolean> {
  const device = new MemoryDevice();
  device.restore(image);
  const engine = await openEngine(device);
  try {
    const list = await runAsync(engine.subvolumes.list());
    expect(list.map(({ name }) => name)).toEqual([...forest.named.keys()].toSorted());
    await checkAll(engine, forest.main);
    for (const [name, { model }] of forest.named) {
      const store: Store = await runAsync(engine.subvolumes.open(name));
      await checkAll(store, model);
    }
    return true;
  } catch {
    return false;
  }
}

/** Whoever goes on after a crash gets the space of what was deleted. */
async function goOn(image: DeviceImage): Promise<void> {
  const device = new MemoryDevice();
  device.restore(image);
  const before = await checkImage(device);
  const engine = await openEngine(device);
  await commit(engine, { items: [['after the crash', bytes(10)]] });
  if (before.dying > 0) await until(async () => (await checkImage(device)).dying === 0);
  await checkImage(device);
}

test('every state of the device is whole, and has all trees of one moment', async () => {
  let count = 0;
  const steps = fc.array(anyStep, { minLength: 8, maxLength: 16, size: 'max' });
  const property = fc.asyncProperty(steps, async (history) => {
    for (const { image, forests } of await run(history)) {
      count++;
      await goOn(image);
      const alike = await Promise.all(forests.map((forest) => isLike(forest, image)));
      expect(alike).toContain(true);
    }
  });
  await fc.assert(property, { ...fuzz(20), endOnFailure: true });
  expect(count).toBeGreaterThan(100);
});
