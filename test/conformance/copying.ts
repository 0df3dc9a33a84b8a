// What the cases of copy_file_range(2) and sendfile(2) share.

import { O_CREAT, O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import type { Context } from './case.ts';

export const TEXT = '0123456789';

/** A file with ten digits to copy from, and an empty one to copy to. */
export async function openBoth(t: Context): Promise<[source: number, target: number]> {
  await t.createFile(t.path('source'), TEXT);
  return [
    await t.open(t.path('source'), O_RDONLY),
    await t.open(t.path('target'), O_RDWR | O_CREAT),
  ];
}
