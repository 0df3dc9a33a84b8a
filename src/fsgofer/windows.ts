// What Windows has otherwise than POSIX: names that are devices, streams or another name's, paths,
// modes. Microsoft: "Naming Files, Paths, and Namespaces".

import { Buffer } from 'node:buffer';
import { platform } from 'node:os';
import { S_IFDIR, S_IFMT } from '../abi/stat.ts';
import { decodeUtf8Strict } from '../lib/text.ts';

export const IS_WINDOWS = platform() === 'win32';

/** Separators, streams (":"), patterns, and what else no filesystem of it has in names. */
const FORBIDDEN = /[<>:"/\\|?*]/;
/** Control characters before it neither. */
const SPACE = 0x20;
/** They are dropped, so that it would be another name. */
const DROPPED_END = /[. ]$/;
/** Whatever their extension, and in any directory. */
const DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)/i;

/** Is it a file's name there, that of this file alone but for case and short names? */
export function isWindowsName(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < SPACE)) return false;
  let name: string;
  try {
    name = decodeUtf8Strict(bytes);
  } catch {
    // A TypeError: it isn't UTF-8, and the host's names are UTF-16.
    return false;
  }
  return !FORBIDDEN.test(name) && !DROPPED_END.test(name) && !DEVICE.test(name);
}

const VERBATIM = '\\\\?\\';
const SHARE = '\\\\';

/** An absolute path that is taken as it is, and may be longer than 260 characters. */
export function verbatimPath(path: string): string {
  if (path.startsWith(VERBATIM)) return path;
  if (path.startsWith(SHARE)) return `${VERBATIM}UNC\\${path.slice(SHARE.length)}`;
  return VERBATIM + path;
}

/** Of a symbolic link, as POSIX has it. */
export function posixTarget(target: Buffer): Buffer {
  return Buffer.from(target.toString().replaceAll('\\', '/'));
}

/** Node knows no permission to search a directory: who may read it may. */
export function posixMode(mode: number): number {
  return (mode & S_IFMT) === S_IFDIR ? mode | ((mode & 0o444) >> 2) : mode;
}
