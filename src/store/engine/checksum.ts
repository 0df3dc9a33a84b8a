// XXH32, from xxhash-wasm: faster than a disk, and found in every language's library.

import xxhash from 'xxhash-wasm';
import type { Checksum } from './node-cache.ts';

let loading: Promise<Checksum> | undefined;

/**
 * Compiles a small wasm module, once. All stores get the same function: what calls several of them
 * in turn, the JavaScript engine compiles to something slower, and again for each.
 */
export async function loadChecksum(): Promise<Checksum> {
  loading ??= xxhash().then((api) => (bytes) => api.h32Raw(bytes, 0));
  try {
    return await loading;
  } catch (error) {
    loading = undefined;
    throw error;
  }
}
