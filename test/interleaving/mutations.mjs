// Takes checks out of src, one at a time, in a copy of the repository, and sees whether a scenario
// fails without them. Not part of the tests: it takes some minutes.
//
//   node test/interleaving/mutations.mjs [WORD]     only those whose title has the word
//   node test/interleaving/mutations.mjs --check    only sees whether all can be made

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import console from 'node:console';
import process from 'node:process';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const IDBFS = 'src/fs/idbfs/idbfs.ts';
const CREATE = 'src/fs/shared/create.ts';
const PENDING = 'src/fs/idbfs/pending-items.ts';
const RENAME = 'src/fs/shared/rename.ts';
const FILE = 'src/fs/shared/regular-file-description.ts';

const GOFER_FILES = 'src/fs/gofer/gofer-files.ts';
const GOFER_NAMES = 'src/fs/gofer/gofer-names.ts';
const GOFER_UPSTREAM = 'src/fs/gofer/gofer-upstream.ts';

const IS_THERE = 'if (parent.children?.has(name) === true) throw linuxerr.EEXIST;\n      ';

const TAKE_DATA = 'if (!dataMutex.tryLock()) yield* dataMutex.lock();\n    ';

/** What is taken out: in which file, what is replaced by what; and which tests are to notice. */
const MUTATIONS = [
  {
    title: 'a name that changed while it was loaded is loaded again',
    file: IDBFS,
    from: ' || version !== this.#namesVersion) {',
    to: ') {',
    tests: ['rename', 'names'],
  },
  {
    title: 'a name somebody else has loaded meanwhile is not loaded twice',
    file: IDBFS,
    from: 'const present = children.get(name);',
    to: 'const present = undefined as LocalDentry | undefined;',
    tests: ['rename', 'names'],
  },
  {
    title: 'an inode somebody else has loaded meanwhile is not made twice',
    file: IDBFS,
    from: 'return this.#inodes.get(ino) ?? this.#inodeFromItem(ino, item);',
    to: 'return this.#inodeFromItem(ino, item);',
    tests: ['names'],
  },
  {
    title: 'what rename moves is still there when its target has been loaded',
    file: RENAME,
    from: 'if (assertDefined(oldParent.children).get(oldName) === old) return [old, target];',
    to: 'return [old, target];',
    tests: ['rename'],
  },
  {
    title: 'a directory is not moved into itself',
    file: RENAME,
    from: 'if (isSameOrBelow(newParent, old)) throw linuxerr.EINVAL;',
    to: '',
    tests: ['rename'],
  },
  {
    title: 'nothing is renamed into a removed directory',
    file: RENAME,
    from: 'if (newParent.isDead) throw linuxerr.ENOENT;',
    to: '',
    tests: ['rename'],
  },
  {
    title: 'nothing is made in a directory removed while the name was looked for',
    file: CREATE,
    from: 'if (parent.isDead) throw linuxerr.ENOENT;\n  if (existing',
    to: 'if (existing',
    tests: ['names'],
  },
  {
    title: 'no file is created in a directory removed while the name was looked for',
    file: CREATE,
    from: 'if (parent.isDead) throw linuxerr.ENOENT;\n  const inode',
    to: 'const inode',
    tests: ['names'],
  },
  {
    title: 'a directory somebody loads from is held',
    file: 'src/fs/shared/local-tree.ts',
    from: 'dir.incRef();\n    try {\n      return',
    to: 'try {\n      return',
    also: ['} finally {\n      dir.decRef();\n    }', '} finally {\n      // Not held.\n    }'],
    tests: ['rename', 'names'],
  },
  {
    title: 'an item is read again when a commit has ended meanwhile',
    file: PENDING,
    from: 'if (!isPending && endedCommits === this.#endedCommits) return value;',
    to: 'return value;',
    tests: ['names'],
  },
  {
    title: 'a listing is read again when a commit has ended meanwhile',
    file: PENDING,
    from: 'if (endedCommits !== this.#endedCommits) continue;',
    to: '',
    tests: ['names'],
  },
  {
    title: 'a chunk that was cut or rewritten while it was loaded is loaded again',
    file: 'src/fs/shared/chunk-loader.ts',
    from: 'if (data.generation !== generation) return;',
    to: '',
    tests: ['data'],
  },
  {
    title: 'O_APPEND is decided under the lock',
    file: FILE,
    from: `${TAKE_DATA}let offset = at;`,
    to: `const end = this.inode.size;\n    ${TAKE_DATA}let offset = at;`,
    also: ['offset = this.inode.size;', 'offset = end;'],
    tests: ['data'],
  },
  {
    title: 'an offset is taken before the data, never after it',
    file: FILE,
    from: `${TAKE_DATA}let offset = at;`,
    to: `${TAKE_DATA}this.#offsetMutex.tryLock();\n    let offset = at;`,
    tests: ['data'],
  },
  {
    title: 'an fsync waits for a commit that began after it',
    file: 'src/fs/idbfs/write-back.ts',
    from: 'const number = this.#startedCount + 1;',
    to: 'const number = this.#startedCount + (this.#isRunning ? 0 : 1);',
    tests: ['data'],
  },
  {
    title: 'gofer: names are changed by one at a time',
    file: GOFER_FILES,
    from: 'yield* changes.mutex.lock();\n        held.push(changes);',
    to: 'if (changes.mutex.tryLock()) held.push(changes);',
    tests: ['gofer-rename', 'gofer-names'],
  },
  {
    title: 'gofer: a rename that has waited looks whether both names are what they were',
    file: GOFER_UPSTREAM,
    from: 'if (!isStill || old.mountCount > 0) return false;',
    to: 'if (old.mountCount > 0) return false;',
    tests: ['gofer-rename'],
  },
  {
    title: 'gofer: who has waited to remove a name looks whether it is the same file',
    file: GOFER_UPSTREAM,
    from: 'if (parent.children?.get(name) !== child || !mayGo(child)) return false;',
    to: '',
    tests: ['gofer-rename'],
  },
  {
    title: 'gofer: nothing is put into a directory that is being removed',
    file: GOFER_FILES,
    from: '...going.filter(({ isDir }) => isDir)',
    to: '',
    tests: ['gofer-rename', 'gofer-names'],
  },
  {
    title: 'gofer: nothing is mounted on what is being removed or renamed',
    file: 'src/vfs/virtual-filesystem.ts',
    from: 'if (changing === undefined) return this',
    to: 'return this',
    tests: ['gofer-rename', 'gofer-names'],
  },
  {
    title: 'gofer: who has waited to make a name looks whether it is there by now',
    file: GOFER_UPSTREAM,
    from: `${IS_THERE}return this.#create(`,
    to: 'return this.#create(',
    tests: ['gofer-names'],
  },
  {
    title: 'gofer: what was found of a name that was changed meanwhile is not taken',
    file: GOFER_NAMES,
    from: 'if (look.isStale) continue;',
    to: '',
    tests: ['gofer'],
  },
  {
    title: 'gofer: names beneath one that was moved meanwhile are not taken',
    file: GOFER_NAMES,
    from: 'isSure ? adopted : adopted.slice(0, 1)',
    to: 'isSure || adopted.length > 0 ? adopted : []',
    tests: ['gofer'],
  },
  {
    title: 'gofer: of two FDs of one file, one is closed',
    file: GOFER_FILES,
    from: 'if (isKnown || inode.isSymlink) this.remote.close(fd);',
    to: 'if ((isKnown && false) || inode.isSymlink) this.remote.close(fd);',
    tests: ['gofer-names', 'gofer-rename'],
  },
  {
    title: 'gofer: who appends holds the file while it asks how long it is',
    file: 'src/fs/gofer/direct-file-description.ts',
    from: 'yield* dataMutex.lock();',
    to: 'const isTaken = dataMutex.tryLock();',
    also: ['dataMutex.unlock();', 'if (isTaken) dataMutex.unlock();'],
    tests: ['gofer-data'],
  },
  {
    title: 'gofer: names that others have changed are forgotten',
    file: 'src/fs/gofer/invalidation.ts',
    from: "if (typeof name === 'string') this.#tree.forgetEntry(dentry, name);",
    to: '',
    tests: ['gofer-others'],
  },
  {
    title: 'gofer: data that others have written is forgotten',
    file: 'src/fs/gofer/invalidation.ts',
    from: 'if ((flags & INVALIDATE_DATA) !== 0) invalidateData(inode, this.#tree.isDirty(inode));',
    to: '',
    tests: ['gofer-others'],
  },
];

/** All scenarios of a file take a few seconds. */
const TIMEOUT_MS = 180_000;

const ROOT = resolve(import.meta.dirname, '../..');

/** A copy of what git tracks, or would. */
function copyOfRepository() {
  const copy = mkdtempSync(join(tmpdir(), 'burrow-mutations-'));
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  for (const path of listed.split('\0').filter((each) => each !== '')) {
    mkdirSync(join(copy, dirname(path)), { recursive: true });
    cpSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

function replaceOnce(text, from, to, title) {
  if (text.split(from).length !== 2) throw new Error(`${title}: not once in the file: ${from}`);
  return text.replace(from, () => to);
}

/** The scenarios that fail, with the first line of why. */
function failuresOf(copy, tests) {
  const paths = tests.map((name) => `test/interleaving/${name}.test.ts`);
  // With threads nothing is left when the process is killed.
  const options = ['--reporter=json', '--pool=threads', '--bail=1'];
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...options, ...paths];
  const { stdout, error } = spawnSync(process.execPath, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) return [`the tests don't end: ${error.message}`];
  const report = JSON.parse(stdout.slice(stdout.indexOf('{"num')));
  return report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ title, failureMessages }) => `${title}: ${failureMessages[0].split('\n')[0]}`);
}

function mutate(text, { title, from, to, also }) {
  const mutated = replaceOnce(text, from, to, title);
  return also === undefined ? mutated : replaceOnce(mutated, ...also, title);
}

// Whoever changes src is told at once that one of these went with it.
for (const each of MUTATIONS) mutate(readFileSync(join(ROOT, each.file), 'utf8'), each);
if (process.argv[2] === '--check') process.exit();

const word = process.argv[2] ?? '';
const copy = copyOfRepository();
let survivors = 0;
try {
  for (const mutation of MUTATIONS) {
    const { title, file, tests } = mutation;
    if (!title.includes(word)) continue;
    const original = readFileSync(join(copy, file), 'utf8');
    writeFileSync(join(copy, file), mutate(original, mutation));
    const failures = failuresOf(copy, tests);
    writeFileSync(join(copy, file), original);
    if (failures.length === 0) survivors++;
    console.log(`${failures.length === 0 ? 'NOT NOTICED' : 'noticed'}: ${title}`);
    for (const failure of failures) console.log(`    ${failure}`);
  }
} finally {
  rmSync(copy, { recursive: true });
}
process.exitCode = survivors === 0 ? 0 : 1;
