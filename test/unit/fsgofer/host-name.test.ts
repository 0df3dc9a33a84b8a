// Names of the host: what is refused, and what gets through as it is. Errors of the host, too.

import fc from 'fast-check';
import { Buffer } from 'node:buffer';
import { getSystemErrorName } from 'node:util';
import { describe, expect, test } from 'vitest';
import { allLinuxErrors, linuxerr } from '../../../src/abi/errno.ts';
import { fromHostError } from '../../../src/fsgofer/host-error.ts';
import {
  checkName,
  checkTarget,
  fromHostBytes,
  type HostName,
} from '../../../src/fsgofer/host-name.ts';

const SEED = 20_252;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('checkName', () => {
  const bad: HostName[] = ['', '.', '..', '/', 'a/b', '/a', 'a/', '../a', 'a\0', '\0', 'a\0/b'];

  test.each([...bad, ...bad.map((name) => bytes(name as string))])('EINVAL for %j', (name) => {
    expect(() => checkName(name)).toThrow(linuxerr.EINVAL);
  });

  test.each(['a', '...', '.a', 'a.', '..a', ' ', '\n', '\\', 'C:', '~', '*', 'ä', '🦡'])(
    '%j is a name',
    (name) => {
      expect([...checkName(name)]).toEqual([...bytes(name)]);
    },
  );

  test('ENAMETOOLONG from 256 bytes on', () => {
    expect(checkName('a'.repeat(255))).toHaveLength(255);
    expect(() => checkName('a'.repeat(256))).toThrow(linuxerr.ENAMETOOLONG);
    // Two bytes each.
    expect(checkName('ä'.repeat(127))).toHaveLength(254);
    expect(() => checkName('ä'.repeat(128))).toThrow(linuxerr.ENAMETOOLONG);
  });

  test('EILSEQ for half of a character, which would be written as another name', () => {
    expect(() => checkName('a\ud800')).toThrow(linuxerr.EILSEQ);
  });

  test('a view of a larger buffer is the view only', () => {
    const buffer = bytes('../etc');
    expect(checkName(buffer.subarray(3)).toString()).toBe('etc');
  });

  test('what is checked stays as it is, whatever becomes of the memory it came from', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    for (const name of [bytes('good'), Buffer.from('good'), shared]) {
      name.set(bytes('good'));
      const checked = [checkName(name), checkTarget(name)];
      name.set(bytes('/bad'));
      expect(checked.map(String)).toEqual(['good', 'good']);
    }
  });
});

test('checkTarget: any text but none, with a NUL, or too long', () => {
  expect(checkTarget('../../a/./b/').toString()).toBe('../../a/./b/');
  expect(() => checkTarget('')).toThrow(linuxerr.ENOENT);
  expect(() => checkTarget('a\0b')).toThrow(linuxerr.EINVAL);
  expect(() => checkTarget('\udfff')).toThrow(linuxerr.EILSEQ);
  expect(checkTarget('a'.repeat(4095))).toHaveLength(4095);
  expect(() => checkTarget('a'.repeat(4096))).toThrow(linuxerr.ENAMETOOLONG);
});

test('a name of the host comes back as the bytes it has', () => {
  const name = fc.uint8Array({ minLength: 1, maxLength: 255 });
  fc.assert(
    fc.property(name, (original) => {
      fc.pre(!original.includes(0) && !original.includes(0x2f) && original.some((b) => b !== 0x2e));
      expect([...checkName(fromHostBytes(original))]).toEqual([...original]);
    }),
    { seed: SEED },
  );
});

test('what is UTF-8 is a string, and nothing else is', () => {
  expect(fromHostBytes(bytes('ä🦡'))).toBe('ä🦡');
  expect(fromHostBytes(bytes('\ufeffa'))).toBe('\ufeffa');
  const latin = Uint8Array.of(0xe4);
  expect(fromHostBytes(latin)).toEqual(latin);
});

describe('fromHostError', () => {
  const hostError = (code: string): Error =>
    Object.assign(new Error(`${code}: it failed, open '/home/secret'`), {
      code,
      syscall: 'open',
      errno: -1,
      path: '/home/secret',
    });

  /** As Node makes it of what a system call of Linux returned. */
  const linuxError = (errno: number): Error =>
    Object.assign(hostError(getSystemErrorName(-errno)), { errno: -errno });

  test.each(allLinuxErrors.filter(({ errno }) => errno < 500))(
    'of Linux by its number: $code',
    (expected) => {
      expect(fromHostError(linuxError(expected.errno), true)).toBe(expected);
    },
  );

  test('of Linux, a number that is not known, or that is libuv’s own, is EIO', () => {
    // EUCLEAN: a damaged filesystem. libuv: UV_UNKNOWN.
    for (const errno of [117, 4094]) {
      expect(fromHostError(linuxError(errno), true)).toBe(linuxerr.EIO);
    }
  });

  test.each([
    ['ENOENT', 'ENOENT'],
    ['ENOTSUP', 'EOPNOTSUPP'],
    ['EWOULDBLOCK', 'EAGAIN'],
    ['ENOATTR', 'ENODATA'],
    ['EDQUOT', 'EDQUOT'],
    ['EWHATEVER', 'EIO'],
    ['toString', 'EIO'],
    ['UNKNOWN', 'EIO'],
  ] as const)('elsewhere by its code: %s is %s, and nothing but that', (code, expected) => {
    expect(fromHostError(hostError(code), false)).toBe(linuxerr[expected]);
  });

  test('a bug is passed on as it is', () => {
    const bug = new TypeError('no function');
    expect(fromHostError(bug)).toBe(bug);
  });
});
