// Pathname patterns.

import { beforeAll, describe, expect, test } from 'vitest';
import {
  compareCodePoints,
  escapePattern,
  expandGlob,
  hasMagic,
  matchesName,
  unescapePattern,
} from '../../../web/shell/glob.ts';
import { FakeFileSystem } from './fake-file-system.ts';

describe('names', () => {
  test.each([
    ['*', 'abc', true],
    ['*', '', true],
    ['*', '.abc', false],
    ['.*', '.abc', true],
    ['\\.*', '.abc', true],
    ['?', 'a', true],
    ['?', 'ab', false],
    ['?', '😀', true],
    ['?bc', '.bc', false],
    ['a*c', 'abbc', true],
    ['a*c', 'abbd', false],
    ['*.txt', 'a.txt', true],
    ['*.txt', 'aXtxt', false],
    ['[abc]', 'b', true],
    ['[a-c]x', 'bx', true],
    ['[a-c]', 'd', false],
    ['[!a-c]', 'd', true],
    ['[^a-c]', 'a', false],
    ['[]]', ']', true],
    ['[!]]', ']', false],
    ['[a', '[a', true],
    ['[]', '[]', true],
    ['[a-]', '-', true],
    ['[-a]', '-', true],
    ['[[:digit:]]', '7', true],
    ['[[:alpha:]_]', '_', true],
    ['[[:alpha:]]', '7', false],
    ['[\\]]', ']', true],
    ['[z-a]', 'b', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a.c', 'abc', false],
    ['(a|b)', '(a|b)', true],
    ['a\nb*', 'a\nbc', true],
    ['[^.]a', '.a', false],
  ])('%j matches %j: %s', (pattern, name, expected) => {
    expect(matchesName(pattern, name)).toBe(expected);
  });

  test('escaping takes the magic away', () => {
    const name = 'a*b?[c]\\d';
    expect(hasMagic(name)).toBe(true);
    expect(hasMagic(escapePattern(name))).toBe(false);
    expect(unescapePattern(escapePattern(name))).toBe(name);
    expect(matchesName(escapePattern(name), name)).toBe(true);
  });

  test('the order is that of code points', () => {
    expect(['\u{1f600}', '\uff00', 'b', 'B', 'ab'].sort(compareCodePoints)).toEqual([
      'B',
      'ab',
      'b',
      '\uff00',
      '\u{1f600}',
    ]);
  });
});

describe('paths', () => {
  const fs = new FakeFileSystem();

  beforeAll(async () => {
    await fs.fill({
      '/home/user/b.txt': '',
      '/home/user/a.txt': '',
      '/home/user/.hidden.txt': '',
      '/home/user/dir/x.c': '',
      '/home/user/dir/y.c': '',
      '/home/user/dir2/x.c': '',
      '/home/user/empty/': '',
      '/etc/hosts': '',
    });
    await fs.symlink('dir', '/home/user/link');
  });

  test.each([
    ['*.txt', ['a.txt', 'b.txt']],
    ['.*', ['.hidden.txt']],
    ['*', ['a.txt', 'b.txt', 'dir', 'dir2', 'empty', 'link']],
    ['*/', ['dir/', 'dir2/', 'empty/', 'link/']],
    ['*/*.c', ['dir/x.c', 'dir/y.c', 'dir2/x.c', 'link/x.c', 'link/y.c']],
    ['dir*/x.c', ['dir/x.c', 'dir2/x.c']],
    ['*/x.c', ['dir/x.c', 'dir2/x.c', 'link/x.c']],
    ['d*/y.c', ['dir/y.c']],
    ['/etc/h*', ['/etc/hosts']],
    ['/*/user', ['/home/user']],
    ['../*/a.txt', ['../user/a.txt']],
    ['nothing*', []],
    ['nothing*/x', []],
    ['empty/*', []],
    ['a.txt/*', []],
  ])('%j expands', async (pattern, expected) => {
    expect(await expandGlob(pattern, '/home/user', fs)).toEqual(expected);
  });
});
