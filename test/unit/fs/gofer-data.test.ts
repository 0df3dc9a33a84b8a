// A gofer's client and its files' data: what of it is in memory.

import { queryObjects } from 'node:v8';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { Chunk, CHUNK_SIZE } from '../../../src/fs/shared/file-data.ts';
import { MemoryGofer } from './memory-gofer.ts';

const MIB = 2 ** 20;
const PIECES = 16;
const CACHE_SIZE = 2 * MIB;
const DIRTY_LIMIT = MIB;
/** Two pieces may be written and not sent. */
const CHUNKS_MAX = (CACHE_SIZE + 2 * MIB) / CHUNK_SIZE;

let gofer: MemoryGofer;

beforeEach(() => {
  gofer = new MemoryGofer();
});

afterEach(async () => {
  await gofer.close();
});

/** Each piece is another, and each of its chunks. */
function pieceOf(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += CHUNK_SIZE) bytes.fill(number * 7 + at / CHUNK_SIZE, at);
  return bytes;
}

describe.each(['exclusive', 'writethrough'])('%s', (cache) => {
  // Pieces of 1 MiB have memory that is used again.
  test.each([MIB, MIB / 2])(
    'of what is written, by %d bytes, the cache keeps its size',
    async (size) => {
      await gofer.mount({ cache, cacheSize: CACHE_SIZE, dirtyLimit: DIRTY_LIMIT });
      const program = await gofer.program();
      const before = queryObjects(Chunk, { format: 'count' });
      const fd = await program.open('/f', O_CREAT | O_RDWR);
      for (let i = 0; i < PIECES; i++) await program.run(program.sys.write(fd, pieceOf(i, size)));
      await program.run(program.sys.fsync(fd));
      expect(queryObjects(Chunk, { format: 'count' }) - before).toBeLessThanOrEqual(CHUNKS_MAX);
      for (let i = 0; i < PIECES; i++) {
        const bytes = new Uint8Array(size);
        expect(await program.run(program.sys.pread(fd, bytes, i * size))).toBe(size);
        expect(Buffer.compare(bytes, pieceOf(i, size)), `piece ${i}`).toBe(0);
      }
    },
  );
});
