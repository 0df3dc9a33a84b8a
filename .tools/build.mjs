// npm run build: the publishable package. src/ and worker/ are compiled file by file to dist/, with
// typings; a bundler of the user's finds the workers through `new URL(…, import.meta.url)`. Then
// says how large it is when it is bundled and minified.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT, SetupError, ensureDependencies } from './setup.mjs';

const SOURCES = ['src', 'worker'];
const DIST = join(ROOT, 'dist');

/** How a module names one that a bundler is to make a file of its own: a worker. */
const MODULE_URL = /(new URL\(\s*)(['"])(\.{1,2}\/[^'"]+)\2(?=\s*,\s*import\.meta\.url)/g;

/** How typings name a module. TypeScript rewrites the extension only in JavaScript. */
const TYPE_IMPORT = /(\b(?:from|import)\b\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\2/g;

async function main() {
  ensureDependencies();
  rmSync(DIST, { recursive: true, force: true });
  const files = await compile();
  for (const path of files) checkModuleUrls(path);
  copyFileSync(join(ROOT, 'src', 'wasi', 'burrow.h'), join(DIST, 'burrow.h'));
  const typings = files.filter((path) => path.endsWith('.d.ts')).length;
  process.stdout.write(`dist/: ${files.length - typings} modules, ${typings} typings\n\n`);
  reportSizes(await bundle());
}

/** Compiles to dist/. Returns the paths of the files written. */
async function compile() {
  const { default: ts } = await import('typescript');
  const failIf = (diagnostics) => {
    if (diagnostics.length === 0) return;
    const text = ts.formatDiagnostics(diagnostics, {
      getCanonicalFileName: (path) => path,
      getCurrentDirectory: () => ROOT,
      getNewLine: () => '\n',
    });
    throw new SetupError(`the sources do not compile:\n${text}`);
  };
  const { config, error } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  failIf(error ? [error] : []);
  const chosen = { ...config, include: SOURCES };
  const { fileNames, options, errors } = ts.parseJsonConfigFileContent(chosen, ts.sys, ROOT);
  failIf(errors);
  const emitting = { noEmit: false, declaration: true, rootDir: ROOT, outDir: DIST };
  const program = ts.createProgram(fileNames, { ...options, ...emitting });
  failIf(ts.getPreEmitDiagnostics(program));
  const written = [];
  const emitted = program.emit(undefined, (path, text) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, nameJs(text, path.endsWith('.d.ts') ? TYPE_IMPORT : MODULE_URL));
    written.push(path);
  });
  failIf(emitted.diagnostics);
  return written;
}

/** Names the compiled modules instead of the sources, wherever `pattern` finds one named. */
function nameJs(text, pattern) {
  return text.replace(pattern, (_match, before, quote, path) => {
    return `${before}${quote}${path.replace(/\.ts$/, '.js')}${quote}`;
  });
}

/** A worker that isn't there would be found only when a user's page asks for it. */
function checkModuleUrls(path) {
  for (const [, , , target] of readFileSync(path, 'utf8').matchAll(MODULE_URL)) {
    if (existsSync(resolve(dirname(path), target))) continue;
    throw new SetupError(`${path} names ${target}, which is not there`);
  }
}

/** Bundles the package as a user's bundler would. Returns the files it makes, in memory. */
async function bundle() {
  const { build } = await import('vite');
  const { output } = await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'warn',
    worker: { format: 'es' },
    build: {
      write: false,
      target: 'esnext',
      modulePreload: false,
      rolldownOptions: {
        input: join(DIST, 'src', 'index.js'),
        preserveEntrySignatures: 'strict',
      },
    },
  });
  return output.map((file) => ({
    name: basename(file.fileName).replace(/-[\w-]{8}(?=\.)/, ''),
    bytes: Buffer.from(file.type === 'chunk' ? file.code : file.source),
  }));
}

function reportSizes(files) {
  const row = (name, ...sizes) =>
    `${name.padEnd(28)}${sizes.map((size) => size.padStart(12)).join('')}\n`;
  const kilobytes = (count) => `${(count / 1000).toFixed(1)} kB`;
  process.stdout.write(row('bundled', 'minified', 'gzip'));
  let [minified, gzipped] = [0, 0];
  for (const { name, bytes } of files) {
    const { length } = gzipSync(bytes, { level: 9 });
    minified += bytes.length;
    gzipped += length;
    process.stdout.write(row(name, kilobytes(bytes.length), kilobytes(length)));
  }
  process.stdout.write(row('in all', kilobytes(minified), kilobytes(gzipped)));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`build: ${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
