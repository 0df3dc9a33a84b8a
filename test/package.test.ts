// The package as its users get it: built, packed, and installed into a project that Vite bundles.
// The slowest of the unit tests; it takes some ten seconds.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, createServer } from 'vite';
import type { Rolldown } from 'vite';

const project = mkdtempSync(join(tmpdir(), 'burrowfs-user-'));
const installed = join(project, 'node_modules', 'burrowfs');

/** Runs npm without its wrapper of a script, which needs a shell on Windows. */
function npm(...args: string[]): string {
  const options = { encoding: 'utf8', shell: process.platform === 'win32' } as const;
  return execFileSync('npm', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

interface Manifest {
  readonly dependencies: Record<string, string>;
}

let packedPaths: string[] = [];

beforeAll(() => {
  execFileSync(process.execPath, ['.tools/build.mjs'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [packed] = JSON.parse(npm('pack', '--json', '--pack-destination', project)) as Packed[];
  packedPaths = packed!.files.map(({ path }) => path);
  mkdirSync(installed, { recursive: true });
  const tarball = join(project, packed!.filename);
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  // What npm would install beside it.
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
  for (const name of Object.keys(manifest.dependencies)) {
    const place = join(project, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(process.cwd(), 'node_modules', name), place, 'junction');
  }
  const main = `import { boot } from 'burrowfs'; globalThis.kernel = boot();`;
  writeFileSync(join(project, 'main.js'), main);
  writeFileSync(join(project, 'index.html'), '<script type="module" src="/main.js"></script>');
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
}, 120_000);

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

test('the package holds what it needs and nothing else', () => {
  const kinds = new Set(packedPaths.map((path) => path.replace(/^(dist\/\w+)\/.*$/, '$1')));
  expect([...kinds].toSorted()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist/burrow.h',
    'dist/src',
    'dist/worker',
    'package.json',
  ]);
  expect(packedPaths).toContain('dist/src/index.js');
  expect(packedPaths).toContain('dist/src/index.d.ts');
  expect(packedPaths.filter((path) => /(?<!\.d)\.ts$/.test(path))).toEqual([]);
});

test('its command runs', () => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    readonly version: string;
    readonly bin: Record<string, string>;
  };
  const script = join(installed, manifest.bin['burrowfs']!);
  expect(readFileSync(script, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  const print = (...args: string[]): string =>
    execFileSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  expect(print('--version')).toBe(`${manifest.version}\n`);
  expect(print('gofer', '--help')).toContain('burrowfs gofer DIR');
});

const NO_CONFIGURATION = { configFile: false, root: project, logLevel: 'error' } as const;

test('a Vite project that uses it builds, with its workers, without configuration', async () => {
  const result = await build({ ...NO_CONFIGURATION, build: { write: false } });
  const { output } = result as Rolldown.RolldownOutput;
  const names = output.map(({ fileName }) => fileName);
  for (const worker of packedPaths.filter((path) => path.endsWith('.worker.js'))) {
    const stem = worker.replace(/^.*\/(.*)\.js$/, '$1');
    expect(names.filter((name) => name.includes(stem))).toHaveLength(1);
  }
  expect(names.some((name) => name.includes('kernel.worker'))).toBe(true);
});

test("Vite's development server finds the workers, too", async () => {
  const server = await createServer({
    ...NO_CONFIGURATION,
    cacheDir: join(project, '.vite'),
    server: { port: 0, host: '127.0.0.1', ws: false, watch: null },
  });
  try {
    await server.listen();
    const origin = server.resolvedUrls!.local[0]!;
    const read = async (path: string): Promise<string> => {
      const response = await fetch(new URL(path, origin));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('javascript');
      return response.text();
    };
    const [, packagePath] = /from "([^"]*burrowfs[^"]*)"/.exec(await read('/main.js'))!;
    const [workerPath] = /[^"'`]*kernel\.worker[^"'`]*/.exec(await read(packagePath!))!;
    expect(await read(workerPath)).toContain('import');
  } finally {
    await server.close();
  }
});

test('its typings are whole: a strict project without Node types compiles against them', () => {
  const main = join(project, 'main.ts');
  writeFileSync(
    main,
    `import { boot } from 'burrowfs';
     const kernel = await boot();
     export const text: string = await kernel.fs.readFile('/hello.txt', 'utf8');`,
  );
  const program = ts.createProgram([main], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.asynciterable.d.ts'],
    types: [],
    strict: true,
    noEmit: true,
  });
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText, file }) => `${file?.fileName ?? ''}: ${JSON.stringify(messageText)}`);
  expect(messages).toEqual([]);
}, 60_000);
