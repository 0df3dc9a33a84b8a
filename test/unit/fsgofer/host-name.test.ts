// Names of the host: what is refused, and what gets through as it is. Errors of the host, too.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
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

  test.each([
    ['ENOENT', 'ENOENT'],
    ['ENOTSUP', 'EOPNOTSUPP'],
    ['EWOULDBLOCK', 'EAGAIN'],
    ['ENOATTR', 'ENODATA'],
    ['EDQUOT', 'EDQUOT'],
    ['EWHATEVER', 'EIO'],
    ['toString', 'EIO'],
    ['UNKNOWN', 'EIO'],
  ] as const)('%s is %s, and nothing but that', (code, expected) => {
    expect(fromHostError(hostError(code))).toBe(linuxerr[expected]);
  });

  test('a bug is passed on as it is', () => {
    const bug = new TypeError('no function');
    expect(fromHostError(bug)).toBe(bug);
  });
});
