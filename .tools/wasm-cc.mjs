// Compiles C for wasm32-wasi and for this machine.
//
// For wasm: Debian's clang-14 with wasi-libc where it is installed or, being root, can be; anywhere
// else @yowasp/clang from npm, which is clang as WebAssembly and runs in this process.

import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rename } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { CACHE, packageFiles, writeWhole } from './npm-package.mjs';

/**
 * @typedef {object} Compilation
 * @property {readonly string[]} sources C files
 * @property {string} output the file to make; its folder is made if need be
 * @property {readonly string[]} [flags] compiler flags; folders in -I must be absolute
 */

/** clang and its resources, also installed as the playground's clang. */
export const YOWASP_CLANG = {
  name: '@yowasp/clang',
  version: '22.0.0-git20542-10',
  integrity:
    'V31/z9GrJECKeACTDUyvg2llbEUiFi3bxtL5HSg7H/6sydSxdI/AoVAD9F5ozrfLjotWl0B9rghR87m+DUM/zg==',
};

const run = promisify(execFile);

const works = (command, args) =>
  run(command, args).then(
    () => true,
    () => false,
  );

/** Debian's packages, if this is a Debian and we may. Answers whether they are there now. */
async function aptInstall(...names) {
  if (process.getuid?.() !== 0) return false;
  const install = ['install', '-y', '--no-install-recommends', ...names];
  if (await works('apt-get', install)) return true;
  return (await works('apt-get', ['update'])) && (await works('apt-get', install));
}

const DEBIAN_CLANG = 'clang-14';
const DEBIAN_TARGET = ['--target=wasm32-wasi', '--sysroot=/usr'];
const DEBIAN_PACKAGES = ['clang-14', 'lld-14', 'wasi-libc', 'libclang-rt-14-dev-wasm32'];

/** Whether Debian's compiler, headers, libraries and linker are all there: asked by linking. */
const debianWorks = () =>
  works(DEBIAN_CLANG, [
    ...DEBIAN_TARGET,
    ...['-x', 'c', '-include', 'stdio.h', '-nostartfiles', '-Wl,--no-entry'],
    ...['/dev/null', '-o', '/dev/null'],
  ]);

let toolchain;

/** Which compiler makes wasm here: found out once, installed if need be. */
export function wasmToolchain() {
  toolchain ??= (async () => {
    if (process.env.BURROW_WASM_CC === 'yowasp') return 'yowasp';
    if (await debianWorks()) return 'debian';
    if ((await aptInstall(...DEBIAN_PACKAGES)) && (await debianWorks())) return 'debian';
    return 'yowasp';
  })();
  return toolchain;
}

/** Runs a compiler; its messages become the error's. The output appears whole or not at all. */
async function compile(command, args, output) {
  await mkdir(dirname(output), { recursive: true });
  const temporary = `${output}.${process.pid}.part`;
  await run(command, [...args, '-o', temporary], { maxBuffer: 1 << 24 }).catch((error) => {
    throw new Error(`${command} ${args.join(' ')}\n${error.stderr || error.message}`);
  });
  await rename(temporary, output);
}

let yowasp;

/** The compiler in npm's package, unpacked once. */
function loadYowasp() {
  yowasp ??= (async () => {
    const folder = join(CACHE, 'toolchain', YOWASP_CLANG.version);
    const bundle = join(folder, 'gen', 'bundle.js');
    const isUnpacked = await readFile(bundle).then(
      () => true,
      () => false,
    );
    if (!isUnpacked) {
      const files = await packageFiles(YOWASP_CLANG, (path) => path.startsWith('gen/'));
      files.set('package.json', Buffer.from('{"type":"module"}\n'));
      // The bundle comes last: it being there says that all are.
      const last = files.get('gen/bundle.js');
      files.delete('gen/bundle.js');
      for (const [path, data] of files) await writeWhole(join(folder, path), data);
      await writeWhole(bundle, last);
    }
    const { runClang } = await import(pathToFileURL(bundle).href);
    // Without arguments it only reads its files, and only here can it be told to be quiet about it.
    await runClang(null, {}, { fetchProgress: () => undefined });
    return runClang;
  })();
  return yowasp;
}

/** The folder's C files and headers, as the tree of files that runClang takes. */
async function sourceTree(folder) {
  const tree = {};
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile() && ['.c', '.h'].includes(extname(entry.name))) {
      tree[entry.name] = await readFile(join(folder, entry.name));
    }
  }
  return tree;
}

/** Compiles within the package's virtual files: each source folder becomes /0, /1 … there. */
async function compileYowasp({ sources, output, flags }) {
  const runClang = await loadYowasp();
  const folders = new Map();
  const tree = {};
  const inside = async (folder) => {
    if (!folders.has(folder)) {
      const name = String(folders.size);
      folders.set(folder, name);
      tree[name] = await sourceTree(folder);
    }
    return `/${folders.get(folder)}`;
  };
  const args = [];
  for (const source of sources) {
    args.push(`${await inside(dirname(resolve(source)))}/${basename(source)}`);
  }
  for (const flag of flags) {
    args.push(flag.startsWith('-I') ? `-I${await inside(flag.slice(2))}` : flag);
  }
  let messages = '';
  const decoder = new TextDecoder();
  const keep = (bytes) => {
    if (bytes !== null) messages += decoder.decode(bytes, { stream: true });
  };
  try {
    const made = await runClang(['clang', ...args, '-o', 'out.wasm'], tree, {
      stdout: keep,
      stderr: keep,
    });
    await writeWhole(output, made['out.wasm']);
  } catch (error) {
    throw new Error(`clang ${args.join(' ')}\n${messages || error}`, { cause: error });
  }
}

/**
 * Makes a wasm32-wasi program.
 *
 * @param {Compilation} compilation
 */
export async function compileWasm({ sources, output, flags = [] }) {
  if ((await wasmToolchain()) === 'yowasp') return compileYowasp({ sources, output, flags });
  const args = [...DEBIAN_TARGET, ...flags, ...sources, ...libraries(flags)];
  return compile(DEBIAN_CLANG, args, output);
}

/** Libraries again after the sources: a linker takes from an archive what is missing by then. */
const libraries = (flags) => flags.filter((flag) => flag.startsWith('-l'));

let nativeCompiler;

/** `cc`, installed if need be. */
function findNative() {
  nativeCompiler ??= (async () => {
    for (const name of ['cc', 'gcc', 'clang']) if (await works(name, ['--version'])) return name;
    if ((await aptInstall('gcc', 'libc6-dev')) && (await works('gcc', ['--version']))) return 'gcc';
    throw new Error('no C compiler: install gcc or clang');
  })();
  return nativeCompiler;
}

/**
 * Makes a program for this machine.
 *
 * @param {Compilation} compilation
 */
export async function compileNative({ sources, output, flags = [] }) {
  await compile(await findNative(), [...flags, ...sources, ...libraries(flags)], output);
}
