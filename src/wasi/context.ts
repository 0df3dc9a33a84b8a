// What every WASI function works with.

import { linuxerr } from '../abi/errno.ts';
import { RW_COUNT_MAX } from '../abi/limits.ts';
import type { Syscalls } from '../syscalls/table.ts';
import type { Descriptors } from './descriptors.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { WorkingDirectory } from './working-directory.ts';

export interface WasiContext {
  readonly memory: GuestMemory;
  readonly sys: Syscalls;
  readonly descriptors: Descriptors;
  /** Undefined when it is "/". */
  readonly cwd: WorkingDirectory | undefined;
}

/** The most buffers one call takes. Linux: UIO_MAXIOV, with EINVAL. */
const IOVS_MAX = 1024;
const IOVEC_SIZE = 8;

/** The buffers of a read or write that are not empty. Errors: EFAULT; EINVAL for too many. */
export function buffersAt(memory: GuestMemory, iovs: number, count: number): Uint8Array[] {
  memory.checkReadable(iovs, (count >>> 0) * IOVEC_SIZE);
  if (count >>> 0 > IOVS_MAX) throw linuxerr.EINVAL;
  const buffers: Uint8Array[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const at = (iovs >>> 0) + index * IOVEC_SIZE;
    const buffer = memory.bytesAt(memory.u32(at), memory.u32(at + 4));
    if (buffer.length === 0) continue;
    total += buffer.length;
    if (total > RW_COUNT_MAX) throw linuxerr.EINVAL;
    buffers.push(buffer);
  }
  return buffers;
}

export function totalSize(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

/** One buffer with the contents of several: a write is one, however many pieces it is given in. */
export function gather(buffers: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(totalSize(buffers));
  let at = 0;
  for (const buffer of buffers) {
    whole.set(buffer, at);
    at += buffer.length;
  }
  return whole;
}

export function scatter(whole: Uint8Array, buffers: readonly Uint8Array[]): void {
  let at = 0;
  for (const buffer of buffers) {
    if (at >= whole.length) return;
    buffer.set(whole.subarray(at, at + buffer.length));
    at += buffer.length;
  }
}

/**
 * A 64-bit offset or size as a number. What is above 2^53 can't be reached in any file of ours: it
 * is rounded, and refused where it matters (EFBIG). Negative numbers stay negative.
 */
export function offsetOf(value: bigint): number {
  return Number(BigInt.asIntN(64, value));
}
