// Twin programs: C that is compiled for Linux and for wasm32-wasi and must print the same on both,
// and raw probes, which call preview1's functions directly and have their output written down.
//
// Compiled into .cache/twins/ under names that carry a hash of the source, so only what changed is
// compiled again.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileNative, compileWasm, wasmToolchain } from '../../.tools/wasm-cc.mjs';

export interface Twin {
  /** The source is programs/<name>.c. */
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

export interface TwinResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const PROGRAMS = fileURLToPath(new URL('./programs/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/twins/', import.meta.url));
const HEADERS = fileURLToPath(new URL('../../src/wasi/', import.meta.url));
const FLAGS = ['-O1', '-Wall', '-Wno-unused-result', `-I${HEADERS}`];

const NAMES = [
  'append',
  'args-env-exit',
  'big-offsets',
  'clocks',
  'copy-stdin',
  'directories',
  'errno-table',
  'fdopen',
  'getline',
  'glob',
  'hard-links',
  'large-dir',
  'locks',
  'open-dirs',
  'open-flags',
  'pipes',
  'poll-files',
  'positioned-io',
  'readdir-seek',
  'rename',
  'seek-holes',
  'slashes',
  'stat-fields',
  'stdio-modes',
  'symlinks',
  'sync-allocate',
  'times',
  'tmpfile',
  'tree-walk',
  'truncate',
  'unlink-open',
  'watch-tree',
  'xattrs',
];

/** What differs from a run without arguments, environment and input. */
const DETAILS: Readonly<Record<string, Partial<Twin>>> = {
  'args-env-exit': { args: ['one', 'two words', '', 'é'], env: { GREETING: 'hello', EMPTY: '' } },
  getline: { stdin: 'typed\n\nlast, without a newline' },
  'copy-stdin': { stdin: '0123456789abcdef\n'.repeat(20_000) },
};

export const TWINS: readonly Twin[] = NAMES.map((name) => ({
  name,
  args: [],
  env: {},
  stdin: '',
  ...DETAILS[name],
}));

/** The probes in programs/raw/. */
export const RAW_PROBES: readonly string[] = [
  'allocate',
  'bad-fds',
  'escape',
  'filestat-times',
  'links',
  'path-open',
  'pointers',
  'poll',
  'readdir',
  'renumber',
  'rights',
];

const sourceOf = (name: string): string => join(PROGRAMS, `${name}.c`);
const rawSourceOf = (name: string): string => join(PROGRAMS, 'raw', `${name}.c`);

/** Where a source's compiled form belongs: its name with a hash of all that goes into it. */
async function compiledPath(source: string, suffix: string): Promise<string> {
  const isRaw = basename(dirname(source)) === 'raw';
  const header = join(dirname(source), isRaw ? 'raw.h' : 'twin.h');
  const hash = createHash('sha256').update(FLAGS.join(' '));
  for (const file of [source, header, join(HEADERS, 'burrow.h')]) hash.update(await readFile(file));
  if (suffix === '.wasm') hash.update(await wasmToolchain());
  const name = basename(source, '.c');
  return join(CACHE, `${isRaw ? 'raw-' : ''}${name}-${hash.digest('hex').slice(0, 12)}${suffix}`);
}

async function buildOne(source: string, suffix: '' | '.wasm'): Promise<string> {
  const output = await compiledPath(source, suffix);
  if (existsSync(output)) return output;
  const compile = suffix === '.wasm' ? compileWasm : compileNative;
  await compile({ sources: [source], output, flags: FLAGS });
  return output;
}

/** Compiles what has changed since it was last compiled. */
export async function buildTwins(): Promise<void> {
  for (const { name } of TWINS) {
    await buildOne(sourceOf(name), '');
    await buildOne(sourceOf(name), '.wasm');
  }
  for (const name of RAW_PROBES) await buildOne(rawSourceOf(name), '.wasm');
}

/** The path of a twin's WebAssembly form; compiled now if need be. */
export const twinWasm = (name: string): Promise<string> => buildOne(sourceOf(name), '.wasm');

/** The path of a twin's native form; compiled now if need be. */
export const twinNative = (name: string): Promise<string> => buildOne(sourceOf(name), '');

/** The path of a raw probe's WebAssembly form; compiled now if need be. */
export const rawWasm = (name: string): Promise<string> => buildOne(rawSourceOf(name), '.wasm');

/** What a raw probe must print. */
export const rawExpected = (name: string): Promise<string> =>
  readFile(join(PROGRAMS, 'raw', `${name}.expected`), 'utf8');

/** Runs a twin on this machine in `dir`, which should be empty. */
export async function runNative(name: string, dir: string): Promise<TwinResult> {
  const twin = TWINS.find((candidate) => candidate.name === name);
  if (twin === undefined) throw new Error(`no twin program ${name}`);
  const program = await twinNative(name);
  const child = spawn(program, twin.args, { cwd: dir, env: { ...twin.env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A program that doesn't read its input closes the pipe: that is its business.
  child.stdin.on('error', () => undefined).end(twin.stdin);
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve(status ?? -1);
    });
  });
  return { stdout, stderr, code };
}
