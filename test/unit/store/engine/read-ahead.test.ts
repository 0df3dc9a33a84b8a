// Leaves that are wanted one after the other are read several at once; those wanted here and there
// alone.

import { expect, test } from 'vitest';
import { type Op, runAsync } from '../../../../src/lib/op.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import type { Portion } from '../../../../src/store/engine/page-device.ts';
import { bytes, commit } from '../support.ts';
import { openEngine } from './support.ts';

class CountingDevice extends MemoryDevice {
  reads = 0;
  portions = 0;

  override *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    this.reads++;
    this.portions += portions.length;
    return yield* super.read(portions);
  }
}

const DIRECTORIES = 2000;
const PER_DIRECTORY = 20;

const keyOf = (directory: number, entry: number): string =>
  `d${String(directory).padStart(5, '0')}/${String(entry).padStart(3, '0')}`;

/** Some hundred leaves, none of them in memory. */
async function openTree(cacheBytes?: number): Promise<{ device: CountingDevice; engine: Engine }> {
  const filled = new MemoryDevice();
  const engine = await openEngine(filled);
  for (let directory = 0; directory < DIRECTORIES; directory += 100) {
    const items = Array.from({ length: 100 * PER_DIRECTORY }, (_, i) => {
      const key = keyOf(directory + Math.floor(i / PER_DIRECTORY), i % PER_DIRECTORY);
      return [key, bytes(100, i)] as const;
    });
    await commit(engine, { items });
  }
  await runAsync(engine.close());
  const device = new CountingDevice();
  device.restore(filled.image);
  const opened = await openEngine(device, cacheBytes);
  [device.reads, device.portions] = [0, 0];
  return { device, engine: opened };
}

function list(engine: Engine, directory: number): Promise<{ length: number }> {
  const [from, to] = [keyOf(directory, 0), keyOf(directory + 1, 0)];
  return runAsync(engine.scan({ from, to, limit: 1000 }));
}

test('directories listed in their order are read ahead', async () => {
  const { device, engine } = await openTree(64 << 20);
  for (let i = 0; i < DIRECTORIES; i++) {
    expect((await list(engine, i)).length).toBe(PER_DIRECTORY);
  }
  const leaves = device.portions;
  expect(leaves).toBeGreaterThan(150);
  expect(device.reads).toBeLessThan(leaves / 8);
});

test('one directory here and one there are read alone', async () => {
  const { device, engine } = await openTree(64 << 20);
  for (let i = 0; i < 50; i++) await list(engine, (i * 997) % DIRECTORIES);
  // A directory may lie in two leaves.
  expect(device.portions).toBeLessThan(110);
});

test('what is read ahead does not push itself out', async () => {
  const { device, engine } = await openTree(400_000);
  for (let i = 0; i < DIRECTORIES; i++) await list(engine, i);
  expect(device.portions).toBeLessThan(600);
});
