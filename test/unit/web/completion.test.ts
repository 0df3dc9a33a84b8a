// Tab completion.

import { beforeAll, describe, expect, test } from 'vitest';
import type { CompletionContext } from '../../../web/shell/completion.ts';
import { commonPrefix, complete } from '../../../web/shell/completion.ts';
import { parse } from '../../../web/shell/parser.ts';
import { expandWords } from '../../../web/shell/expand.ts';
import { FakeFileSystem } from './fake-file-system.ts';

const fs = new FakeFileSystem();
const variables = new Map([
  ['HOME', '/home/user'],
  ['HOST', 'burrow'],
  ['ETC', '/etc'],
]);
const context: CompletionContext = {
  cwd: '/home/user',
  home: '/home/user',
  fs,
  commands: () => Promise.resolve(['cat', 'cd', 'python', 'python3']),
  variables,
};

beforeAll(async () => {
  await fs.fill({
    '/home/user/notes.txt': '',
    '/home/user/my file.txt': '',
    "/home/user/it's $5.txt": '',
    '/home/user/src/main.c': '',
    '/home/user/src/main.h': '',
    '/home/user/.profile': '',
    '/home/user/~odd': '',
    '/home/user/über.txt': '',
    '/home/user/two\nlines': '',
    '/etc/hosts': '',
  });
});

/** What the line becomes when there is one candidate, else the candidates after a `?`. */
async function press(line: string): Promise<string> {
  const { start, candidates, commonPrefix: common, suffix } = await complete(line, context);
  const [first] = candidates;
  if (first === undefined) return line;
  if (candidates.length === 1)
    return line.slice(0, start) + first.insert + (first.isFinal ? suffix : '');
  return `${line.slice(0, start)}${common}?${candidates.map(({ label }) => label).join(',')}`;
}

describe('one candidate completes the word', () => {
  test.each([
    ['cat n', 'cat notes.txt '],
    ['cat ./n', 'cat ./notes.txt '],
    ['cat s', 'cat src/'],
    ['cat my', 'cat my\\ file.txt '],
    ['cat my\\ ', 'cat my\\ file.txt '],
    ['cat "my', 'cat "my file.txt" '],
    ["cat 'my f", "cat 'my file.txt' "],
    ['cat i', "cat it\\'s\\ \\$5.txt "],
    ['cat "i', 'cat "it\'s \\$5.txt" '],
    ["cat 'i", "cat 'it'\\''s $5.txt' "],
    ['cat src/main.h', 'cat src/main.h '],
    ['cat "src/main.h', 'cat "src/main.h" '],
    ['cat /et', 'cat /etc/'],
    ['cat /etc/h', 'cat /etc/hosts '],
    ['cat ~/n', 'cat ~/notes.txt '],
    ['cat ~', 'cat ~/'],
    ['cat \\~', 'cat \\~odd '],
    ['cat $HOME/n', 'cat $HOME/notes.txt '],
    ['cat "${HOME}/my', 'cat "${HOME}/my file.txt" '],
    ['cat .p', 'cat .profile '],
    ['cat ü', 'cat über.txt '],
    ['cat t', "cat two'\n'lines "],
    ['cat ../user/n', 'cat ../user/notes.txt '],
    ['cat <n', 'cat <notes.txt '],
    ['echo > n', 'echo > notes.txt '],
    ['ca', 'cat '],
    ['a; ca', 'a; cat '],
    ['a | ca', 'a | cat '],
    ['a && ca', 'a && cat '],
    ['A=1 ca', 'A=1 cat '],
    ['A=n', 'A=notes.txt '],
    ['src/main.c', 'src/main.c '],
    ['echo $HOS', 'echo $HOST'],
    ['echo "$HOS', 'echo "$HOST'],
    ['echo $ETC/h', 'echo $ETC/hosts '],
    ["echo '$HOS", "echo '$HOS"],
    ['cat none', 'cat none'],
    ['cat notes.txt/', 'cat notes.txt/'],
  ])('%j', async (line, expected) => {
    expect(await press(line)).toBe(expected);
  });
});

describe('several candidates', () => {
  test.each([
    ['cat src/', 'cat src/main.?main.c,main.h'],
    ['c', 'c?cat,cd'],
    ['py', 'python?python,python3'],
    ['echo $HO', 'echo $HO?HOME,HOST'],
  ])('%j', async (line, expected) => {
    expect(await press(line)).toBe(expected);
  });

  test('hidden files are candidates only after a dot', async () => {
    const { candidates } = await complete('cat ', context);
    expect(candidates.map(({ label }) => label)).not.toContain('.profile');
    expect(candidates.map(({ label }) => label)).toContain('src/');
  });

  test('an empty line offers every command', async () => {
    expect((await complete('', context)).candidates).toHaveLength(4);
  });
});

test('what completion inserts, the shell reads as the name it stands for', async () => {
  for (const name of await fs.readdir('/home/user')) {
    for (const quote of ['', '"', "'"]) {
      // A bare ~ would be the home directory.
      const start = name.startsWith('~') && quote === '' ? '\\~' : quote + name.slice(0, 1);
      const completion = await complete(`x ${start}`, context);
      const candidate = completion.candidates.find(({ label }) => label.replace('/', '') === name);
      if (candidate === undefined) throw new Error(`“${start}” does not offer ${name}`);
      const line = `x ${candidate.insert}${completion.suffix}`;
      const words = parse(line).pipelines[0]?.commands[0]?.words ?? [];
      const expansion = { variables: () => undefined, cwd: '/home/user', source: fs };
      expect(await expandWords(words, expansion)).toEqual(['x', candidate.label]);
    }
  }
});

test('the common prefix never ends in half of a character', () => {
  expect(commonPrefix(['abc', 'abd'])).toBe('ab');
  expect(commonPrefix(['😀', '😁'])).toBe('');
  expect(commonPrefix(['a'])).toBe('a');
  expect(commonPrefix([])).toBe('');
});
