// XXH32, from xxhash-wasm: faster than a disk, and found in every language's library.

import xxhash from 'xxhash-wasm';
import type { Checksum } from './node-cache.ts';

/** Compiles a small wasm module. */
export async function loadChecksum(): Promise<Checksum> {
  const api = await xxhash();
  return (bytes) => api.h32Raw(bytes, 0);
}
