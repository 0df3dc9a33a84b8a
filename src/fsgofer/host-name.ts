// Names as a host has them: any bytes but NUL and slash. One that is UTF-8 is a string, as names
// are everywhere else; any other is its bytes, so that it gets through unharmed.

import { Buffer } from 'node:buffer';
import { linuxerr } from '../abi/errno.ts';
import { NAME_MAX, PATH_MAX } from '../abi/limits.ts';
import { decodeUtf8Strict } from '../lib/text.ts';
import { IS_WINDOWS, isWindowsName } from './windows.ts';

export type HostName = string | Uint8Array;

const NUL = 0;
const SLASH = 0x2f;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
const SEPARATOR = IS_WINDOWS ? BACKSLASH : SLASH;

/**
 * The bytes of a name that somebody wants to use in a directory, which are the caller's own.
 * Nothing reaches the host unless it has gone through here.
 *
 * Errors:
 *  - EINVAL if it is empty, "." or "..", or contains a slash or a NUL; or isn't one on Windows.
 *  - EILSEQ if it is a string that isn't well-formed Unicode: it would be another name.
 *  - ENAMETOOLONG from 256 bytes on.
 */
export function checkName(name: HostName): Buffer {
  const bytes = hostBytes(name);
  const isDots = bytes.length <= 2 && bytes.every((byte) => byte === DOT);
  if (isDots || bytes.includes(SLASH) || bytes.includes(NUL)) throw linuxerr.EINVAL;
  if (bytes.length > NAME_MAX) throw linuxerr.ENAMETOOLONG;
  if (IS_WINDOWS && !isWindowsName(bytes)) throw linuxerr.EINVAL;
  return bytes;
}

/**
 * The bytes of a symbolic link's target.
 *
 * Errors:
 *  - ENOENT if it is empty.
 *  - EINVAL if it contains a NUL.
 *  - EILSEQ if it is a string that isn't well-formed Unicode.
 *  - ENAMETOOLONG from PATH_MAX bytes on, the NUL included.
 */
export function checkTarget(target: HostName): Buffer {
  const bytes = hostBytes(target);
  if (bytes.length === 0) throw linuxerr.ENOENT;
  if (bytes.includes(NUL)) throw linuxerr.EINVAL;
  if (bytes.length >= PATH_MAX) throw linuxerr.ENAMETOOLONG;
  return bytes;
}

/**
 * A copy: whoever calls may use the name's memory for something else once it has been checked, and
 * another thread may share it. Errors: EILSEQ.
 */
export function hostBytes(name: HostName): Buffer {
  if (typeof name !== 'string') return Buffer.from(name);
  if (!name.isWellFormed()) throw linuxerr.EILSEQ;
  return Buffer.from(name);
}

/** What the host calls something. */
export function fromHostBytes(bytes: Uint8Array): HostName {
  try {
    return decodeUtf8Strict(bytes);
  } catch {
    // A TypeError, which says that it isn't UTF-8 and no more. The copy lets go of a larger buffer.
    return Uint8Array.from(bytes);
  }
}

/** `directory` + '/' + `name`; where there are drives, one's root ends with the separator. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  const isEnded = IS_WINDOWS && directory.at(-1) === SEPARATOR;
  return Buffer.concat(isEnded ? [directory, name] : [directory, Buffer.of(SEPARATOR), name]);
}
