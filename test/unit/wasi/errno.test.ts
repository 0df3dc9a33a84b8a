// Linux errors and WASI errnos, both ways without a gap.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { describe, expect, test } from 'vitest';
import { allLinuxErrors, errorFromErrno, linuxerr } from '../../../src/abi/errno.ts';
import { linuxErrorOf, wasiErrnoOf } from '../../../src/wasi/errno.ts';

/** ERRNO_ constant → number, as the shim has them from preview1's witx. */
const WASI_ERRNOS = Object.entries(wasi as unknown as Record<string, unknown>).filter(
  (entry): entry is [string, number] => entry[0].startsWith('ERRNO_'),
);

/** Where preview1 has another name for what Linux calls so. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'ENOTSUP',
  ENODATA: 'ENOENT',
  EREMOTEIO: 'EIO',
};

describe('error numbers', () => {
  test.each(allLinuxErrors.map(({ code }) => code))('%s has its namesake in preview1', (code) => {
    const name = `ERRNO_${(OTHER_NAMES[code] ?? code).slice(1)}`;
    expect(wasiErrnoOf(linuxerr[code])).toBe(new Map(WASI_ERRNOS).get(name));
  });

  test.each(WASI_ERRNOS)('%s stands for a Linux error that stands for it', (name, number) => {
    const error = linuxErrorOf(number);
    if (name === 'ERRNO_SUCCESS') expect(error).toBeUndefined();
    else expect(wasiErrnoOf(error!)).toBe(number);
  });

  test('of two Linux errors with one number it stands for the usual one', () => {
    expect(linuxErrorOf(wasi.ERRNO_IO)).toBe(linuxerr.EIO);
    expect(linuxErrorOf(wasi.ERRNO_NOENT)).toBe(linuxerr.ENOENT);
  });

  test('there are 77 in preview1, and no others', () => {
    expect(WASI_ERRNOS.map(([, number]) => number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 77 }, (_, number) => number),
    );
    expect(linuxErrorOf(77)).toBeUndefined();
    expect(linuxErrorOf(-1)).toBeUndefined();
  });

  test('a Linux error is the one of its number', () => {
    for (const error of allLinuxErrors) {
      expect(errorFromErrno(error.errno)).toBe(error);
      expect(Object.isFrozen(error)).toBe(true);
      expect(error.message).toBe(`${error.code}: ${error.meaning}`);
    }
    expect(errorFromErrno(9999)).toBe(linuxerr.EIO);
  });
});
