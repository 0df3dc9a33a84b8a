// How long a file can be made before the quota is used up, and what it is counted as.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { AccessHandle } from './opfs-device.ts';

const MIB = 2 ** 20;
const DOUBLED_MAX = 128 * MIB;
/** Behind what is in use, so much stays when a file is closed: it is what removing takes. */
const KEPT_BYTES = 2 * MIB;
/** How exactly what is left of the quota is found, in bytes. */
const STEP_BYTES = 256 * 1024;

/**
 * 'refused': there is no room. 'ignored': there is none either, but nothing says so. That is how
 * Chromium's private windows do it, where files are in memory, and count as what they are.
 */
export type Resized = 'done' | 'refused' | 'ignored';

/** Errors: EIO. */
export function resizeFile(handle: AccessHandle, size: number): Resized {
  try {
    handle.truncate(size);
  } catch (error) {
    if (!isQuotaError(error)) throw linuxerr.EIO;
    return 'refused';
  }
  return sizeOf(handle) === size ? 'done' : 'ignored';
}

export interface Grown {
  readonly size: number;
  readonly last: Resized;
}

/**
 * Makes a file of `from` bytes as long as `to`; if there is not so much room, about as long as it
 * can be. Errors: EIO.
 */
export function growFile(handle: AccessHandle, from: number, to: number): Grown {
  if (to <= from) return { size: from, last: 'done' };
  let last = resizeFile(handle, to);
  if (last === 'done') return { size: to, last };
  let [fits, tooLong] = [from, to];
  while (tooLong - fits > STEP_BYTES) {
    const between = Math.floor((fits + tooLong) / 2);
    const resized = resizeFile(handle, between);
    if (resized === 'done') fits = between;
    else [tooLong, last] = [between, resized];
  }
  return { size: fits, last };
}

/** Closes a file of which so many bytes are in use: what it holds besides is given up. */
export function closeFile(handle: AccessHandle, usedBytes: number): void {
  const kept = usedBytes + KEPT_BYTES;
  try {
    if (sizeOf(handle) > kept) resizeFile(handle, kept);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
  } finally {
    handle.close();
  }
}

/** What Chromium counts a file as that is so long, in bytes. */
export function countedSize(bytes: number): number {
  if (bytes > DOUBLED_MAX) return Math.ceil(bytes / DOUBLED_MAX) * DOUBLED_MAX;
  let size = MIB;
  while (size < bytes) size *= 2;
  return size;
}

/** In bytes. Errors: EIO. */
export function sizeOf(handle: AccessHandle): number {
  try {
    return handle.getSize();
  } catch {
    throw linuxerr.EIO;
  }
}

export function isQuotaError(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}
