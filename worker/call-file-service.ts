// What the parts of kernel.fs on the page have in common: how they call the kernel, and what they
// take for data, times and encodings.

import type { Data, Encoding, TimeLike } from '../src/api.ts';
import { type Timespec, timespecFromNs, timespecFromSeconds } from '../src/lib/clock.ts';
import { encodeUtf8 } from '../src/lib/text.ts';

/** What an FsError says of the call that failed, and what may end the call early. */
export interface CallDetails {
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Calls an operation of LinuxFileService. Errors: FsError; the signal's reason. */
export type CallFileService = (
  name: string,
  args: readonly unknown[],
  syscall: string,
  details?: CallDetails,
) => Promise<unknown>;

export function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return encodeUtf8(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Errors: TypeError for what is no time. */
export function timeOf(time: TimeLike): Timespec {
  if (typeof time === 'bigint') return timespecFromNs(time);
  const seconds = typeof time === 'number' ? time : time.getTime() / 1000;
  if (!Number.isFinite(seconds)) throw new TypeError('a time must be a valid Date or number');
  return timespecFromSeconds(seconds);
}

export function encodingOf(
  options: Encoding | { encoding?: Encoding | null } | undefined,
): Encoding | undefined {
  const encoding = typeof options === 'string' ? options : options?.encoding;
  if (encoding === undefined || encoding === null) return undefined;
  if (!['utf8', 'utf-8'].includes(encoding)) throw new TypeError(`unknown encoding: ${encoding}`);
  return encoding;
}
