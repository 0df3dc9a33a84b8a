// What no compiler or linter looks at: sizes, words, names, links and files nobody needs.
// Looks at the files git tracks, and at those it would if they were added.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { expect, test } from 'vitest';
import {
  codeFencesOf,
  functionsOf,
  headingSlugsOf,
  headingsOf,
  linksOf,
} from './support/tidy/read.ts';

/** Every script is parsed, on whatever machine this is. */
const PARSING_TIMEOUT_MS = 60_000;
const MAX_COLUMNS = 100;
const MAX_FUNCTION_LINES = 70;
const MAX_FILE_LINES = 500;

/** Contracts and field tables may be longer than a file should be: path → why. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/wasi/burrow.h': 'declarations, one after the other: a program includes one header',
};

/** Functions that are longer than they should be: `path name` → why. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};

/** Where the project begins: files that a person or a tool looks for by name. */
const ROOTS = [
  '.ci/run',
  '.gitignore',
  '.npmrc',
  '.prettierrc.json',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'eslint.config.js',
  'knip.json',
  'package-lock.json',
  'package.json',
  'playwright.config.ts',
  'tsconfig.json',
  'vite.config.ts',
];

/** Found by a test runner or a tool through their names. */
const FOUND_BY_NAME = /\.(?:test|spec|bench)\.ts$|\.d\.mts$|(?:^|\/)(?:README\.md|index\.html)$/;

const TOP_FOLDERS = /^(?:src|worker|web|test|\.[a-z-]+)$/;

const KEBAB_CASE = /^\.?[a-z0-9]+(?:-[a-z0-9]+)*(?:_fuzz)?(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;
const DOCUMENT_NAME = /^(?:README|ARCHITECTURE|CONTRIBUTING|CHANGELOG)\.md$|^LICENSE$/;

/** Put together here so that this file does not contain what it looks for. */
const words = (...parts: string[]): string => parts.join('');

/** In every file. */
const FORBIDDEN: [pattern: RegExp, why: string][] = [
  [
    new RegExp(`\\b(?:${words('FIX', 'ME')}|${words('XX', 'X')}|${words('HA', 'CK')})\\b`),
    'marker',
  ],
  [
    new RegExp(`\\b${words('sp', 'ec')} \\d+\\.\\d|\\b${words('iss', 'ue')} \\d`),
    'not in the project',
  ],
  // strerror(ENOSYS) is called that.
  [new RegExp(`(?<!function )\\bnot ${words('imple', 'mented')}\\b`, 'i'), 'unfinished'],
  // An import from a neighbouring folder of that name is none.
  [new RegExp(words(`(?<!(?:from|import) '[./]*)\\.\\.`, '/shared')), 'outside of the project'],
  [
    new RegExp(`(?:^|[^a-zA-Z])/(?:${words('wo', 'rk')}|${words('fa', 'rm')}|Users)/`),
    'machine path',
  ],
  [new RegExp(`https?://[^/ "]*${words('regi', 'str')}`), 'package host'],
];

/** In code: documents may speak of these. */
const FORBIDDEN_IN_CODE: [pattern: RegExp, why: string][] = [
  [new RegExp(`\\b${words('TO', 'DO')}\\b(?!\\(#\\d+\\))`), 'without an issue: write …(#12)'],
  [new RegExp(`@ts-${words('ig', 'nore')}|@ts-${words('no', 'check')}`), 'types switched off'],
  [
    new RegExp(
      `\\b(?:test|it|describe|suite)\\.(?:${words('sk', 'ip')}(?:If)?|runIf|only|todo|fixme)\\b`,
    ),
    'test switched off',
  ],
];

const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\0')
  .filter((path) => path !== '' && existsSync(path));
const textOf = new Map(files.map((path) => [path, readFileSync(path, 'utf8')]));
// Made by tools, and not for reading: npm's lock file, and pictures and the like.
const texts = [...textOf].filter(([path, text]) => path !== 'package-lock.json' && !isBinary(text));
const code = texts.filter(([path]) => /\.(?:ts|mts|js|mjs|css|html|c|h)$/.test(path));
const scripts = texts.filter(([path]) => /\.(?:ts|mts|js|mjs)$/.test(path));
const documents = texts.filter(([path]) => path.endsWith('.md'));

function isBinary(text: string): boolean {
  return text.includes('\0');
}

/** `path:line` for each line of `sources` that `isWrong`. */
function linesThat(
  sources: [path: string, text: string][],
  isWrong: (line: string) => boolean,
): string[] {
  return sources.flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) => (isWrong(line) ? [`${path}:${index + 1}`] : [])),
  );
}

test('the project has files', () => {
  expect(code.length).toBeGreaterThan(20);
});

test(`a line has at most ${MAX_COLUMNS} columns`, () => {
  // A long address can't be broken.
  const isLong = (line: string): boolean => line.length > MAX_COLUMNS && !/https?:/.test(line);
  expect(linesThat(code, isLong)).toEqual([]);
});

test(`a file has at most ${MAX_FILE_LINES} lines, unless it is exempt`, () => {
  const lineCount = (text: string): number => text.trimEnd().split('\n').length;
  const long = code.filter(([, text]) => lineCount(text) > MAX_FILE_LINES).map(([path]) => path);
  expect(long.toSorted()).toEqual(Object.keys(LONG_FILES).toSorted());
});

test(
  `a function has at most ${MAX_FUNCTION_LINES} lines, unless it is exempt`,
  () => {
    const long = scripts.flatMap(([path, text]) =>
      functionsOf(path, text)
        .filter(({ lineCount }) => lineCount > MAX_FUNCTION_LINES)
        .map(({ name }) => `${path} ${name}`),
    );
    expect(long.toSorted()).toEqual(Object.keys(LONG_FUNCTIONS).toSorted());
  },
  PARSING_TIMEOUT_MS,
);

test('a module begins with a comment that says what it is', () => {
  const modules = scripts.filter(([path]) => !path.endsWith('.d.mts'));
  const silent = modules.filter(([, text]) => !/^(?:#!.*\n)?(?:\/\/ |\/\*\*?\s)/.test(text));
  expect(silent.map(([path]) => path)).toEqual([]);
});

test('there are no forbidden words', () => {
  const found = (sources: typeof texts, forbidden: typeof FORBIDDEN): string[] =>
    forbidden.flatMap(([pattern, why]) =>
      linesThat(sources, (line) => pattern.test(line)).map((place) => `${place} ${why}`),
    );
  expect([...found(texts, FORBIDDEN), ...found(code, FORBIDDEN_IN_CODE)]).toEqual([]);
});

test('npm installs from wherever the machine says', () => {
  expect(textOf.get('package-lock.json')).not.toMatch(/"resolved": *"http/);
});

// `npm ci` refuses a lock file that lacks so much as a package of another platform.
test('the lock file is whole', () => {
  const lock = JSON.parse(textOf.get('package-lock.json')!) as LockFile;
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
      .filter(
        (name) => !foldersAbove(path).some((at) => `${at}node_modules/${name}` in lock.packages),
      )
      .map((name) => `${name} of ${path}`),
  );
  expect(missing).toEqual([]);
});

interface LockFile {
  readonly packages: Record<
    string,
    {
      readonly dependencies?: Record<string, string>;
      readonly optionalDependencies?: Record<string, string>;
    }
  >;
}

/** Where Node looks for what the package at `path` imports. */
function foldersAbove(path: string): string[] {
  const parts = path.split(/\/?node_modules\//).slice(1);
  return [...parts, ''].map((_, index) =>
    parts
      .slice(0, index)
      .map((name) => `node_modules/${name}/`)
      .join(''),
  );
}

test('file names are in kebab-case', () => {
  const odd = files.filter((path) =>
    path
      .split('/')
      .some((part) => !KEBAB_CASE.test(part) && !(part === basename(path) && isDocument(part))),
  );
  expect(odd).toEqual([]);
});

function isDocument(name: string): boolean {
  return DOCUMENT_NAME.test(name);
}

test('the top folders are src, worker, web, test and those of tools', () => {
  const folders = new Set(files.filter((path) => path.includes('/')).map((p) => p.split('/')[0]!));
  expect([...folders].filter((folder) => !TOP_FOLDERS.test(folder))).toEqual([]);
});

test('every file is spoken of by another', () => {
  const isNamedIn = (path: string, text: string): boolean => {
    const name = basename(path);
    const stem = name.slice(0, -extname(name).length || undefined);
    // By its name, by its stem in quotes, or together with all of its folder.
    return (
      text.includes(name) ||
      [`'${stem}'`, `"${stem}"`, `\`${stem}\``].some((quoted) => text.includes(quoted)) ||
      (dirname(path).includes('/') && text.includes(`${dirname(path)}/'`))
    );
  };
  const orphans = files.filter(
    (path) =>
      !ROOTS.includes(path) &&
      !FOUND_BY_NAME.test(path) &&
      !texts.some(([other, text]) => other !== path && isNamedIn(path, text)),
  );
  expect(orphans).toEqual([]);
});

test('a document has one title', () => {
  const titles = documents.map(([path, text]) => [
    path,
    headingsOf(text).filter(({ level }) => level === 1).length,
  ]);
  expect(titles.filter(([, count]) => count !== 1)).toEqual([]);
});

test('a code block in a document says its language', () => {
  const untagged = documents.flatMap(([path, text]) =>
    codeFencesOf(text)
      .filter(({ language }) => language === '')
      .map(({ line }) => `${path}:${line}`),
  );
  expect(untagged).toEqual([]);
});

test('links in documents lead somewhere', () => {
  const dead = documents.flatMap(([path, text]) =>
    linksOf(text)
      .filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link))
      .map((link) => `${path}: ${link}`),
  );
  expect(dead).toEqual([]);
});

function leadsSomewhere(from: string, link: string): boolean {
  const [target = '', anchor] = link.split('#');
  const path = target === '' ? from : join(dirname(from), decodeURIComponent(target));
  if (anchor === undefined || !path.endsWith('.md')) {
    const folder = `${path.replace(/\/$/, '')}/`;
    return textOf.has(path) || files.some((file) => file.startsWith(folder));
  }
  return headingSlugsOf(textOf.get(path) ?? '').includes(anchor);
}
