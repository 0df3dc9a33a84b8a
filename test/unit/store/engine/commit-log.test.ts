// The log: what is durable before it is in the tree.

import { beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { StoreShare } from '../../../../src/store/store-share.ts';
import { allItems, batch, bytes, commit } from '../support.ts';
import { expectClean, NotingDevice, openEngine, reopenEngine } from './support.ts';

let device: NotingDevice;
let engine: Engine;

beforeEach(async () => {
  device = new NotingDevice();
  engine = await openEngine(device);
  // Several leaves.
  const items = Array.from(
    { length: 1000 },
    (_, i) => [`${i}`.padStart(4, '0'), bytes(100)] as const,
  );
  await commit(engine, { items });
});

const log = (items: readonly (readonly [string, Uint8Array | undefined])[]): Promise<boolean> =>
  runAsync(engine.log(batch({ items })));

async function namesAfterCrash(): Promise<string[]> {
  engine = await reopenEngine(device, engine);
  await expectClean(device);
  return (await allItems(engine)).map(([name]) => name);
}

test('writes nothing but the superblock, and a commit follows at the next opening', async () => {
  device.written.length = 0;
  expect(
    await log([
      ['new', bytes(10)],
      ['0005', undefined],
    ]),
  ).toBe(true);
  expect(device.written.map(({ writes }) => writes.length)).toEqual([0]);
  expect(await runAsync(engine.get('new'))).toBeUndefined();
  const names = await namesAfterCrash();
  expect(names).toHaveLength(1000);
  expect([names.includes('new'), names.includes('0005')]).toEqual([true, false]);
  expect(device.written.at(-1)?.writes.length).toBeGreaterThan(0);
});

test('is replaced by the next one, and by the next commit', async () => {
  await log([['first', bytes(10)]]);
  await log([['second', bytes(10)]]);
  expect(await namesAfterCrash()).not.toContain('first');
  await log([['third', bytes(10)]]);
  await commit(engine, { items: [['fourth', bytes(10)]] });
  const names = await namesAfterCrash();
  expect(names).toEqual(expect.arrayContaining(['second', 'fourth']));
  expect(names).not.toContain('third');
});

test('is refused if it is large', async () => {
  device.written.length = 0;
  const items = Array.from({ length: 4 }, (_, i) => [`large${i}`, bytes(8000)] as const);
  expect(await log(items)).toBe(false);
  expect(device.written).toEqual([]);
});

test('is tried again after a failure, as what was logged before stays', async () => {
  await log([['first', bytes(10)]]);
  device.failNextCommit(linuxerr.EIO);
  await expect(log([['second', bytes(10)]])).rejects.toBe(linuxerr.EIO);
  const names = await namesAfterCrash();
  expect([names.includes('first'), names.includes('second')]).toEqual([true, false]);
});

describe('with other trees', () => {
  const snapshot = (name: string): Promise<void> =>
    runAsync(engine.subvolumes.snapshot({ name, createdAt: 0, isReadOnly: false }));

  test('stays when they change, and is not theirs', async () => {
    await log([['new', bytes(10)]]);
    await snapshot('s');
    const clone = await runAsync(engine.subvolumes.open('s'));
    expect(await runAsync(clone.log(batch({ items: [['x', bytes(10)]] })))).toBe(false);
    await commit(clone, { items: [['of the clone', bytes(10)]] });
    await runAsync(clone.close());
    expect(await namesAfterCrash()).toContain('new');
    const after = await runAsync(engine.subvolumes.open('s'));
    expect((await allItems(after)).map(([name]) => name)).not.toContain('new');
  });

  test('ends with a rollback', async () => {
    await snapshot('s');
    await log([['new', bytes(10)]]);
    await runAsync(engine.subvolumes.rollback('s', { keepAs: null }));
    expect(await namesAfterCrash()).not.toContain('new');
  });

  test('is committed when the main tree is opened again, of a store that stayed open', async () => {
    await snapshot('s');
    const share = new StoreShare(engine, () => undefined);
    const clone = await runAsync(share.open('s'));
    const main = await runAsync(share.open(undefined));
    await runAsync(main.log(batch({ items: [['new', bytes(10)]] })));
    await runAsync(main.close());
    const again = await runAsync(share.open(undefined));
    expect(await runAsync(again.get('new'))).toBeDefined();
    await runAsync(again.close());
    await runAsync(clone.close());
  });
});

test('stays where the medium fails while it is committed', async () => {
  await log([
    ['a', bytes(10)],
    ['b', bytes(10)],
  ]);
  const { image } = device;
  // As many as there are tries, if each change were tried alone.
  for (let failures = 1; failures <= 4; failures++) {
    device.restore(image);
    device.failuresLeft = failures;
    await expect(openEngine(device)).rejects.toBe(linuxerr.EIO);
    device.failuresLeft = 0;
    engine = await openEngine(device);
    const names = (await allItems(engine)).map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['a', 'b']));
  }
});

test('what lies where the tree is damaged is lost, the rest is there', async () => {
  await log([
    ['0500', bytes(50)],
    ['new', bytes(10)],
  ]);
  const damaged = new MemoryDevice();
  damaged.restore(device.image);
  // The leaf of one of them: the other is beyond its end.
  const leaves = [...device.image.places].filter(([, place]) => includes(place, '0500'));
  for (const [address] of leaves) damaged.damage(address, () => undefined);
  const opened = await openEngine(damaged);
  expect(await runAsync(opened.get('new'))).toBeDefined();
  await expect(runAsync(opened.get('0500'))).rejects.toBe(linuxerr.EIO);
});

function includes(place: Uint8Array, text: string): boolean {
  // The first unit of a key is shared with the key before it.
  return place[1] === 0 && new TextDecoder('latin1').decode(place).includes(text.slice(1));
}
