// What Windows has otherwise, as far as that can be told on any host.

import { describe, expect, test } from 'vitest';
import { S_IFDIR, S_IFREG } from '../../../src/abi/stat.ts';
import {
  isWindowsName,
  posixMode,
  posixTarget,
  verbatimPath,
} from '../../../src/fsgofer/windows.ts';

const isName = (name: string | Buffer): boolean => isWindowsName(Buffer.from(name));

describe('names', () => {
  test.each(['a', 'a.txt', '.git', 'ä', 'console', 'nulls', 'com', 'com10', 'a.nul', 'x~1', '$a'])(
    '%j is one',
    (name) => {
      expect(isName(name)).toBe(true);
    },
  );

  test.each([
    '..\\up',
    'a\\b',
    'C:',
    'C:up',
    'a:stream',
    'a::$DATA',
    '*',
    'a?',
    'a|b',
    '"',
    '<',
    '>',
  ])('%j leads elsewhere, or is none', (name) => {
    expect(isName(name)).toBe(false);
  });

  test.each(['a.', 'a ', 'a. .', '. ', '...', 'a\u0001', 'a\n'])('%j would be another', (name) => {
    expect(isName(name)).toBe(false);
  });

  test.each([
    'nul',
    'NUL',
    'Con.txt',
    'aux.tar.gz',
    'PRN',
    'com1',
    'LPT9.x',
    'COM¹',
    'CONIN$',
    'nul .x',
  ])('%j is a device', (name) => {
    expect(isName(name)).toBe(false);
  });

  test('what is not UTF-8 is none', () => {
    expect(isName(Buffer.of(0x61, 0xff))).toBe(false);
  });
});

test.each([
  ['C:\\work', '\\\\?\\C:\\work'],
  ['C:\\', '\\\\?\\C:\\'],
  ['\\\\host\\share\\work', '\\\\?\\UNC\\host\\share\\work'],
  ['\\\\?\\C:\\work', '\\\\?\\C:\\work'],
])('%j is taken as it is by %j', (path, verbatim) => {
  expect(verbatimPath(path)).toBe(verbatim);
});

test('who may read a directory may search it', () => {
  expect(posixMode(S_IFDIR | 0o666)).toBe(S_IFDIR | 0o777);
  expect(posixMode(S_IFDIR | 0o444)).toBe(S_IFDIR | 0o555);
  expect(posixMode(S_IFREG | 0o666)).toBe(S_IFREG | 0o666);
});

test('targets of links have slashes', () => {
  expect(posixTarget(Buffer.from('..\\a\\b')).toString()).toBe('../a/b');
});
