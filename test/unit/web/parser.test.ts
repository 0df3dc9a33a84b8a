// The shell's lexer and parser.

import { describe, expect, test } from 'vitest';
import { tokenize } from '../../../web/shell/lexer.ts';
import { parse } from '../../../web/shell/parser.ts';
import type { Word } from '../../../web/shell/syntax.ts';
import { ShellSyntaxError } from '../../../web/shell/syntax.ts';

/** A word as text: quoted pieces between ‹ ›, variables as $name. */
function show(word: Word): string {
  return word.parts
    .map((part) => {
      const text = part.kind === 'variable' ? `$${part.name}` : part.text;
      return part.quoted ? `‹${text}›` : text;
    })
    .join('');
}

function wordsOf(source: string): string[] {
  return tokenize(source).map((token) =>
    token.kind === 'word'
      ? show(token.word)
      : `(${token.operator === '\n' ? '↵' : token.operator})`,
  );
}

function commandsOf(source: string): string[][] {
  return parse(source).pipelines.flatMap(({ commands }) =>
    commands.map((command) => command.words.map(show)),
  );
}

function errorOf(source: string): ShellSyntaxError {
  try {
    parse(source);
  } catch (error) {
    if (error instanceof ShellSyntaxError) return error;
    throw error;
  }
  throw new Error(`“${source}” was parsed`);
}

describe('words', () => {
  test.each([
    ['echo a b', ['echo', 'a', 'b']],
    ["'a b' c", ['‹a b›', 'c']],
    [`"a 'b' c"`, [`‹a 'b' c›`]],
    [`'a "b"'`, [`‹a "b"›`]],
    ['a\\ b', ['a‹ ›b']],
    ['"a\\"b\\\\c\\d"', ['‹a"b\\c\\d›']],
    [`a'b'"c"`, ['a‹b›‹c›']],
    ["''", ['‹›']],
    ['""', ['‹›']],
    ['$HOME/x', ['$HOME/x']],
    ['${HOME}x', ['$HOMEx']],
    ['"$HOME"', ['‹›‹$HOME›‹›']],
    ['$?', ['$?']],
    ['$', ['$']],
    ['a$', ['a$']],
    ['"$"', ['‹›‹$›‹›']],
    ['$5', ['$5']],
    ['a # b', ['a']],
    ['a#b', ['a#b']],
    ['#b\nc', ['(↵)', 'c']],
    ['a\\\nb', ['ab']],
    ['a \\\n b', ['a', 'b']],
    ["'a\nb'", ['‹a\nb›']],
    ['ä ö', ['ä', 'ö']],
  ])('%j is split', (source, expected) => {
    expect(wordsOf(source)).toEqual(expected);
  });
});

describe('operators', () => {
  test.each([
    ['a;b', ['a', '(;)', 'b']],
    ['a&&b||c', ['a', '(&&)', 'b', '(||)', 'c']],
    ['a|b', ['a', '(|)', 'b']],
    ['a>b', ['a', '(>)', 'b']],
    ['a>>b', ['a', '(>>)', 'b']],
    ['a 2>b', ['a', '(>)', 'b']],
    ['a2>b', ['a2', '(>)', 'b']],
    ['a 2>&1', ['a', '(>&)', '1']],
    ['a &>b', ['a', '(&>)', 'b']],
    ['a<b', ['a', '(<)', 'b']],
    ["';'", ['‹;›']],
    ['\\;', ['‹;›']],
  ])('%j is split', (source, expected) => {
    expect(wordsOf(source)).toEqual(expected);
  });
});

describe('commands', () => {
  test('a list holds its conditions', () => {
    const { pipelines } = parse('a; b && c || d\ne');
    expect(pipelines.map(({ condition }) => condition)).toEqual([
      'always',
      'always',
      'on-success',
      'on-failure',
      'always',
    ]);
  });

  test('a pipeline holds its commands', () => {
    expect(commandsOf('a 1 | b 2 | c')).toEqual([['a', '1'], ['b', '2'], ['c']]);
    expect(parse('a | b; c').pipelines).toHaveLength(2);
  });

  test('a line may end in a semicolon, and be empty', () => {
    expect(commandsOf('a;')).toEqual([['a']]);
    expect(commandsOf('')).toEqual([]);
    expect(commandsOf('  # nothing')).toEqual([]);
    expect(commandsOf('\n\na\n\n')).toEqual([['a']]);
  });

  test('assignments come before the command', () => {
    const [pipeline] = parse('A=1 B="2 3" cmd C=4').pipelines;
    const [command] = pipeline?.commands ?? [];
    expect(command?.assignments.map(({ name, value }) => `${name}:${show(value)}`)).toEqual([
      'A:1',
      'B:‹2 3›',
    ]);
    expect(command?.words.map(show)).toEqual(['cmd', 'C=4']);
  });

  test('a quoted name is not an assignment', () => {
    expect(commandsOf(`'A'=1`)).toEqual([['‹A›=1']]);
    expect(commandsOf('1A=1')).toEqual([['1A=1']]);
  });

  test('redirections are taken out of the words', () => {
    const [pipeline] = parse('a > x b 2>> y < z &> w 2>&1').pipelines;
    const [command] = pipeline?.commands ?? [];
    expect(command?.words.map(show)).toEqual(['a', 'b']);
    expect(
      command?.redirections.map((each) => {
        if (each.kind === 'duplicate') return `${String(each.fd)}=${String(each.source)}`;
        if (each.kind === 'read') return `<${show(each.path)}`;
        return `${each.fds.join('')}${each.append ? '>>' : '>'}${show(each.path)}`;
      }),
    ).toEqual(['1>x', '2>>y', '<z', '12>w', '2=1']);
  });

  test('|& sends the errors through the pipe too', () => {
    const [pipeline] = parse('a |& b').pipelines;
    expect(pipeline?.commands[0]?.redirections).toEqual([{ kind: 'duplicate', fd: 2, source: 1 }]);
  });
});

describe('mistakes are named in words', () => {
  test.each([
    ['| a', 'a command is missing before “|”'],
    ['a | | b', 'a command is missing before “|”'],
    ['; a', 'a command is missing before “;”'],
    ['a && || b', 'a command is missing before “||”'],
    ['a >', 'a file name is missing after “>”'],
    ['a > ; b', 'a file name is missing after “>”'],
    ['a &', 'running in the background (&) is not supported'],
    ['a << b', 'here-documents (<<) are not supported'],
    ['a (b)', 'subshells and functions are not supported: unexpected “(”'],
    ['a $(b)', 'command substitution, $(…) or `…`, is not supported'],
    ['a `b`', 'command substitution, $(…) or `…`, is not supported'],
    ['for i', '“for” is not supported by this shell'],
    ['${a:-b}', '“${a:-b}” is not supported: only ${NAME} is'],
    ['a 3>b', 'only descriptors 0, 1 and 2 can be redirected, not 3'],
    ['a 2>&3', '“>&” takes 1 or 2, not “3”'],
  ])('%j', (source, message) => {
    const error = errorOf(source);
    expect(error.message).toBe(message);
    expect(error.incomplete).toBe(false);
  });

  test.each(["a 'b", 'a "b', 'a \\', 'a |', 'a &&', 'a ||\n', 'a ${b'])('%j goes on', (source) => {
    expect(errorOf(source).incomplete).toBe(true);
  });

  test('reserved words are words where they are quoted or not first', () => {
    expect(commandsOf(`'for'`)).toEqual([['‹for›']]);
    expect(commandsOf('echo for if')).toEqual([['echo', 'for', 'if']]);
  });
});
