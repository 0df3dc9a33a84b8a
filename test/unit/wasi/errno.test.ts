// Linux errors ↔ WASI errnos, both ways without a gap.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { expect, test } from 'vitest';
import { allLinuxErrors, linuxerr } from '../../../src/abi/errno.ts';
import { linuxErrorOf, wasiErrnoOf } from '../../../src/wasi/errno.ts';

/** The numbers preview1 gives its errors. */
const wasiErrnos = Object.entries(wasi)
  .filter(([name]) => name.startsWith('ERRNO_'))
  .map(([, number]) => number as number);

test('every Linux error has a WASI errno that is no success', () => {
  for (const error of allLinuxErrors) {
    expect(wasiErrnos, error.code).toContain(wasiErrnoOf(error));
    expect(wasiErrnoOf(error), error.code).not.toBe(wasi.ERRNO_SUCCESS);
  }
});

test('every WASI errno but success stands for a Linux error, and back', () => {
  for (const number of wasiErrnos) {
    const error = linuxErrorOf(number);
    if (number === wasi.ERRNO_SUCCESS) expect(error).toBeUndefined();
    else expect(error && wasiErrnoOf(error), `errno ${number}`).toBe(number);
  }
});

test('only ENODATA shares its WASI errno with another error', () => {
  const shared = allLinuxErrors.filter((error) => linuxErrorOf(wasiErrnoOf(error)) !== error);
  expect(shared).toEqual([linuxerr.ENODATA]);
});
