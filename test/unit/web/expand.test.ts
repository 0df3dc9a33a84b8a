// Word expansion: tilde, variables, fields, patterns.

import { beforeAll, describe, expect, test } from 'vitest';
import { expandValue, expandWords } from '../../../web/shell/expand.ts';
import { parse } from '../../../web/shell/parser.ts';
import { FakeFileSystem } from './fake-file-system.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  HOME: '/home/user',
  A: 'one',
  SPACES: ' x  y ',
  STAR: '*.txt',
  SLASHED: 'back\\slash',
  EMPTY: '',
  '?': '3',
};

const variables = (name: string): string | undefined => VARIABLES[name];
const fs = new FakeFileSystem();

beforeAll(async () => {
  await fs.fill({ '/home/user/a.txt': '', '/home/user/b c.txt': '', '/home/user/*.txt': '' });
});

async function expand(source: string): Promise<string[]> {
  const words = parse(`x ${source}`).pipelines[0]?.commands[0]?.words.slice(1) ?? [];
  return expandWords(words, { variables, cwd: '/home/user', source: fs });
}

describe('arguments', () => {
  test.each([
    ['a b', ['a', 'b']],
    ['$A', ['one']],
    ['${A}x', ['onex']],
    ['$A$A', ['oneone']],
    ['$NONE', []],
    ['"$NONE"', ['']],
    ['a$NONE', ['a']],
    ["''", ['']],
    ['$SPACES', ['x', 'y']],
    ['a$SPACES', ['a', 'x', 'y']],
    ['$SPACES"b"', ['x', 'y', 'b']],
    ['a${SPACES}b', ['a', 'x', 'y', 'b']],
    ['"$SPACES"', [' x  y ']],
    ["'$A'", ['$A']],
    ['\\$A', ['$A']],
    ['$?', ['3']],
    ['"$?"', ['3']],
    ['$SLASHED', ['back\\slash']],
    ['~', ['/home/user']],
    ['~/x', ['/home/user/x']],
    ["'~'", ['~']],
    ['~x', ['~x']],
    ['a~', ['a~']],
    ['~$A', ['~one']],
    ['*.txt', ['*.txt', 'a.txt', 'b c.txt']],
    ['"*.txt"', ['*.txt']],
    ['\\*.txt', ['*.txt']],
    ['"a"*', ['a.txt']],
    ['$STAR', ['*.txt', 'a.txt', 'b c.txt']],
    ['"$STAR"', ['*.txt']],
    ['*.none', ['*.none']],
    ['"a b"*.none', ['a b*.none']],
    ['~/a*', ['/home/user/a.txt']],
  ])('%j', async (source, expected) => {
    expect(await expand(source)).toEqual(expected);
  });
});

describe('values of assignments are neither split nor matched', () => {
  test.each([
    ['A=$SPACES', ' x  y '],
    ['A=*.txt', '*.txt'],
    ['A=~/x', '/home/user/x'],
    ['A="a b"c', 'a bc'],
    ['A=', ''],
  ])('%j', (source, expected) => {
    const assignment = parse(source).pipelines[0]?.commands[0]?.assignments[0];
    expect(assignment === undefined ? undefined : expandValue(assignment.value, variables)).toBe(
      expected,
    );
  });
});
