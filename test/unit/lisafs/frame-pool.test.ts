// The memory of requests that were answered.

import { expect, test } from 'vitest';
import { FramePool } from '../../../src/lisafs/frame-pool.ts';

const SIZE = 1 << 20;

test('large memory is used again, by requests of about its size', () => {
  const pool = new FramePool();
  const frame = pool.take(SIZE);
  pool.give(frame.subarray(8, 100));
  expect(pool.take(SIZE / 2).buffer).not.toBe(frame.buffer);
  expect(pool.take(SIZE + 1).buffer).not.toBe(frame.buffer);
  const again = pool.take(SIZE - 1);
  expect(again.buffer).toBe(frame.buffer);
  expect(again.length).toBe(SIZE);
  expect(pool.take(SIZE).buffer).not.toBe(frame.buffer);
});

test('small memory isn’t kept, nor more than 16 MiB', () => {
  const pool = new FramePool();
  const small = pool.take(1000);
  pool.give(small);
  expect(pool.take(1000).buffer).not.toBe(small.buffer);
  const frames = Array.from({ length: 20 }, () => new Uint8Array(SIZE));
  for (const frame of frames) pool.give(frame);
  const buffers = new Set(frames.map(({ buffer }) => buffer));
  const taken = frames.map(() => pool.take(SIZE));
  expect(taken.filter(({ buffer }) => buffers.has(buffer)).length).toBe(16);
});
