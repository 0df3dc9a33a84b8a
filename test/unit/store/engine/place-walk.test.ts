// A walk through all places of a store, while its trees are snapshotted, deleted and rolled back.

import { expect, test } from 'vitest';
import { runAsync } from '../../../../src/lib/op.ts';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { PlaceWalk, spacePagesOf } from '../../../../src/store/engine/place-walk.ts';
import { decodeRootBlock, type RootBlock } from '../../../../src/store/engine/root-block.ts';
import { bytes, commit } from '../support.ts';
import { until } from './history.ts';
import { checkImage, openEngine } from './support.ts';

const checksum = await loadChecksum();

async function fill(engine: Engine, prefix: string): Promise<void> {
  const numbers = Array.from({ length: 2000 }, (_, i) => i);
  await commit(engine, {
    items: numbers.map((i) => [`${prefix}${1000 + i}`, bytes(100, i)] as const),
    writes: numbers.slice(0, 20).map((i) => [i, 0, bytes(8192, i)] as const),
  });
}

/** Steps of a walk; each returns how many places it visited, undefined at the end. */
function startWalk(device: MemoryDevice): {
  addresses: Set<number>;
  step: () => Promise<number | undefined>;
} {
  let superblock = device.image.superblock;
  const decode = (): RootBlock => decodeRootBlock(superblock ?? bytes(0), checksum);
  let block = decode();
  const { generation } = block;
  const current = (): RootBlock => {
    const last = device.image.superblock;
    if (last !== superblock) {
      superblock = last;
      block = decode();
    }
    return block;
  };
  const walk = new PlaceWalk({ device, checksum, current, generation });
  const addresses = new Set<number>();
  const step = async (): Promise<number | undefined> => {
    const places = await runAsync(walk.next(30_000));
    for (const { address } of places ?? []) addresses.add(address);
    return places?.length;
  };
  return { addresses, step };
}

/** Those of the beginning that are still there. */
function placesLeft(device: MemoryDevice, before: ReadonlyMap<number, Uint8Array>): number[] {
  const { superblock, places } = device.image;
  const block = decodeRootBlock(superblock ?? bytes(0), checksum);
  const pages = new Set(spacePagesOf(block, checksum).map(({ address }) => address));
  return [...places]
    .filter(([address, bytes]) => before.get(address) === bytes && !pages.has(address))
    .map(([address]) => address);
}

const info = { createdAt: 0, isReadOnly: true };

test('what several trees share is visited once', async () => {
  const device = new MemoryDevice();
  const engine = await openEngine(device);
  await fill(engine, 'a');
  const count = async (): Promise<number> => {
    const { addresses, step } = startWalk(device);
    let visited = 0;
    for (let n = await step(); n !== undefined; n = await step()) visited += n;
    expect([...addresses].sort()).toEqual(placesLeft(device, device.image.places).sort());
    return visited;
  };
  await runAsync(engine.subvolumes.snapshot({ name: 's', ...info }));
  const one = await count();
  for (const name of ['t', 'u', 'v']) {
    await runAsync(engine.subvolumes.snapshot({ name, ...info }));
  }
  expect(await count()).toBe(one);
});

test('a tree that takes the place of another one is visited from its beginning', async () => {
  const device = new MemoryDevice();
  const engine = await openEngine(device);
  await fill(engine, 'a');
  await runAsync(engine.subvolumes.snapshot({ name: 's', ...info }));
  await commit(engine, {
    items: Array.from({ length: 2000 }, (_, i) => [`a${1000 + i}`, undefined] as const),
    discards: Array.from({ length: 20 }, (_, i) => ({ object: i, from: 0, to: Infinity })),
  });
  await fill(engine, 'z');
  const before = device.image.places;
  const { addresses, step } = startWalk(device);
  for (let i = 0; i < 8; i++) await step();
  await runAsync(engine.subvolumes.rollback('s', { keepAs: null }));
  await runAsync(engine.subvolumes.delete('s'));
  await until(async () => (await checkImage(device)).dying === 0);
  while ((await step()) !== undefined);
  const left = placesLeft(device, before);
  expect(left.length).toBeGreaterThan(10);
  expect(left.filter((address) => !addresses.has(address))).toEqual([]);
});
