// What fcntl(2) is asked for, as the tests of locks on gofers say it.

import { SEEK_SET } from '../../src/abi/fcntl.ts';
import type { Process } from './gofer-kernels.ts';

export interface Range {
  readonly start?: number;
  /** 0: all to come. */
  readonly length?: number;
}

export function lockOf(
  type: number,
  { start = 0, length = 0 }: Range = {},
): Parameters<Process['sys']['setlk']>[2] {
  return { type, whence: SEEK_SET, start, length, pid: 0 };
}
