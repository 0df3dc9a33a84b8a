// Lint: typescript-eslint's strict typed rules, and the project's own (.tools/eslint/).

import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { burrow } from './.tools/eslint/plugin.mjs';

/**
 * The layers, top to bottom. A file may import from its own folder, from those it lists and, with
 * `import type`, from `typesOnly`; `packages` are the npm packages it may use. The more specific
 * path wins. A new folder needs a row.
 */
const LAYERS = {
  web: {
    imports: ['src/index.ts'],
    typesOnly: ['src/api.ts', 'src/api-links.ts', 'src/api-storage.ts'],
    packages: [
      '@codemirror/commands',
      '@codemirror/lang-cpp',
      '@codemirror/lang-javascript',
      '@codemirror/lang-python',
      '@codemirror/language',
      '@codemirror/state',
      '@codemirror/theme-one-dark',
      '@codemirror/view',
      '@xterm/addon-fit',
      '@xterm/xterm',
      'codemirror',
    ],
  },
  'src/index.ts': {
    imports: ['worker', 'src/abi', 'src/lib'],
    typesOnly: [
      'src/api.ts',
      'src/api-links.ts',
      'src/api-snapshots.ts',
      'src/api-storage.ts',
      'src/archive',
      'src/fs/gofer/mount-options.ts',
      'src/image',
    ],
  },
  worker: {
    imports: [
      'src/wasi',
      'src/archive',
      'src/image',
      'src/kernel',
      'src/syscalls',
      'src/vfs',
      'src/fs',
      'src/transport',
      'src/store',
      'src/auth',
      'src/abi',
      'src/lib',
    ],
    typesOnly: ['src/api.ts', 'src/api-links.ts', 'src/api-snapshots.ts', 'src/api-storage.ts'],
    packages: ['comlink'],
  },
  'src/api.ts': {
    imports: [],
    typesOnly: [
      'src/api-links.ts',
      'src/api-snapshots.ts',
      'src/api-storage.ts',
      'src/archive',
      'src/fs/gofer/mount-options.ts',
      'src/image',
      'src/abi',
      'src/lib',
    ],
  },
  'src/api-links.ts': { imports: [] },
  'src/api-snapshots.ts': { imports: [] },
  'src/api-storage.ts': { imports: [], typesOnly: ['src/api-links.ts'] },
  'src/wasi': {
    imports: ['src/syscalls', 'src/abi', 'src/lib'],
    packages: ['@bjorn3/browser_wasi_shim'],
  },
  'src/archive': { imports: ['src/syscalls', 'src/abi', 'src/lib'] },
  'src/image': { imports: ['src/archive', 'src/store', 'src/abi', 'src/lib'] },
  'src/kernel': {
    imports: [
      'src/syscalls',
      'src/vfs',
      'src/fs',
      'src/store',
      'src/locks',
      'src/auth',
      'src/abi',
      'src/lib',
    ],
  },
  'src/syscalls': { imports: ['src/abi', 'src/lib'] },
  'src/fs/tmpfs': { imports: ['src/fs/shared', 'src/vfs', 'src/auth', 'src/abi', 'src/lib'] },
  'src/fs/devfs': { imports: ['src/fs/shared', 'src/vfs', 'src/auth', 'src/abi', 'src/lib'] },
  'src/fs/idbfs': {
    imports: ['src/fs/shared', 'src/store', 'src/vfs', 'src/auth', 'src/abi', 'src/lib'],
  },
  'src/fs/gofer': {
    imports: [
      'src/fs/gofer/mount-options.ts',
      'src/fs/shared',
      'src/link',
      'src/lisafs',
      'src/p9',
      'src/transport',
      'src/vfs',
      'src/locks',
      'src/auth',
      'src/abi',
      'src/lib',
    ],
  },
  'src/fs/gofer/mount-options.ts': { imports: [] },
  'src/fs/relayfs': { imports: ['src/vfs', 'src/locks', 'src/auth', 'src/abi', 'src/lib'] },
  'src/fs/shared': { imports: ['src/vfs', 'src/locks', 'src/auth', 'src/abi', 'src/lib'] },
  'src/vfs': { imports: ['src/locks', 'src/auth', 'src/abi', 'src/lib'] },
  'src/store': { imports: ['src/abi', 'src/lib'], packages: ['idb-keyval', 'xxhash-wasm'] },
  'src/cli': {
    imports: [
      'src/gofer-server',
      'src/redis',
      'src/fsgofer',
      'src/transport',
      'src/abi',
      'src/lib',
    ],
    packages: ['node:', 'pino'],
  },
  'src/gofer-server': {
    imports: [
      'src/fsgofer',
      'src/lisafs',
      'src/p9',
      'src/served',
      'src/transport',
      'src/locks',
      'src/abi',
      'src/lib',
    ],
    packages: ['node:', 'ws', 'prom-client'],
  },
  'src/redis': {
    imports: ['src/served', 'src/locks', 'src/abi', 'src/lib'],
    packages: ['node:', '@redis/client'],
  },
  'src/fsgofer': {
    imports: ['src/served', 'src/abi', 'src/lib'],
    packages: ['node:', 'koffi'],
  },
  'src/lisafs': {
    imports: ['src/link', 'src/served', 'src/transport', 'src/locks', 'src/abi', 'src/lib'],
  },
  'src/p9': {
    imports: ['src/link', 'src/served', 'src/transport', 'src/locks', 'src/abi', 'src/lib'],
  },
  'src/link': { imports: ['src/transport', 'src/abi', 'src/lib'] },
  'src/served': { imports: ['src/abi', 'src/lib'] },
  'src/locks': { imports: ['src/abi', 'src/lib'] },
  'src/transport': { imports: ['src/abi', 'src/lib'], packages: ['ws'] },
  'src/auth': { imports: ['src/abi', 'src/lib'] },
  'src/abi': { imports: [], typesOnly: ['src/lib'] },
  'src/lib': { imports: [] },
};

/** Platform global → the only places that touch it. */
const PLATFORM_GLOBALS = {
  indexedDB: ['src/store'],
  IDBKeyRange: ['src/store'],
  navigator: ['src/store', 'worker', 'web'],
  WebSocket: ['src/transport'],
  BroadcastChannel: ['worker'],
  Worker: ['worker'],
  SharedArrayBuffer: ['worker'],
  Atomics: ['worker'],
  'Date.now': ['src/lib/clock.ts', 'worker', 'web'],
  performance: ['src/lib/clock.ts', 'worker', 'web'],
  'Math.random': [],
  crypto: ['worker'],
  window: ['web'],
  document: ['web'],
  localStorage: ['web'],
  process: [],
  Buffer: [],
};

/** What a script finds in Node without importing it: whatever this very process does. */
const NODE_GLOBALS = Object.fromEntries(
  Object.getOwnPropertyNames(globalThis).map((name) => [name, 'readonly']),
);

const NO_DEFAULT_EXPORT = {
  selector: 'ExportDefaultDeclaration',
  message: 'Export by name: a default export has another name in every file.',
};

export default defineConfig(
  {
    ignores: [
      'dist/',
      '.cache/',
      '.playground/',
      'test-results/',
      'playwright-report/',
      'test/lint/fixtures/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', NO_DEFAULT_EXPORT],
      'object-shorthand': 'error',
      // A closure may use the variable before it gets its only value.
      'prefer-const': ['error', { ignoreReadBeforeAssign: true }],
      // An Op that need not wait has no yield and is an Op all the same.
      'require-yield': 'off',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { burrow },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      'burrow/no-barrel': 'error',
      'burrow/no-dropped-op': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreVoidOperator: true }],
      // The tables of system calls and messages have rows without a result.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // It does not know that everything may have changed after a `yield`: it would have us drop
      // the very checks that an Op must make again after it has waited.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // The VFS hands a filesystem its own dentries and descriptions back, as what the VFS knows of
      // them; `as` says what the filesystem knows.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', caughtErrors: 'all', varsIgnorePattern: '^_' },
      ],
      // An error that was caught is passed on as it came.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // Linux numbers are numbers and are printed as such.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'worker/**/*.ts', 'web/**/*.ts'],
    rules: {
      'burrow/import-direction': ['error', LAYERS],
      'burrow/platform-globals': ['error', PLATFORM_GLOBALS],
    },
  },
  // The public API is one module that gathers what the layers below it make.
  { files: ['src/index.ts'], rules: { 'burrow/no-barrel': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      // `expect(object.method)` and Playwright's fixtures.
      '@typescript-eslint/unbound-method': 'off',
      // A test says that a thing is there by failing when it isn't.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['*.config.js', '.tools/**/*.mjs'],
    languageOptions: { globals: NODE_GLOBALS },
  },
  // The tools that read these ask for a default export.
  { files: ['*.config.{js,ts}'], rules: { 'no-restricted-syntax': 'off' } },
);
