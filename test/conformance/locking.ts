// What the cases of record locks share.

import { F_RDLCK, F_UNLCK, F_WRLCK, O_RDWR } from '../../src/abi/fcntl.ts';
import type { Subject } from './subject.ts';

export const READ = { type: F_RDLCK };
export const WRITE = { type: F_WRLCK };
export const UNLOCK = { type: F_UNLCK };

/** A file that everybody may write, opened by both. */
export async function openTwice(
  t: Subject,
  path: string,
  other: Subject,
): Promise<[mine: number, theirs: number]> {
  await t.createFile(path, '', 0o666);
  return [await t.open(path, O_RDWR), await other.open(path, O_RDWR)];
}
