// An engine on a device in memory, for tests.

import { expect } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { type Op, runAsync } from '../../../../src/lib/op.ts';
import { checkDevice, type CheckReport } from '../../../../src/store/engine/check.ts';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import type { DeviceBatch, PageDevice } from '../../../../src/store/engine/page-device.ts';
import type { Durability } from '../../../../src/store/store.ts';

const checksum = await loadChecksum();

export function openEngine(device: PageDevice, cacheBytes = 1 << 20): Promise<Engine> {
  return runAsync(Engine.open({ device, checksum, cacheBytes }));
}

/** Notes what is written to it. */
export class NotingDevice extends MemoryDevice {
  readonly written: DeviceBatch[] = [];
  readonly durabilities: Durability[] = [];
  /** So many commits fail, from the next one on. */
  failuresLeft = 0;

  override *commit(batch: DeviceBatch, durability: Durability): Op<void> {
    this.written.push(batch);
    this.durabilities.push(durability);
    if (this.failuresLeft > 0) {
      this.failuresLeft--;
      throw linuxerr.EIO;
    }
    yield* super.commit(batch, durability);
  }
}

/** Opens again what a device holds. */
export async function reopenEngine(
  device: MemoryDevice,
  engine: Engine,
  cacheBytes?: number,
): Promise<Engine> {
  await runAsync(engine.close());
  device.restore(device.image);
  return openEngine(device, cacheBytes);
}

/** All that a device holds is as it should be. */
export async function expectClean(device: PageDevice): Promise<void> {
  expect((await runAsync(checkDevice(device, checksum))).problems).toEqual([]);
}

/** The same of a device that may be busy: of what it held at this moment. */
export async function checkImage(device: MemoryDevice): Promise<CheckReport> {
  const copy = new MemoryDevice();
  copy.restore(device.image);
  const report = await runAsync(checkDevice(copy, checksum));
  expect(report.problems).toEqual([]);
  return report;
}
