// The engine on a mirror: a file that crashes leads, a device in memory follows as IndexedDB does.
// Whatever happens to one of the two, nothing that was committed is missing, both are whole in the
// end and hold the same, and nothing else.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
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
import { MemoryStore } from '../../src/store/memory-store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import { anyBatch, contentOf, randomOf, toBatch } from './any-batch.ts';
import { CrashFile } from './crash-file.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

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

function memoryWith(image: DeviceImage): MemoryDevice {
  const device = new MemoryDevice({ yields: true, isTransactional: true });
  device.restore(image);
  return device;
}

/** What can be done to a medium between two openings. */
const LOSSES = ['removed', 'rolled back', 'damaged', 'cut'] as const;
type Loss = (typeof LOSSES)[number];

/** Two media, and the store on them. */
class World {
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

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('nothing' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('reopen' as const) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('crash' as const), ticks: fc.nat(12) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('loss' as const),
      loss: fc.constantFrom(...LOSSES),
      isFile: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('failure' as const),
      isFile: fc.boolean(),
      after: fc.nat(6),
    }),
  },
);

const step = fc.record({ batch: anyBatch, isStrict: fc.boolean(), event, seed: fc.nat() });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const counts = { crashes: 0, losses: 0, failures: 0, resilvered: 0, degraded: 0 };

/** Makes one commit, and what happens then. Returns what the store may hold. */
async function run(
  world: World,
  model: MemoryStore,
  { batch, isStrict, event, seed }: Step,
): Promise<string[]> {
  const before = await contentOf(model);
  const changes = toBatch(batch);
  const durability = isStrict ? 'strict' : 'relaxed';
  const options = { durability } as const;
  await runAsync(model.commit(changes, options));
  const after = await contentOf(model);
  const random = randomOf(seed);
  switch (event.what) {
    case 'crash': {
      counts.crashes++;
      // The commit may be under way.
      let isDone = false;
      const commit = runAsync(world.engine.commit(changes, options)).then(() => (isDone = true));
      for (let i = 0; i < event.ticks; i++) await Promise.resolve();
      const wasDone = isDone;
      const image = world.memory.image;
      const file = world.file.crash(random);
      await commit;
      await world.close();
      world.file = file;
      world.memory = memoryWith(image);
      await world.open();
      return wasDone ? [after] : [before, after];
    }
    case 'failure': {
      counts.failures++;
      if (event.isFile) world.file.operationsLeft = event.after;
      else world.memory.failNextCommit(event.after < 3 ? linuxerr.EIO : linuxerr.ENOSPC);
      let isDone = true;
      await runAsync(world.engine.commit(changes, options)).catch((error: unknown) => {
        // While a side is made anew, there is no other.
        expect([linuxerr.EIO, linuxerr.ENOSPC]).toContain(error);
        isDone = false;
      });
      world.file.operationsLeft = Infinity;
      if (world.device.mirrorStatus.state === 'degraded') counts.degraded++;
      if (isDone) return [after];
      // A file whose superblock may or may not be there has been given up.
      if (world.device.isOpen) return [before];
      await world.close();
      await world.open();
      return [before, after];
    }
    default:
      await runAsync(world.engine.commit(changes, options));
  }
  if (event.what === 'nothing') return [after];
  if (event.what === 'loss') {
    // The other side has to be whole by then.
    await world.becomeWhole();
    expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
  }
  await world.close();
  if (event.what === 'loss') {
    counts.losses++;
    if (event.isFile) world.loseFile(event.loss, random);
    else world.loseMemory(event.loss, random);
  }
  await world.open();
  if (world.device.mirrorStatus.state === 'resilvering') counts.resilvered++;
  return [after];
}

test('nothing that was committed is lost with either side', async () => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 30, size: 'max' }),
    async (steps) => {
      const model = new MemoryStore();
      const world = new World();
      world.keepCopies();
      await world.open();
      for (const each of steps) {
        const before = model.snapshot();
        const wanted = await run(world, model, each);
        const content = await contentOf(world.engine);
        expect(wanted).toContain(content);
        if (content !== (await contentOf(model))) model.restore(before);
        if (each.seed % 4 === 0) world.keepCopies();
      }
      await world.becomeWhole();
      expect(world.device.mirrorStatus).toMatchObject({
        state: 'whole',
        leader: 'file',
        behindBytes: 0,
      });
      expect(await contentOf(world.engine)).toBe(await contentOf(model));
      expect(await runAsync(world.device.scrub())).toMatchObject({ isComplete: true, lost: 0 });
      await world.close();
      await world.check();
    },
  );
  await fc.assert(property, { ...fuzz(60), endOnFailure: true });
  console.log(counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(20);
});
