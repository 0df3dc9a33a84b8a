// Data in many small extents is written anew as few large ones, in the background: what is read
// stays the same, at any moment and after a crash at any.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { assertDefined } from '../../../../src/lib/assert.ts';
import { FakeClock } from '../../../../src/lib/clock.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { defragmentInBackground } from '../../../../src/store/defragment-in-background.ts';
import type { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { type Batch, BLOCK_SIZE } from '../../../../src/store/store.ts';
import { fuzz, FUZZ_TIMEOUT } from '../../../support/history/settings.ts';
import { checkImage, expectClean, openEngine, reopenEngine } from './support.ts';

const MIB = 1 << 20;
const WINDOW_BLOCKS = MIB / BLOCK_SIZE;
const QUIET_TURNS = 10;
const FILE = 7;

function commit(engine: Engine, batch: Partial<Batch>): Promise<void> {
  const whole = { items: new Map(), discards: [], writes: [], ...batch };
  return runAsync(engine.commit(whole, { durability: 'relaxed' }));
}

/** Blocks that are known by their seed. */
function blocks(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * BLOCK_SIZE);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + ((i * 7 + (i >> 12) + seed) % 255);
  return bytes;
}

/** An object of whole MiB, into which every other block was written again, one after the other. */
async function breakUp(engine: Engine, mebibytes: number): Promise<Uint8Array> {
  const content = blocks(0, mebibytes * WINDOW_BLOCKS);
  await commit(engine, { writes: [{ object: FILE, run: { offset: 0, bytes: content.slice() } }] });
  for (let block = 1; block < mebibytes * WINDOW_BLOCKS; block += 2) {
    const bytes = blocks(block, 1);
    const offset = block * BLOCK_SIZE;
    content.set(bytes, offset);
    await commit(engine, { writes: [{ object: FILE, run: { offset, bytes } }] });
  }
  return content;
}

async function extents(engine: Engine, size = 8 * MIB): Promise<number> {
  return (await runAsync(engine.dataRanges(FILE, 0, size))).length;
}

async function read(engine: Engine, size: number): Promise<Uint8Array> {
  const content = new Uint8Array(size);
  for (const { offset, bytes } of await runAsync(engine.read(FILE, 0, size))) {
    content.set(bytes, offset);
  }
  return content;
}

function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

async function turns(engine: Engine, count: number, bytesMax = 4 * MIB): Promise<number> {
  let written = 0;
  for (let i = 0; i < count; i++) written += await runAsync(engine.defragmenter.turn(bytesMax));
  return written;
}

const usedBytes = (device: MemoryDevice): number =>
  [...device.image.places.values()].reduce((sum, { length }) => sum + length, 0);

test('what was written in many parts becomes one extent, and the old records go', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  const content = await breakUp(engine, 1);
  expect(await extents(engine)).toBe(WINDOW_BLOCKS);
  const used = usedBytes(device);
  expect(used).toBeGreaterThan(1.4 * MIB);
  expect(await turns(engine, QUIET_TURNS - 1)).toBe(0);
  expect(await turns(engine, 1)).toBe(MIB);
  expect(await extents(engine)).toBe(1);
  expectSame(await read(engine, content.length), content);
  await checkImage(device);
  // What the last commit gave up goes with the next.
  await commit(engine, {});
  expect(usedBytes(device)).toBeLessThan(1.1 * MIB);
  expect(engine.defragmenter.isWanted).toBe(false);
  engine = await reopenEngine(device, engine);
  expectSame(await read(engine, content.length), content);
  await expectClean(device);
});

test('a turn writes no more than it may', async () => {
  const engine = await openEngine(new MemoryDevice());
  const content = await breakUp(engine, 5);
  await turns(engine, QUIET_TURNS - 1);
  const written: number[] = [];
  for (let i = 0; i < 4; i++) written.push(await turns(engine, 1, 2 * MIB));
  expect(written).toEqual([2 * MIB, 2 * MIB, MIB, 0]);
  expect(await extents(engine)).toBe(5);
  expectSame(await read(engine, content.length), content);
});

test('what is written to all the time is left alone until it is not', async () => {
  const engine = await openEngine(new MemoryDevice());
  await breakUp(engine, 1);
  const writes = [{ object: FILE, run: { offset: BLOCK_SIZE, bytes: blocks(3, 1) } }];
  for (let i = 0; i < 3 * QUIET_TURNS; i++) {
    await commit(engine, { writes });
    expect(await turns(engine, 1)).toBe(0);
  }
  expect(engine.defragmenter.isWanted).toBe(true);
  expect(await turns(engine, QUIET_TURNS - 1)).toBe(MIB);
});

test('what an earlier session left in parts is found when it is read', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  const content = await breakUp(engine, 2);
  engine = await reopenEngine(device, engine);
  expect(engine.defragmenter.isWanted).toBe(false);
  await runAsync(engine.read(FILE, MIB, 16 * BLOCK_SIZE));
  expect(await turns(engine, 1)).toBe(MIB);
  expect(await extents(engine)).toBe(WINDOW_BLOCKS + 1);
  expect(await turns(engine, 1)).toBe(MIB);
  expect(await extents(engine)).toBe(2);
  expectSame(await read(engine, content.length), content);
});

test('holes stay holes, and what is apart stays apart', async () => {
  const device = new MemoryDevice();
  const engine = await openEngine(device);
  await breakUp(engine, 1);
  const hole = { object: FILE, from: 100 * BLOCK_SIZE, to: 120 * BLOCK_SIZE };
  await commit(engine, { discards: [hole] });
  const content = await read(engine, MIB);
  expect(await turns(engine, QUIET_TURNS)).toBe(MIB - 20 * BLOCK_SIZE);
  expect(await runAsync(engine.dataRanges(FILE, 0, MIB))).toEqual([
    { from: 0, to: hole.from },
    { from: hole.to, to: MIB },
  ]);
  expectSame(await read(engine, MIB), content);
  await checkImage(device);
});

test('what is damaged stays as it is, and known as such', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  await breakUp(engine, 2);
  const { superblock, places } = device.image;
  const damaged = new Map(places);
  for (const [address, bytes] of places) {
    // The record that the first MiB began with.
    if (bytes.length === MIB && bytes[0] === blocks(0, 1)[0]) {
      damaged.set(address, bytes.with(5, 0));
      break;
    }
  }
  await runAsync(engine.close());
  device.restore({ superblock, places: damaged });
  engine = await openEngine(device);
  await expect(runAsync(engine.read(FILE, 0, MIB))).rejects.toBe(linuxerr.EIO);
  await runAsync(engine.read(FILE, MIB, MIB));
  expect(await turns(engine, QUIET_TURNS)).toBe(MIB);
  expect(await extents(engine)).toBe(WINDOW_BLOCKS + 1);
  await expect(runAsync(engine.read(FILE, 0, BLOCK_SIZE))).rejects.toBe(linuxerr.EIO);
  await runAsync(engine.read(FILE, BLOCK_SIZE, BLOCK_SIZE));
});

test('nothing is written twice that a snapshot or a view shares', async () => {
  const device = new MemoryDevice();
  const engine = await openEngine(device);
  await breakUp(engine, 1);
  const view = await runAsync(engine.view());
  expect(await turns(engine, QUIET_TURNS)).toBe(0);
  // Not for long, so it is tried again.
  expect(engine.defragmenter.isWanted).toBe(true);
  view.close();
  await runAsync(engine.subvolumes.snapshot({ name: 'old', createdAt: 0, isReadOnly: true }));
  expect(await turns(engine, QUIET_TURNS)).toBe(0);
  expect(engine.defragmenter.isBlocked).toBe(true);
  expect(await extents(engine)).toBe(WINDOW_BLOCKS);
  // And when it has gone.
  await runAsync(engine.subvolumes.delete('old'));
  await runAsync(engine.subvolumes.released());
  expect(await turns(engine, 1)).toBe(MIB);
});

test('nothing is written twice that a snapshot shares which is about to be taken', async () => {
  const engine = await openEngine(new MemoryDevice({ yields: true }));
  await breakUp(engine, 1);
  await turns(engine, QUIET_TURNS - 1);
  const options = { name: 'new', createdAt: 0, isReadOnly: true };
  const taken = runAsync(engine.subvolumes.snapshot(options));
  expect(await turns(engine, 1)).toBe(0);
  await taken;
  expect(await extents(engine)).toBe(WINDOW_BLOCKS);
});

test('of an extent that reaches into the next window the rest is left', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  const bytes = blocks(0, WINDOW_BLOCKS);
  await commit(engine, { writes: [{ object: FILE, run: { offset: MIB / 2, bytes } }] });
  for (const block of [130, 132, 134, 136, 300, 302, 304, 306]) {
    const run = { offset: block * BLOCK_SIZE, bytes: blocks(block, 1) };
    await commit(engine, { writes: [{ object: FILE, run }] });
  }
  engine = await reopenEngine(device, engine);
  const content = await read(engine, 2 * MIB);
  expect(await turns(engine, 1, MIB)).toBe(MIB / 2);
  expect(await runAsync(engine.dataRanges(FILE, 0, MIB))).toEqual([{ from: MIB / 2, to: MIB }]);
  expect(await turns(engine, 1, MIB)).toBe(MIB / 2);
  expect(await extents(engine)).toBe(2);
  expectSame(await read(engine, 2 * MIB), content);
  await checkImage(device);
});

test('a few writes here and there don’t have it all written again', async () => {
  const engine = await openEngine(new MemoryDevice());
  await breakUp(engine, 1);
  expect(await turns(engine, QUIET_TURNS)).toBe(MIB);
  let written = 0;
  for (let i = 0; i < 12; i++) {
    for (const block of [10, 60, 110, 160, 210]) {
      const run = { offset: (block + i) * BLOCK_SIZE, bytes: blocks(block, 1) };
      await commit(engine, { writes: [{ object: FILE, run }] });
    }
    await runAsync(engine.read(FILE, 0, MIB));
    written += await turns(engine, QUIET_TURNS + 1);
    expect(written).toBe(0);
  }
  const run = { offset: BLOCK_SIZE, bytes: blocks(1, 4) };
  await commit(engine, { writes: [{ object: FILE, run }] });
  expect(await turns(engine, QUIET_TURNS + 1)).toBe(MIB);
});

test('a window that was written to a little is found when it is read', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  await breakUp(engine, 1);
  engine = await reopenEngine(device, engine);
  const run = { offset: 5 * BLOCK_SIZE, bytes: blocks(1, 1) };
  await commit(engine, { writes: [{ object: FILE, run }] });
  await runAsync(engine.read(FILE, 0, 4 * BLOCK_SIZE));
  expect(engine.defragmenter.isWanted).toBe(false);
  await runAsync(engine.read(FILE, 0, MIB));
  expect(engine.defragmenter.isWanted).toBe(true);
  expect(await turns(engine, QUIET_TURNS)).toBe(MIB);
});

test('nothing is written twice where others need the room', async () => {
  const device = new MemoryDevice({ capacityBytes: 8 * MIB });
  const engine = await openEngine(device);
  await breakUp(engine, 1);
  const { commit: before } = device;
  device.commit = () => {
    throw new Error('a commit');
  };
  // Of 8 MiB some 1.5 are in use.
  await runAsync(engine.reserve(5.5 * MIB));
  expect(await turns(engine, QUIET_TURNS)).toBe(0);
  expect(engine.defragmenter.isBlocked).toBe(true);
  expect(engine.defragmenter.isWanted).toBe(true);
  // It isn't asked again until somebody has got what they wanted.
  device.reserve = () => {
    throw new Error('asked again');
  };
  expect(await turns(engine, 1)).toBe(0);
  Reflect.deleteProperty(device, 'reserve');
  device.commit = before;
  const larger = new MemoryDevice({ capacityBytes: 8 * MIB });
  larger.restore(device.image);
  const other = await openEngine(larger);
  await runAsync(other.reserve(3 * MIB));
  await runAsync(other.read(FILE, 0, MIB));
  expect(await turns(other, 1)).toBe(MIB);
  expect(other.reservedBytes).toBeGreaterThanOrEqual(3 * MIB);
});

test.each(['ENOSPC', 'EIO'] as const)(
  '%s is told to whoever writes, and the medium asked once a turn',
  async (code) => {
    const device = new MemoryDevice();
    const engine = await openEngine(device);
    const content = await breakUp(engine, 3);
    let commits = 0;
    const { commit: before } = device;
    device.commit = () => {
      commits++;
      throw linuxerr[code];
    };
    expect(await turns(engine, QUIET_TURNS)).toBe(0);
    expect(commits).toBe(1);
    expect(engine.defragmenter.isBlocked).toBe(true);
    device.commit = before;
    expect(await extents(engine)).toBe(3 * WINDOW_BLOCKS);
    if (code === 'ENOSPC') {
      // Whoever has unsaved data comes first.
      expect(await turns(engine, 1)).toBe(0);
      await runAsync(engine.reserve(MIB));
    }
    expect(await turns(engine, 1)).toBe(3 * MIB);
    expectSame(await read(engine, 3 * MIB), content);
    await checkImage(device);
  },
);

test('what is only in the log stays there', async () => {
  const device = new MemoryDevice();
  let engine = await openEngine(device);
  const content = await breakUp(engine, 1);
  const bytes = blocks(99, 1);
  const writes = [{ object: FILE, run: { offset: BLOCK_SIZE, bytes } }];
  expect(await runAsync(engine.log({ items: new Map(), discards: [], writes }))).toBe(true);
  expect(await turns(engine, QUIET_TURNS)).toBe(MIB);
  device.restore(device.image);
  engine = await openEngine(device);
  content.set(bytes, BLOCK_SIZE);
  expectSame(await read(engine, MIB), content);
});

class CountingClock extends FakeClock {
  timerCount = 0;

  override setTimer(ms: number, callback: () => void): () => void {
    this.timerCount++;
    return super.setTimer(ms, () => {
      this.timerCount--;
      callback();
    });
  }
}

test('a turn a second, while there is something to do', async () => {
  const clock = new CountingClock();
  const engine = await openEngine(new MemoryDevice());
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve));
    }
  };
  defragmentInBackground(engine, clock);
  expect(clock.timerCount).toBe(0);
  await breakUp(engine, 1);
  expect(clock.timerCount).toBe(1);
  await pass(QUIET_TURNS + 1);
  expect(await extents(engine)).toBe(1);
  expect(clock.timerCount).toBe(0);
  // And the next time.
  await breakUp(engine, 1);
  expect(clock.timerCount).toBe(1);
  await runAsync(engine.close());
  await pass(1);
  expect(clock.timerCount).toBe(0);
});

const BLOCKS = 300;
/** Of the last images of each history, so many are looked at. */
const LOOKED_AT = 20;

/** Blocks are written or become holes, or turns pass. */
interface Step {
  readonly kind: 'write' | 'hole' | 'turns';
  readonly at: number;
  readonly count: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'hole', 'turns'),
  at: fc.nat(BLOCKS - 1),
  count: fc.integer({ min: 1, max: 30 }),
});

test(
  'every state of the device is whole and is what had been written',
  { timeout: FUZZ_TIMEOUT },
  async () => {
    let defragmented = 0;
    const property = async (steps: readonly Step[]): Promise<void> => {
      const device = new MemoryDevice({ yields: true });
      const engine = await openEngine(device, 2000);
      const history = device.record();
      const content = new Uint8Array(BLOCKS * BLOCK_SIZE);
      const states: Uint8Array[] = [content];
      const remember = (): void => {
        while (states.length < history.length) states.push(content.slice());
        for (let i = 0; i < states.length - LOOKED_AT; i++) states[i] = content;
      };
      for (const [i, { at, count, kind }] of steps.entries()) {
        if (kind === 'turns') {
          defragmented += await turns(engine, count);
          remember();
          continue;
        }
        const isHole = kind === 'hole';
        // One by one: extents of a block each.
        for (let block = at; block < Math.min(BLOCKS, at + count); block++) {
          const bytes = isHole ? new Uint8Array(BLOCK_SIZE) : blocks(i + block, 1);
          const offset = block * BLOCK_SIZE;
          const range = { object: FILE, from: offset, to: offset + BLOCK_SIZE };
          const writes = [{ object: FILE, run: { offset, bytes } }];
          await commit(engine, isHole ? { discards: [range] } : { writes });
          content.set(bytes, offset);
          remember();
        }
      }
      await runAsync(engine.close());
      for (let i = Math.max(1, history.length - LOOKED_AT); i < history.length; i++) {
        const copy = new MemoryDevice();
        copy.restore(assertDefined(history[i]));
        await expectClean(copy);
        const expected = assertDefined(states[i]);
        expectSame(await read(await openEngine(copy), expected.length), expected);
      }
    };
    const steps = fc.array(anyStep, { minLength: 10, maxLength: 60, size: 'max' });
    await fc.assert(fc.asyncProperty(steps, property), { ...fuzz(10), endOnFailure: true });
    expect(defragmented).toBeGreaterThan(MIB);
  },
);
