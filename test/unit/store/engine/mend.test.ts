// What a mirror doesn't mend: a place that a later commit has given up or used again, though the
// other side still has what somebody looks for who reads an old state.

import { expect, test } from 'vitest';
import { type Clock, RealClock } from '../../../../src/lib/clock.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import { Engine } from '../../../../src/store/engine/engine.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';
import { MirroredDevice } from '../../../../src/store/engine/mirrored-device.ts';
import { OpfsDevice } from '../../../../src/store/engine/opfs-device.ts';
import { CrashFile } from '../../../crash/crash-file.ts';
import { bytes, commit } from '../support.ts';
import { openEngine } from './support.ts';

const checksum = await loadChecksum();

/** Nothing that waits goes on: a side that is made anew stays as it was. */
class StoppedClock extends RealClock {
  override setTimer(): () => void {
    return () => undefined;
  }
}

const SIZE = 40_960;
const OLD = bytes(SIZE, 1);
const isOld = (found: Uint8Array): boolean =>
  found.length === SIZE && found.every((byte, i) => byte === OLD[i]);

/** A mirror whose follower is as it was before, and where both have the old record. */
async function openMirror(
  follower: 'whole' | 'stale',
): Promise<{ mirror: MirroredDevice; leader: MemoryDevice; engine: Engine; address: number }> {
  const leader = new MemoryDevice({ isTransactional: true });
  const handle = new CrashFile();
  const fill = Array.from({ length: 2000 }, (_, i) => [`k${i}`, bytes(100, i)] as const);
  for (const device of [leader, new OpfsDevice({ handle, checksum, name: 'test' })]) {
    const engine = await openEngine(device);
    await commit(engine, { items: fill, writes: [[1, 0, OLD]] });
  }
  const { image } = leader;
  const [address] = [...image.places].find(([, each]) => isOld(each)) ?? [];
  if (address === undefined) throw new Error('there is no record');
  // What was given up stays in a file until it is written over.
  const other = new OpfsDevice({ handle, checksum, name: 'test' });
  const clock: Clock = new StoppedClock();
  const sides = [
    { name: 'leader', device: leader },
    { name: 'other', device: other },
  ] as const;
  const { superblock } = image;
  const mirror = new MirroredDevice({
    preferred: sides[0],
    other: sides[1],
    leader: sides[0],
    follower,
    superblock,
    checksum,
    clock,
    stepBytes: 1000,
  });
  const options = { device: mirror, checksum, cacheBytes: 1 << 20 };
  return { mirror, leader, engine: await runAsync(Engine.open(options)), address };
}

test.each(['whole', 'stale'] as const)('with a %s side', async (follower) => {
  const { mirror, leader, engine, address } = await openMirror(follower);
  const mend = (): Promise<Uint8Array | undefined> =>
    runAsync(mirror.mend({ address, sizeBytes: SIZE }, isOld));
  leader.damage(address, (found) => found.fill(0));
  expect(await mend()).toEqual(OLD);
  expect(leader.image.places.get(address)).toEqual(OLD);
  await commit(engine, { discards: [{ object: 1, from: 0, to: Infinity }] });
  expect(leader.image.places.has(address)).toBe(false);
  expect(await mend()).toBeUndefined();
  expect(leader.image.places.has(address)).toBe(false);
  for (let i = 2; !leader.image.places.has(address); i++) {
    await commit(engine, { writes: [[i, 0, bytes(SIZE, i)]] });
  }
  const used = leader.image.places.get(address);
  expect(await mend()).toBeUndefined();
  expect(leader.image.places.get(address)).toEqual(used);
});
