// Images of stores: what goes out comes in again, of one moment; what is damaged changes nothing.

import { beforeAll, describe, expect, test, vi } from 'vitest';
import { exportImage } from '../../../src/image/export-image.ts';
import { importImage } from '../../../src/image/import-image.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { loadChecksum } from '../../../src/store/engine/checksum.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { BLOCK_SIZE, type Store } from '../../../src/store/store.ts';
import { expectClean, openEngine } from '../store/engine/support.ts';
import { allItems, blocksOf, bytes, commit, digest, Origin } from '../store/support.ts';

vi.setConfig({ testTimeout: 60_000 });

const checksum = await loadChecksum();

async function fill(store: Store): Promise<void> {
  for (let i = 0; i < 300; i += 30) {
    const some = Array.from({ length: 30 }, (_, k) => i + k);
    await commit(store, {
      items: some.map((n) => [`item ${n} \u{1f600}`, bytes(n * 3, n)]),
      writes: some.map((n) => [n, (n % 4) * BLOCK_SIZE, bytes(n % 9 === 0 ? 9000 : 700, n)]),
    });
  }
  await commit(store, { writes: [[1000, 7 * BLOCK_SIZE, bytes(600 * BLOCK_SIZE, 4)]] });
}

async function contents(store: Store): Promise<unknown[]> {
  const objects: unknown[] = [];
  for (const object of [...Array.from({ length: 300 }, (_, i) => i), 1000]) {
    objects.push(blocksOf(await runAsync(store.read(object, 0, 1000 * BLOCK_SIZE))));
  }
  return [await allItems(store), objects];
}

async function imageOf(
  store: Store,
  options: { gzip?: boolean; during?: () => Promise<void> } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const view = await runAsync(store.view());
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const from = { view, source: 'there', exportedAt: 12345, checksum };
  const gzip = options.gzip ?? false;
  const done = exportImage(from, writable, { gzip });
  await options.during?.();
  const [, image] = await Promise.all([done, new Response(readable as BodyInit).arrayBuffer()]);
  view.close();
  return new Uint8Array(image);
}

function streamOf(image: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Blob([image]).stream();
}

const TARGETS: [string, () => Promise<{ store: Store; reopen: () => Promise<Store> }>][] = [
  [
    'a device in memory',
    async () => {
      const device = new MemoryDevice();
      const reopen = async (): Promise<Store> => {
        device.restore(device.image);
        await expectClean(device);
        return openEngine(device);
      };
      return { store: await openEngine(device), reopen };
    },
  ],
  [
    'IndexedDB',
    async () => {
      const origin = new Origin();
      const reopen = async (): Promise<Store> => {
        await origin.check();
        return origin.open();
      };
      return { store: await origin.open(), reopen };
    },
  ],
];

describe.each(TARGETS)('into %s', (_name, open) => {
  test.each([false, true])('what went out comes in, in place of what was there', async (gzip) => {
    const source = await openEngine(new MemoryDevice());
    await fill(source);
    const image = await imageOf(source, { gzip });
    const { store, reopen } = await open();
    await commit(store, { items: [['old', bytes(9)]], writes: [[5, 0, bytes(50_000)]] });
    const progress: number[] = [];
    const summary = await importImage(store, streamOf(image), {
      checksum,
      onProgress: (each) => progress.push(each.bytes),
    });
    expect(summary).toMatchObject({ source: 'there', exportedAt: 12345, items: 300 });
    expect(progress.length).toBeGreaterThan(0);
    const reopened = await reopen();
    expect(await contents(reopened)).toEqual(await contents(source));
    await commit(reopened, { items: [['new', bytes(9)]] });
    await runAsync(reopened.close());
  });
});

describe('an image', () => {
  let image: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    const source = await openEngine(new MemoryDevice());
    await fill(source);
    image = await imageOf(source);
  });

  test('is of one moment, whatever is committed while it is written', async () => {
    const source = await openEngine(new MemoryDevice());
    await fill(source);
    const during = async (): Promise<void> => {
      const items = (await allItems(source)).map(([key]) => [key, undefined] as const);
      await commit(source, { items, discards: [{ object: 1000, from: 0, to: Infinity }] });
    };
    expect(digest(await imageOf(source, { during }))).toBe(digest(image));
  });

  const damages: [string, (whole: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, RegExp][] = [
    ['without its end', (whole) => whole.slice(0, -25), /cut off/],
    ['cut in its midst', (whole) => whole.slice(0, whole.length >> 1), /cut off/],
    ['cut in its header', (whole) => whole.slice(0, 20), /cut off/],
    ['with a flipped bit', (whole) => flipped(whole, 1_000_000), /is damaged/],
    ['with another kind of part', (whole) => flipped(whole, 20), /is damaged/],
    ['that goes on', (whole) => Uint8Array.from([...whole, 0]), /goes on/],
    ['that is none', () => bytes(500).slice(), /no image/],
    ['that is empty', () => new Uint8Array(), /no image/],
  ];

  test.each(damages)('%s is refused, and nothing has changed', async (_how, change, message) => {
    const device = new MemoryDevice();
    const store = await openEngine(device);
    await commit(store, { items: [['old', bytes(9)]], writes: [[5, 0, bytes(50_000)]] });
    const before = await contents(store);
    const { used } = await runAsync(store.usage());
    await expect(importImage(store, streamOf(change(image)), { checksum })).rejects.toThrow(
      message,
    );
    expect(await contents(store)).toEqual(before);
    await expectClean(device);
    await commit(store, {});
    expect((await runAsync(store.usage())).used).toBeLessThanOrEqual(used + 4 * BLOCK_SIZE);
  });

  test('that comes no further leaves what was there when it is given up', async () => {
    const store = await openEngine(new MemoryDevice());
    await commit(store, { items: [['old', bytes(9)]] });
    const before = await contents(store);
    const abort = new AbortController();
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(image.slice(0, 1_500_000));
      },
    });
    const importing = importImage(store, stream, { checksum, signal: abort.signal });
    setTimeout(() => {
      abort.abort(new Error('enough'));
    }, 20);
    await expect(importing).rejects.toThrow('enough');
    expect(await contents(store)).toEqual(before);
  });

  test('of what is damaged ends with EIO', async () => {
    const device = new MemoryDevice();
    const store = await openEngine(device);
    await fill(store);
    const [record] = [...device.image.places].filter(([, place]) => place.length > 500_000);
    device.damage(record?.[0] ?? 0, (place) => flipped(Uint8Array.from(place), 9000));
    await expect(imageOf(store)).rejects.toThrow(/inode 1000, from byte \d+ on, can't be read/);
  });
});

function flipped(whole: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return whole.with(at, (whole[at] ?? 0) ^ 1);
}
