// Memory of large writes that is used again: never while something still needs what is in it.

import { afterEach, expect, test, vi } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { LargeWrites } from '../../../src/fs/shared/large-writes.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { Store } from '../../../src/store/store.ts';
import { openIdbfs } from '../../support/history/session.ts';
import { openEngine } from '../store/engine/support.ts';

const MIB = 1 << 20;
const CHUNK = 32_768;
const LIMITS = { dentries: 100, listingBatch: 64, cacheSizeMin: 0 };

afterEach(() => {
  vi.restoreAllMocks();
});

function piece(seed: number): Uint8Array {
  return new Uint8Array(MIB).map((_, i) => i * 7 + seed + (i >> 8));
}

/** Says less than toEqual(), in a hundredth of the time. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

test('a piece is used again when all of it was given up, unless nothing is written', () => {
  const writes = new LargeWrites();
  const bytes = writes.copyOf(piece(1))!;
  expect(areEqual(bytes, piece(1))).toBe(true);
  for (let at = 0; at < MIB - CHUNK; at += CHUNK) writes.giveUp(bytes.subarray(at, at + CHUNK));
  expect(writes.copyOf(piece(2))!.buffer).not.toBe(bytes.buffer);
  writes.giveUp(bytes.subarray(MIB - CHUNK));
  const again = writes.copyOf(piece(3))!;
  expect(again.buffer).toBe(bytes.buffer);
  expect(areEqual(again, piece(3))).toBe(true);
  writes.giveUp(again);
  writes.end();
  expect(writes.copyOf(piece(4))!.buffer).not.toBe(bytes.buffer);
  // What it has not made is none of its business, nor what is smaller.
  writes.giveUp(new Uint8Array(MIB));
  expect(writes.copyOf(new Uint8Array(MIB - 1))).toBeUndefined();
});

async function mount(store: Store, dirtyLimit = 2 * MIB) {
  const options = { store, clock: new FakeClock(), limits: LIMITS };
  return runAsync(openIdbfs({ ...options, cacheSize: 2 * MIB, dirtyLimit }));
}

async function openFile(sys: Awaited<ReturnType<typeof mount>>['sys'], path: string) {
  return runAsync(sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644));
}

test('what was written through it is there, in memory and in the store', async () => {
  const copies = vi.spyOn(LargeWrites.prototype, 'copyOf');
  const device = new MemoryDevice({ yields: true });
  const { sys } = await mount(await openEngine(device));
  const fd = await openFile(sys, '/f');
  for (let i = 0; i < 40; i++) await runAsync(sys.pwrite(fd, piece(i), (i % 24) * MIB));
  const buffers = copies.mock.results.map(({ value }) => (value as Uint8Array).buffer);
  expect(new Set(buffers).size).toBeLessThan(buffers.length / 2);
  await runAsync(sys.fsync(fd));
  const target = new Uint8Array(MIB);
  const after = await mount(await openEngine(device));
  const again = await openFile(after.sys, '/f');
  for (let i = 0; i < 24; i++) {
    const seed = i < 16 ? i + 24 : i;
    for (const [of, file] of [
      [sys, fd],
      [after.sys, again],
    ] as const) {
      expect(await runAsync(of.pread(file, target, i * MIB))).toBe(MIB);
      expect(areEqual(target, piece(seed))).toBe(true);
    }
  }
});

test('a commit under way has its bytes, though the file is cut and another written', async () => {
  const device = new MemoryDevice({ yields: true });
  const { sys } = await mount(await openEngine(device), 8 * MIB);
  const fd = await openFile(sys, '/f');
  const other = await openFile(sys, '/g');
  for (let i = 0; i < 4; i++) await runAsync(sys.pwrite(fd, piece(i), i * MIB));
  const synced = runAsync(sys.fsync(fd));
  const cut = runAsync(sys.ftruncate(fd, 0));
  const written = [5, 6, 7].map((i) => runAsync(sys.pwrite(other, piece(i), i * MIB)));
  await synced;
  const crashed = new MemoryDevice();
  crashed.restore(device.image);
  await Promise.all([cut, ...written]);
  const after = await mount(await openEngine(crashed));
  const again = await openFile(after.sys, '/f');
  const target = new Uint8Array(MIB);
  for (let i = 0; i < 4; i++) {
    expect(await runAsync(after.sys.pread(again, target, i * MIB))).toBe(MIB);
    expect(areEqual(target, piece(i))).toBe(true);
  }
});

test('a store that goes on using what it was given has memory of its own', async () => {
  const copies = vi.spyOn(LargeWrites.prototype, 'copyOf');
  const store = await openEngine(new MemoryDevice());
  const { sys } = await mount(
    new Proxy(store, {
      get(target, key) {
        const value: unknown = key === 'forgetsWrites' ? undefined : Reflect.get(target, key);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
  );
  const fd = await openFile(sys, '/f');
  for (let i = 0; i < 8; i++) await runAsync(sys.pwrite(fd, piece(i), i * MIB));
  expect(copies).not.toHaveBeenCalled();
});
