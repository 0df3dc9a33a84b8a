// The device on a file in OPFS: how it writes, and what it holds of a quota.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync, runSync } from '../../../../src/lib/op.ts';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import { OpfsDevice } from '../../../../src/store/engine/opfs-device.ts';
import { UNIT_SIZE } from '../../../../src/store/engine/page-device.ts';
import { CrashFile } from '../../../crash/crash-file.ts';
import { bytes } from '../support.ts';
import { expectClean, openEngine } from './support.ts';

const checksum = await loadChecksum();

/** As Chromium has it: behind the limit nothing gets longer, and writes are cut short. */
class LimitedFile extends CrashFile {
  limit = Infinity;
  /** Sizes. */
  readonly writes: number[] = [];

  override write(buffer: Uint8Array, { at }: { at: number }): number {
    this.writes.push(buffer.length);
    const room = Math.max(0, this.limit - at);
    return super.write(buffer.subarray(0, Math.min(buffer.length, room)), { at });
  }

  override truncate(size: number): void {
    if (size <= this.limit) super.truncate(size);
  }
}

function open(): { file: LimitedFile; device: OpfsDevice } {
  const file = new LimitedFile();
  return { file, device: new OpfsDevice({ handle: file, checksum, name: 'test' }) };
}

test('what can be held is, and what could not be held is not said to be', () => {
  const { file, device } = open();
  expect(runSync(device.reserve(1 << 20))).toBe(1 << 20);
  file.limit = file.getSize() + (1 << 20);
  const held = runSync(device.reserve(4 << 20));
  // There is room for 2 MiB: found by halves, to a quarter of one.
  expect(held).toBe(1.9375 * 2 ** 20);
  expect(file.getSize()).toBeLessThanOrEqual(file.limit);
  expect(device.reservedBytes).toBe(held);
  runSync(device.release());
  expect(device.reservedBytes).toBe(0);
});

test('closed, the file keeps what is needed to remove something', () => {
  const { file, device } = open();
  runSync(device.reserve(8 << 20));
  const before = file.getSize() - (8 << 20);
  runSync(device.close());
  expect(file.getSize()).toBe(before + (2 << 20));
});

test('a write that is cut short is one that failed, and the state before it stays', async () => {
  const { file, device } = open();
  const engine = await openEngine(device);
  const batch = (size: number): Parameters<typeof engine.commit>[0] => ({
    items: new Map([['k', bytes(10)]]),
    discards: [],
    writes: [{ object: 1, run: { offset: 0, bytes: bytes(size) } }],
  });
  await runAsync(engine.commit(batch(50_000), { durability: 'strict' }));
  file.limit = file.getSize() + 20_000;
  await expect(runAsync(engine.commit(batch(900_000), { durability: 'strict' }))).rejects.toBe(
    linuxerr.EIO,
  );
  await expectClean(new OpfsDevice({ handle: file.copy(), checksum, name: 'test' }));
  file.limit = Infinity;
  await runAsync(engine.commit(batch(900_000), { durability: 'strict' }));
  await expectClean(new OpfsDevice({ handle: file.copy(), checksum, name: 'test' }));
});

test('small places that follow on each other are one write, and read as they were', () => {
  const { file, device } = open();
  const writes = [
    { address: 0, bytes: bytes(5000) },
    { address: 2, bytes: bytes(UNIT_SIZE) },
    { address: 3, bytes: bytes(100_000) },
    { address: 40, bytes: bytes(10) },
    { address: 41, bytes: bytes(28_000) },
    ...Array.from({ length: 20 }, (_, i) => ({ address: 60 + 7 * i, bytes: bytes(28_000 - i) })),
  ];
  runSync(device.commit({ writes, frees: [], superblock: bytes(100) }, 'strict'));
  // The last is the superblock's.
  const units = (...counts: number[]): number[] => counts.map((count) => count * UNIT_SIZE);
  expect(file.writes.slice(0, -1)).toEqual([100_000, ...units(3, 8, 63, 63, 14)]);
  const again = new OpfsDevice({ handle: file, checksum, name: 'test' });
  for (const { address, bytes: wanted } of writes) {
    const portion = { address, sizeBytes: wanted.length, from: 0, to: wanted.length };
    expect(runSync(again.read([portion]))[0]).toEqual(wanted);
  }
});
