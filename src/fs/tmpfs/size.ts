// Sizes as mount(8) takes them for tmpfs: bytes, k/m/g/t suffixes, or a percentage of the memory.

import { linuxerr } from '../../abi/errno.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/** Errors: EINVAL. */
export function parseSize(size: number | string, memorySize: number): number {
  if (typeof size === 'number') {
    if (!Number.isSafeInteger(size) || size < 0) throw linuxerr.EINVAL;
    return size;
  }
  const match = /^(\d+)(%|[kmgtp]?)$/i.exec(size);
  if (match === null) throw linuxerr.EINVAL;
  const [, digits = '', unit = ''] = match;
  const factor = unit === '%' ? memorySize / 100 : UNITS[unit.toLowerCase()];
  const bytes = Math.floor(Number(digits) * (factor ?? NaN));
  if (!Number.isSafeInteger(bytes)) throw linuxerr.EINVAL;
  return bytes;
}
