// Data of a file of some MiB, with a cache that holds a part of it: what is written, cut, punched
// and committed in any order is read as a plain array has it, before and after a crash.

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import {
  AT_FDCWD,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  O_CREAT,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { type DeviceImage, MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../../support/history/settings.ts';
import { openIdbfs, type Session } from '../../support/history/session.ts';
import { openEngine } from '../store/engine/support.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

const SIZE_MAX = 3 << 20;
const CACHE_SIZE = 1 << 20;
const LIMITS = { dentries: 100, listingBatch: 64, cacheSizeMin: 0 };

const offset = fc.oneof(
  fc.nat(SIZE_MAX),
  fc.nat(SIZE_MAX / 4096).map((block) => block * 4096),
  fc.nat(SIZE_MAX / 32_768).map((chunk) => chunk * 32_768),
);
const length = fc.oneof(
  fc.nat(10_000),
  fc.constantFrom(4096, 32_768, 65_536, 1 << 20, 2 << 20),
  fc.nat(600_000),
);
const step = fc.oneof(
  fc.record({ call: fc.constant('write'), offset, length, seed: fc.nat(250) }),
  fc.record({
    call: fc.constantFrom('read', 'read', 'read on', 'read blocks', 'punch'),
    offset,
    length,
  }),
  fc.record({ call: fc.constant('truncate'), offset, length: fc.constant(0) }),
  fc.record({
    call: fc.constantFrom('fsync', 'sync', 'crash', 'interval'),
    offset: fc.constant(0),
    length: fc.constant(0),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T & { readonly seed?: number } : never;

interface Medium {
  readonly store: Store;
  /** What is there after a crash at this moment. */
  crash(): Promise<Medium>;
}

function inMemory(store = new MemoryStore({ yields: true })): Medium {
  return {
    store,
    crash() {
      const next = new MemoryStore({ yields: true });
      next.restore(store.snapshot());
      return Promise.resolve(inMemory(next));
    },
  };
}

/** A device that doesn't yield is read at once where that can be. */
async function onEngine(yields: boolean, image?: DeviceImage): Promise<Medium> {
  const device = new MemoryDevice({ yields });
  if (image !== undefined) device.restore(image);
  return {
    store: await openEngine(device, 300_000),
    crash: () => onEngine(yields, device.image),
  };
}

class Run {
  readonly #clock = new FakeClock();
  #medium: Medium;
  #session!: Session<Idbfs>;
  #fd = -1;
  #model = new Uint8Array(SIZE_MAX * 2);
  #size = 0;
  /** What was synced last: size and content. */
  #synced: readonly [number, Uint8Array] = [0, this.#model.slice()];

  constructor(medium: Medium) {
    this.#medium = medium;
  }

  async open(): Promise<void> {
    const { store } = this.#medium;
    const options = { store, clock: this.#clock, cacheSize: CACHE_SIZE, limits: LIMITS };
    this.#session = await runAsync(openIdbfs(options));
    const { sys } = this.#session;
    this.#fd = await runAsync(sys.openat(AT_FDCWD, '/f', O_CREAT | O_RDWR, 0o644));
    if (this.#size === 0) await this.#sync();
  }

  async #sync(): Promise<void> {
    await runAsync(this.#session.sys.fsync(this.#fd));
    this.#synced = [this.#size, this.#model.slice()];
  }

  async step({ call, offset, length, seed = 0 }: Step): Promise<void> {
    const { sys } = this.#session;
    const fd = this.#fd;
    const end = offset + length;
    switch (call) {
      case 'write': {
        const bytes = new Uint8Array(length).map((_, i) => i * 7 + seed + (i >> 8));
        expect(await runAsync(sys.pwrite(fd, bytes, offset))).toBe(length);
        this.#model.set(bytes, offset);
        if (length > 0) this.#size = Math.max(this.#size, end);
        return;
      }
      case 'read':
        await this.#read(offset, length);
        return;
      case 'read on':
        for (let at = offset; at < Math.min(end, this.#size); at += 5000)
          await this.#read(at, 5000);
        return;
      case 'read blocks':
        // In no order, and some of them twice.
        for (let i = 0; i < Math.min(40, length / 500); i++) {
          const block = (Math.floor(offset / 4096) + ((i * 37) % 29)) % (SIZE_MAX / 4096);
          await this.#read(block * 4096, 4096);
        }
        return;
      case 'punch': {
        if (length === 0) return;
        const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        await runAsync(sys.fallocate(fd, mode, offset, length));
        this.#model.fill(0, offset, end);
        return;
      }
      case 'truncate':
        await runAsync(sys.ftruncate(fd, offset));
        this.#model.fill(0, offset);
        this.#size = offset;
        return;
      case 'interval':
        this.#clock.advance(1000);
        return;
      case 'sync':
        await runAsync(sys.sync());
        this.#synced = [this.#size, this.#model.slice()];
        return;
      case 'crash': {
        await this.#sync();
        this.#medium = await this.#medium.crash();
        const [size, content] = this.#synced;
        [this.#size, this.#model] = [size, content.slice()];
        await this.open();
        return;
      }
      default:
        await this.#sync();
    }
  }

  async #read(offset: number, length: number): Promise<void> {
    const found = new Uint8Array(length).fill(99);
    const count = await runAsync(this.#session.sys.pread(this.#fd, found, offset));
    const end = Math.min(offset + length, this.#size);
    expect(count).toBe(Math.max(0, end - offset));
    if (count === 0) return;
    const isSame =
      Buffer.compare(found.subarray(0, count), this.#model.subarray(offset, end)) === 0;
    expect(isSame, `${count} bytes at ${offset}`).toBe(true);
  }

  async end(): Promise<void> {
    await this.#read(0, SIZE_MAX * 2);
    const { size } = await runAsync(this.#session.sys.fstat(this.#fd));
    expect(size).toBe(this.#size);
    await runAsync(this.#session.sys.close(this.#fd));
    expect((await runAsync(this.#session.filesystem.check())).problems).toEqual([]);
  }
}

test.each([
  ['in memory', (): Promise<Medium> => Promise.resolve(inMemory())],
  ['on the engine', (): Promise<Medium> => onEngine(true)],
  ['on the engine, read at once', (): Promise<Medium> => onEngine(false)],
])('%s', async (_name, open) => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 40, size: 'max' }),
    async (steps) => {
      const run = new Run(await open());
      await run.open();
      for (const each of steps) await run.step(each);
      await run.end();
    },
  );
  await fc.assert(property, { ...fuzz(60), endOnFailure: true });
});
