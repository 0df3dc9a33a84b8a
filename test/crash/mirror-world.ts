// The two media of a mirror, for tests: a file that crashes leads, a device in memory follows as
// IndexedDB does. Either can be lost, damaged or set back.

import { expect } from 'vitest';
import { type Clock, RealClock } from '../../src/lib/clock.ts';
import { runAsync } from '../../src/lib/op.ts';
import { checkDevice } from '../../src/store/engine/check.ts';
import { loadChecksum } from '../../src/store/engine/checksum.ts';
import { Engine } from '../../src/store/engine/engine.ts';
import { type DeviceImage, MemoryDevice } from '../../src/store/engine/memory-device.ts';
import { openMirror } from '../../src/store/engine/mirror-open.ts';
import type { MirroredDevice } from '../../src/store/engine/mirrored-device.ts';
import { OpfsDevice } from '../../src/store/engine/opfs-device.ts';
import { UNIT_SIZE, unitsOf } from '../../src/store/engine/page-device.ts';
import { CrashFile } from './crash-file.ts';

const checksum = await loadChecksum();

/** Long timers fire when nothing else is to be done, short ones in the midst of it. */
class EagerClock extends RealClock {
  override setTimer(ms: number, callback: () => void): () => void {
    if (ms < 100) {
      queueMicrotask(callback);
      return () => undefined;
    }
    const timer = setImmediate(callback);
    return () => {
      clearImmediate(timer);
    };
  }
}

const clock: Clock = new EagerClock();
let sessions = 1;

const NOTHING: DeviceImage = { superblock: undefined, places: new Map() };

export function memoryWith(image: DeviceImage): MemoryDevice {
  const device = new MemoryDevice({ yields: true, isTransactional: true });
  device.restore(image);
  return device;
}

/** What can be done to a medium between two openings. */
export const LOSSES = ['removed', 'rolled back', 'damaged', 'cut'] as const;
type Loss = (typeof LOSSES)[number];

/** Two media, and the store on them. */
export class World {
  file = new CrashFile();
  memory = memoryWith(NOTHING);
  /** What the media were at times. */
  readonly files: CrashFile[] = [];
  readonly images: DeviceImage[] = [];
  device!: MirroredDevice;
  engine!: Engine;

  async open(): Promise<void> {
    this.memory = memoryWith(this.memory.image);
    const handle = this.file;
    this.device = await runAsync(
      openMirror({
        preferred: { name: 'file', device: new OpfsDevice({ handle, checksum, name: 'test' }) },
        other: { name: 'memory', device: this.memory },
        checksum,
        clock,
        acceptsLoss: false,
        stepBytes: 30_000,
      }),
    );
    const options = { device: this.device, checksum, cacheBytes: 20_000, session: sessions++ };
    this.engine = await runAsync(Engine.open(options));
  }

  /** Waits until both sides have everything. A side that is closed for good is opened again. */
  async becomeWhole(): Promise<void> {
    for (let i = 0; i < 1000; i++) {
      await runAsync(this.device.settled());
      if (this.device.mirrorStatus.state === 'whole') return;
      if (i === 500) {
        await this.close();
        await this.open();
      }
      await new Promise(setImmediate);
    }
    expect(this.device.mirrorStatus.state).toBe('whole');
  }

  async close(): Promise<void> {
    await runAsync(this.engine.close());
  }

  keepCopies(): void {
    this.files.push(this.file.copy());
    this.images.push(this.memory.image);
  }

  loseFile(loss: Loss, random: () => number): void {
    if (loss === 'removed') this.file = new CrashFile();
    else if (loss === 'rolled back') this.file = pick(this.files, random).copy();
    else if (loss === 'cut') {
      // The superblocks stay: what is missing is found when it is read.
      const size = this.file.getSize();
      this.file.truncate(128 * 1024 + Math.floor(random() * Math.max(0, size - 128 * 1024)));
    } else {
      for (let i = 0; i < 5; i++) {
        const at =
          128 * 1024 + Math.floor(random() * Math.max(0, this.file.getSize() - 128 * 1024));
        this.file.write(new Uint8Array([Math.floor(random() * 256)]), { at });
      }
      this.file.flush();
    }
  }

  loseMemory(loss: Loss, random: () => number): void {
    if (loss === 'removed') this.memory = memoryWith(NOTHING);
    else if (loss === 'rolled back') this.memory = memoryWith(pick(this.images, random));
    else {
      for (const address of this.memory.image.places.keys()) {
        if (random() < 0.7) continue;
        this.memory.damage(address, (bytes) =>
          loss === 'cut' ? undefined : bytes.map((byte) => byte ^ 1),
        );
      }
    }
  }

  /** Each side by itself. */
  async check(): Promise<void> {
    const file = new OpfsDevice({ handle: this.file, checksum, name: 'test' });
    this.memory = memoryWith(this.memory.image);
    const reports = [];
    for (const device of [file, this.memory])
      reports.push(await runAsync(checkDevice(device, checksum)));
    expect(reports.map(({ problems }) => problems)).toEqual([[], []]);
    expect(reports[0]).toEqual(reports[1]);
    // Nothing else is on the medium that can have something else.
    const sizes = Array.from(this.memory.image.places.values(), ({ length }) => unitsOf(length));
    const units = sizes.reduce((sum, count) => sum + count, 0);
    expect(units * UNIT_SIZE).toBe(reports[1]?.usedBytes);
  }
}

function pick<T>(list: readonly T[], random: () => number): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new Error('nothing to pick');
  return item;
}
