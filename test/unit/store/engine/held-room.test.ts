// What the defragmenter may take of a medium, beside what writers count on.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../../src/abi/errno.ts';
import { runAsync } from '../../../../src/lib/op.ts';
import { HeldRoom } from '../../../../src/store/engine/held-room.ts';
import { MemoryDevice } from '../../../../src/store/engine/memory-device.ts';

const MIB = 1 << 20;

function holdBeside(room: HeldRoom): Promise<boolean> {
  return runAsync(room.holdBeside(2 * MIB));
}

function noRoom(room: HeldRoom): Promise<boolean> {
  room.exhausted();
  return Promise.resolve(false);
}

function openRoom(capacityBytes: number): { room: HeldRoom; device: MemoryDevice } {
  const device = new MemoryDevice({ capacityBytes });
  return { device, room: new HeldRoom(device) };
}

test('room is held beside what others have', async () => {
  const { device, room } = openRoom(100 * MIB);
  await runAsync(room.reserve(18 * MIB));
  expect(await holdBeside(room)).toBe(true);
  expect(device.reservedBytes).toBe(20 * MIB);
});

test('it does not grow without bound', async () => {
  const { device, room } = openRoom(1000 * MIB);
  await runAsync(room.reserve(18 * MIB));
  for (let turn = 0; turn < 100; turn++) await holdBeside(room);
  expect(device.reservedBytes).toBe(42 * MIB);
});

test.each([18, 64, 200])('nothing is taken of %i MiB that others asked for', async (wanted) => {
  const { device, room } = openRoom((wanted + 1) * MIB);
  expect(await runAsync(room.reserve(wanted * MIB))).toBe(wanted * MIB);
  expect(await holdBeside(room)).toBe(false);
  expect(device.reservedBytes).toBeGreaterThanOrEqual(wanted * MIB);
});

test('what others have stays theirs when the medium gives it up', async () => {
  const { device, room } = openRoom(100 * MIB);
  await runAsync(room.reserve(30 * MIB));
  Object.defineProperty(device, 'reservedBytes', { value: 0 });
  const asked: number[] = [];
  device.reserve = function* (bytes) {
    asked.push(bytes);
    return yield* MemoryDevice.prototype.reserve.call(device, bytes);
  };
  await holdBeside(room);
  expect(asked).toEqual([32 * MIB]);
});

test.each([
  ['a refusal', holdBeside],
  ['a commit without room', noRoom],
])('after %s nothing is asked until others have got what they wanted', async (_, happens) => {
  const { device, room } = openRoom(19 * MIB);
  await runAsync(room.reserve(18 * MIB));
  expect(await happens(room)).toBe(false);
  const { reserve } = device;
  device.reserve = () => {
    throw new Error('asked again');
  };
  expect(await holdBeside(room)).toBe(false);
  device.reserve = reserve;
  expect(await runAsync(room.reserve(10 * MIB))).toBeGreaterThanOrEqual(10 * MIB);
  expect(await holdBeside(room)).toBe(false);
});

test('a medium that fails is short of room', async () => {
  const { device, room } = openRoom(100 * MIB);
  const { reserve } = device;
  device.reserve = () => {
    throw linuxerr.EIO;
  };
  await expect(holdBeside(room)).rejects.toBe(linuxerr.EIO);
  device.reserve = reserve;
  expect(await holdBeside(room)).toBe(false);
  await runAsync(room.reserve(MIB));
  expect(await holdBeside(room)).toBe(true);
});
