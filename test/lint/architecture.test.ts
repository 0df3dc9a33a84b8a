// The rules that hold the architecture: where a file may import from, and which file may touch the
// platform. Both run with the project's real ESLint configuration and its tables.

import { ESLint } from 'eslint';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { describe, expect, test } from 'vitest';

// Without types, so that a file need not exist to be linted.
const eslint = new ESLint({
  overrideConfig: defineConfig({
    files: ['**/*.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { 'burrow/no-dropped-op': 'off' },
  }),
});

/** What the rule says about `code` in `file`: its message ids. */
async function lint(rule: string, file: string, code: string): Promise<(string | undefined)[]> {
  const [result] = await eslint.lintText(code, { filePath: file });
  const parseErrors = result!.messages.filter(({ ruleId }) => ruleId === null);
  expect(parseErrors).toEqual([]);
  return result!.messages
    .filter(({ ruleId }) => ruleId === `burrow/${rule}`)
    .map(({ messageId }) => messageId);
}

describe('import-direction', () => {
  const allowed: [file: string, code: string][] = [
    ['web/main.ts', `import { boot } from '../src/index.ts';`],
    ['web/main.ts', `import type { Kernel } from '../src/api.ts';`],
    ['web/main.ts', `import { Terminal } from '@xterm/xterm';`],
    ['web/main.ts', `import '@xterm/xterm/css/xterm.css';`],
    ['web/main.ts', `import { showTree } from './tree.ts';`],
    ['src/index.ts', `export { boot } from '../worker/kernel-client.ts';`],
    ['src/index.ts', `export type { Kernel } from './api.ts';`],
    ['worker/kernel-host.ts', `import { Task } from '../src/kernel/task.ts';`],
    ['worker/process.worker.ts', `import { wasiImports } from '../src/wasi/imports.ts';`],
    ['worker/kernel-client.ts', `import type { BootOptions } from '../src/api.ts';`],
    ['worker/kernel-client.ts', `new Worker(new URL('./kernel.worker.ts', import.meta.url));`],
    ['src/kernel/task.ts', `import { openAt } from '../vfs/filesystem.ts';`],
    ['src/kernel/mounts.ts', `import { tmpfs } from '../fs/tmpfs/tmpfs.ts';`],
    ['src/wasi/fd.ts', `import type { Syscalls } from '../syscalls/table.ts';`],
    ['src/fs/idbfs/idbfs.ts', `import type { Store } from '../../store/store.ts';`],
    ['src/fs/tmpfs/tmpfs.ts', `import { Inode } from '../shared/inode.ts';`],
    ['src/fs/tmpfs/inner/file.ts', `import { Inode } from '../../shared/inode.ts';`],
    ['src/vfs/dentry.ts', `import { assert } from '../lib/assert.ts';`],
    ['src/abi/stat.ts', `import type { Timespec } from '../lib/clock.ts';`],
    ['src/abi/stat.ts', `import { type Timespec } from '../lib/clock.ts';`],
    ['src/abi/stat.ts', `export type Time = import('../lib/clock.ts').Timespec;`],
    ['src/store/idb.ts', `import { createStore } from 'idb-keyval';`],
  ];
  test.each(allowed)('%s may say %s', async (file, code) => {
    expect(await lint('import-direction', file, code)).toEqual([]);
  });

  const refused: [file: string, code: string, messageId: string][] = [
    ['web/main.ts', `import { Task } from '../src/kernel/task.ts';`, 'upwards'],
    ['web/main.ts', `import { connect } from '../worker/kernel-client.ts';`, 'upwards'],
    ['web/main.ts', `import { ERRORS } from '../src/api.ts';`, 'valueImport'],
    ['worker/kernel-host.ts', `import { boot } from '../src/index.ts';`, 'upwards'],
    ['src/kernel/task.ts', `import { wasiImports } from '../wasi/imports.ts';`, 'upwards'],
    ['src/kernel/task.ts', `import { channel } from '../../worker/channel.ts';`, 'upwards'],
    ['src/kernel/task.ts', `import type { Kernel } from '../api.ts';`, 'upwards'],
    ['src/wasi/fd.ts', `import type { Task } from '../kernel/task.ts';`, 'upwards'],
    ['src/vfs/mount.ts', `import { tmpfs } from '../fs/tmpfs/tmpfs.ts';`, 'upwards'],
    ['src/vfs/mount.ts', `export { tmpfs } from '../fs/tmpfs/tmpfs.ts';`, 'upwards'],
    ['src/vfs/mount.ts', `export * from '../fs/tmpfs/tmpfs.ts';`, 'upwards'],
    ['src/vfs/mount.ts', `export const load = () => import('../fs/tmpfs/tmpfs.ts');`, 'upwards'],
    ['src/vfs/mount.ts', `type T = import('../fs/tmpfs/tmpfs.ts').Tmpfs;`, 'upwards'],
    ['src/vfs/mount.ts', `new URL('../../worker/kernel.worker.ts', import.meta.url);`, 'upwards'],
    ['src/fs/tmpfs/tmpfs.ts', `import { devices } from '../devfs/devfs.ts';`, 'upwards'],
    ['src/fs/tmpfs/tmpfs.ts', `import type { Store } from '../../store/store.ts';`, 'upwards'],
    ['src/fs/shared/inode.ts', `import { tmpfs } from '../tmpfs/tmpfs.ts';`, 'upwards'],
    ['src/abi/stat.ts', `import { EPOCH } from '../lib/clock.ts';`, 'valueImport'],
    ['src/abi/stat.ts', `import { type Clock, EPOCH } from '../lib/clock.ts';`, 'valueImport'],
    ['src/lib/text.ts', `import { ENOENT } from '../abi/errno.ts';`, 'upwards'],
    ['src/lib/text.ts', `import { read } from '../../test/support/read.ts';`, 'upwards'],
    ['src/store/idb.ts', `import { wrap } from 'comlink';`, 'package'],
    ['src/lib/text.ts', `import { readFileSync } from 'node:fs';`, 'package'],
    ['src/newcomer/thing.ts', `export const thing = 1;`, 'homeless'],
  ];
  test.each(refused)('%s may not say %s', async (file, code, messageId) => {
    expect(await lint('import-direction', file, code)).toEqual([messageId]);
  });
});

describe('platform-globals', () => {
  const allowed: [file: string, code: string][] = [
    ['src/store/idb.ts', `indexedDB.open('x');`],
    ['src/lib/clock.ts', `performance.now() + Date.now();`],
    ['worker/channel.ts', `new SharedArrayBuffer(8); Atomics.load(view, 0);`],
    ['src/vfs/dentry.ts', `let buffer: SharedArrayBuffer; type Db = IDBDatabase;`],
    ['src/vfs/dentry.ts', `const crypto = { subtle: 1 }; crypto.subtle;`],
    ['src/vfs/dentry.ts', `function at(performance: number) { return performance; }`],
    ['src/vfs/dentry.ts', `new Date(0); Math.floor(1); time.Date.now(); ({ process: 1 });`],
    ['test/support/clock.ts', `Date.now(); Math.random();`],
  ];
  test.each(allowed)('%s may say %s', async (file, code) => {
    expect(await lint('platform-globals', file, code)).toEqual([]);
  });

  const refused: [file: string, code: string, messageId: string][] = [
    ['src/vfs/dentry.ts', `indexedDB.open('x');`, 'elsewhere'],
    ['src/vfs/dentry.ts', `globalThis.indexedDB.open('x');`, 'elsewhere'],
    ['src/vfs/dentry.ts', `self['indexedDB'].open('x');`, 'elsewhere'],
    ['src/vfs/dentry.ts', `globalThis.self.indexedDB;`, 'elsewhere'],
    ['src/vfs/dentry.ts', `const { indexedDB: db } = globalThis;`, 'elsewhere'],
    ['src/vfs/dentry.ts', `typeof indexedDB;`, 'elsewhere'],
    ['src/vfs/dentry.ts', `x instanceof SharedArrayBuffer;`, 'elsewhere'],
    ['src/vfs/dentry.ts', `function f() { return Date.now(); }`, 'elsewhere'],
    ['src/vfs/dentry.ts', `new Date();`, 'elsewhere'],
    ['src/vfs/dentry.ts', `Date();`, 'elsewhere'],
    ['src/vfs/dentry.ts', `const now = Date.now;`, 'elsewhere'],
    ['src/vfs/dentry.ts', `globalThis.performance.now();`, 'elsewhere'],
    ['src/vfs/dentry.ts', `crypto.getRandomValues(bytes);`, 'elsewhere'],
    ['src/lib/clock.ts', `Math.random();`, 'nowhere'],
    ['src/vfs/dentry.ts', `const { random } = Math;`, 'nowhere'],
    ['worker/kernel-host.ts', `Math['random']();`, 'nowhere'],
    ['src/vfs/dentry.ts', `process.env;`, 'nowhere'],
  ];
  test.each(refused)('%s may not say %s', async (file, code, messageId) => {
    expect(await lint('platform-globals', file, code)).toEqual([messageId]);
  });
});

describe('no-barrel', () => {
  test('a module that only passes things on is refused', async () => {
    const star = await lint('no-barrel', 'src/vfs/vfs.ts', `export * from './a.ts'; export let b;`);
    expect(star).toEqual(['star']);
    const named = `import { a } from './a.ts'; export { a }; export { b } from './b.ts';`;
    expect(await lint('no-barrel', 'src/vfs/vfs.ts', named)).toEqual(['barrel']);
  });

  test('a module with something of its own, and the package entry, are not', async () => {
    const own = `export { a } from './a.ts'; export const b = 1;`;
    expect(await lint('no-barrel', 'src/vfs/vfs.ts', own)).toEqual([]);
    expect(await lint('no-barrel', 'src/index.ts', `export { a } from './api.ts';`)).toEqual([]);
  });
});
