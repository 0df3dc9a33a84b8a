// How much longer a file can be made before the quota is used up.

import { linuxerr } from '../../abi/errno.ts';
import type { AccessHandle } from './opfs-device.ts';

/** How exactly what is left of the quota is found, in bytes. */
const STEP_BYTES = 256 * 1024;

/** True if the file is so long then; false: there is no room. Errors: EIO. */
export function resizeFile(handle: AccessHandle, size: number): boolean {
  try {
    handle.truncate(size);
  } catch (error) {
    if (!isQuotaError(error)) throw linuxerr.EIO;
    return false;
  }
  // In Chromium's private windows a file for which there is no room just stays as it is.
  return sizeOf(handle) === size;
}

/**
 * Makes a file of `from` bytes as long as `to`; if there is not so much room, about as long as it
 * can be. Returns how long it is. Errors: EIO.
 */
export function growFile(handle: AccessHandle, from: number, to: number): number {
  if (to <= from || resizeFile(handle, to)) return Math.max(from, to);
  let [fits, tooLong] = [from, to];
  while (tooLong - fits > STEP_BYTES) {
    const between = Math.floor((fits + tooLong) / 2);
    if (resizeFile(handle, between)) fits = between;
    else tooLong = between;
  }
  return fits;
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
