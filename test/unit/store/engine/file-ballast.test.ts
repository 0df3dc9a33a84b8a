// Ballast in a file, with a quota that is counted as Chromium's: the file in powers of two until
// its handle is closed, and IndexedDB from what it remembers.

import { expect, test } from 'vitest';
import { FakeClock } from '../../../../src/lib/clock.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import type { Ballast } from '../../../../src/store/engine/ballast.ts';
import { FileBallast } from '../../../../src/store/engine/file-ballast.ts';
import type { AccessHandle } from '../../../../src/store/engine/opfs-device.ts';
import { CrashFile } from '../../../crash/crash-file.ts';

const MIB = 2 ** 20;

class Quota {
  left: number;
  file = new CrashFile();
  openCount = 0;

  constructor(left: number) {
    this.left = left;
  }

  open(): Promise<AccessHandle> {
    const { file } = this;
    let counted = file.getSize();
    const take = (size: number): void => {
      let rounded = MIB;
      while (rounded < size) rounded *= 2;
      if (rounded <= counted) return;
      if (rounded - counted > this.left) throw new DOMException('full', 'QuotaExceededError');
      this.left -= rounded - counted;
      counted = rounded;
    };
    // As in the browser, one has it at a time.
    expect(this.openCount++).toBe(0);
    return Promise.resolve({
      read: file.read.bind(file),
      write: file.write.bind(file),
      flush: file.flush.bind(file),
      getSize: file.getSize.bind(file),
      truncate: (size) => {
        take(size);
        file.truncate(size);
      },
      close: () => {
        this.left += counted - file.getSize();
        counted = file.getSize();
        this.openCount--;
      },
    });
  }
}

/** Records in memory, of which there is room for any number. */
class Records implements Ballast {
  bytes = 0;

  get countedBytes(): number {
    return this.bytes;
  }

  *load(): ReturnType<Ballast['load']> {
    // They are here.
  }

  *grow(bytes: number): ReturnType<Ballast['grow']> {
    this.bytes = Math.max(this.bytes, bytes);
  }

  *drop(bytes: number): ReturnType<Ballast['drop']> {
    const before = this.bytes;
    this.bytes = Math.max(0, before - bytes);
    return before > 0;
  }

  committed(): void {
    // Nothing is counted.
  }

  *close(): ReturnType<Ballast['close']> {
    // There is nothing to close.
  }
}

function make(left: number): {
  quota: Quota;
  records: Records;
  clock: FakeClock;
  ballast: FileBallast;
} {
  const quota = new Quota(left);
  const records = new Records();
  const clock = new FakeClock();
  const open = (): Promise<AccessHandle> => quota.open();
  return { quota, records, clock, ballast: new FileBallast({ open, records, clock }) };
}

test('what is asked for is held, and all of it given back at once', async () => {
  const { quota, ballast } = make(100 * MIB);
  await runAsync(ballast.grow(5 * MIB));
  expect(ballast.bytes).toBe(8 * MIB);
  expect(quota.left).toBe(92 * MIB);
  expect(await runAsync(ballast.drop(MIB))).toBe(true);
  expect(ballast.bytes).toBe(0);
  expect(quota.left).toBe(100 * MIB);
  expect(await runAsync(ballast.drop(MIB))).toBe(false);
});

test('where there is less than that, about as much as there is', async () => {
  const { quota, ballast } = make(5 * MIB);
  await runAsync(ballast.grow(30 * MIB));
  expect(ballast.bytes).toBe(4 * MIB);
  expect(quota.left).toBe(MIB);
});

test('what commits took without being asked is not counted on, until it is held anew', async () => {
  const { quota, clock, ballast } = make(15 * MIB);
  await runAsync(ballast.grow(6 * MIB));
  expect(ballast.bytes).toBe(8 * MIB);
  // IndexedDB remembers 15 MiB: with the file that is more than there is.
  quota.left -= 9 * MIB;
  ballast.committed(9 * MIB);
  expect(ballast.bytes).toBe(0);
  expect(ballast.countedBytes).toBe(8 * MIB);
  clock.advance(1000);
  await runAsync(ballast.grow(6 * MIB));
  expect(ballast.bytes).toBe(4 * MIB);
  expect(quota.left).toBe(2 * MIB);
});

test('a commit that may not be counted yet is made up for', async () => {
  const { clock, ballast } = make(100 * MIB);
  await runAsync(ballast.grow(2 * MIB));
  ballast.committed(4 * MIB);
  await runAsync(ballast.grow(2 * MIB));
  expect(ballast.bytes).toBe(12 * MIB);
  clock.advance(1000);
  await runAsync(ballast.grow(15 * MIB));
  expect(ballast.bytes).toBe(16 * MIB);
});

test('it is 128 MiB long at most, however much is written', async () => {
  const { quota, clock, ballast } = make(1000 * MIB);
  for (let i = 0; i < 100; i++) {
    await runAsync(ballast.grow(18 * MIB));
    expect(ballast.bytes).toBeGreaterThanOrEqual(18 * MIB);
    ballast.committed(8 * MIB);
    clock.advance(30);
  }
  expect(quota.left).toBe((1000 - 128) * MIB);
});

test('closed, it keeps what removing takes, and the next one finds that', async () => {
  const { quota, records, clock, ballast } = make(100 * MIB);
  await runAsync(ballast.grow(20 * MIB));
  await runAsync(ballast.close());
  expect(quota.openCount).toBe(0);
  expect(quota.left).toBe(98 * MIB);
  const open = (): Promise<AccessHandle> => quota.open();
  const next = new FileBallast({ open, records, clock });
  await runAsync(next.load());
  expect(next.bytes).toBe(2 * MIB);
});

test('without a file it is in records, which are given up once there is one', async () => {
  const { quota, records, clock, ballast } = make(100 * MIB);
  const none = (): Promise<undefined> => Promise.resolve(undefined);
  const without = new FileBallast({ open: none, records, clock });
  await runAsync(without.grow(3 * MIB));
  expect(without.bytes).toBe(3 * MIB);
  expect(records.bytes).toBe(3 * MIB);
  await runAsync(ballast.grow(6 * MIB));
  expect([records.bytes, quota.left, ballast.bytes]).toEqual([0, 92 * MIB, 8 * MIB]);
  await runAsync(without.grow(3 * MIB));
  await runAsync(without.drop(2 * MIB));
  expect(without.bytes).toBe(MIB);
});

test('who asks for it at the same time gets the same', async () => {
  const { quota, ballast } = make(100 * MIB);
  await Promise.all([runAsync(ballast.load()), runAsync(ballast.grow(2 * MIB))]);
  expect(ballast.bytes).toBe(4 * MIB);
  expect(quota.openCount).toBe(1);
});

test('closed while it is being opened, it is closed', async () => {
  const { quota, ballast } = make(100 * MIB);
  const growing = runAsync(ballast.grow(2 * MIB));
  await runAsync(ballast.close());
  await growing;
  expect(quota.openCount).toBe(0);
  expect(ballast.bytes).toBe(0);
});
