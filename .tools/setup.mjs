// Makes a fresh machine ready: npm's packages, a browser, Python and a C compiler. Each ensure…()
// looks for what is already there, fetches it where it may, and otherwise says what to do.
//
// Uses nothing but Node: it runs before anything is installed.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where the answer of ensureBrowser() is kept. */
const BROWSER_CACHE = join(ROOT, '.cache', 'browser.json');

/** Names under which a Chromium may be on the path. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Containers run as root, have no GPU, and the network may be closed. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const DOWNLOAD_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 600_000;

/** What the machine lacks, in words for whoever sits before it. */
export class SetupError extends Error {
  name = 'SetupError';
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a command quietly. Its output is in the result; `ok` says whether it ended well. */
function run(command, args, { timeoutMs = INSTALL_TIMEOUT_MS, env = {} } = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: timeoutMs,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // npm and npx are scripts there.
    shell: process.platform === 'win32',
  });
  const reason = result.error?.message ?? '';
  return { ok: result.status === 0, output: `${result.stdout}${result.stderr}${reason}` };
}

function lastLines(text, count) {
  return text.trim().split('\n').slice(-count).join('\n');
}

/** The path of a command, or undefined. */
export function findCommand(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Installs Debian packages, if this is a Debian we are root on. Returns why not, or undefined. */
function installDebian(packages) {
  if (findCommand('apt-get') === undefined) return 'this is no Debian';
  if (process.getuid?.() !== 0) return 'not root';
  say(`setup: installing ${packages.join(' ')} with apt-get`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  const args = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  const { ok, output } = run('apt-get', args, { env });
  return ok ? undefined : `apt-get failed: ${lastLines(output, 5)}`;
}

/** Installs npm's packages if they are missing or not those of the lock file. */
export function ensureDependencies() {
  const why = dependenciesMissing();
  if (why === undefined) return;
  say(`setup: npm ci (${why})`);
  // All of them: with NODE_ENV=production npm would leave out what the tools need.
  const { ok, output } = run('npm', ['ci', '--include=dev', '--no-fund', '--no-audit']);
  if (ok) return;
  // What went wrong comes first, npm's manual after it.
  throw new SetupError(`npm ci failed:\n${output.trim().split('\n').slice(0, 12).join('\n')}`);
}

/** Why npm's packages have to be installed, or undefined. */
function dependenciesMissing() {
  // npm writes this file at the end of every installation: what it has installed.
  const record = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return 'there is no node_modules';
  const packagesIn = (file) => Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages);
  const installed = new Map(packagesIn(record));
  for (const [path, { version, optional, peer }] of packagesIn(join(ROOT, 'package-lock.json'))) {
    const found = installed.get(path);
    // The entry '' is the project itself; optional packages are those of other platforms.
    if (path === '' || (found === undefined && (optional || peer))) continue;
    if (found?.version !== version)
      return `${path} is not at ${version}, as package-lock.json says`;
  }
  return undefined;
}

/** Finds or fetches a Chromium; returns its path. Needs ensureDependencies() to have run. */
export async function ensureBrowser() {
  const given = process.env.CHROMIUM_PATH;
  if (given) {
    if (isExecutable(given)) return given;
    throw new SetupError(`CHROMIUM_PATH is ${given}, which is not a program.`);
  }
  const path = readBrowserCache() ?? (await playwrightBrowser()) ?? findCommand(...BROWSERS);
  return rememberBrowser(path ?? (await fetchBrowser()));
}

async function fetchBrowser() {
  say('setup: no Chromium found, fetching one through Playwright');
  const fetched = run('npx', ['playwright', 'install', 'chromium'], {
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  });
  const path = fetched.ok ? await playwrightBrowser() : undefined;
  if (path !== undefined) return path;
  const why = installDebian(['chromium']);
  const installed = findCommand(...BROWSERS);
  if (installed !== undefined) return installed;
  throw new SetupError(
    `There is no Chromium on this machine, and none could be had (Playwright: ` +
      `${lastLines(fetched.output, 2)}; apt-get: ${why ?? 'no such package'}). ` +
      'Install one and put it on the path, or set CHROMIUM_PATH to it.',
  );
}

/** The Chromium that Playwright has downloaded for itself, if it is there. */
async function playwrightBrowser() {
  const { chromium } = await import('playwright');
  const path = chromium.executablePath();
  // A download of Playwright's may lack libraries of the system, and then it doesn't even start.
  return isExecutable(path) && run(path, ['--version']).ok ? path : undefined;
}

function readBrowserCache() {
  if (!existsSync(BROWSER_CACHE)) return undefined;
  const { path } = JSON.parse(readFileSync(BROWSER_CACHE, 'utf8'));
  return isExecutable(path) ? path : undefined;
}

function rememberBrowser(path) {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  writeFileSync(BROWSER_CACHE, `${JSON.stringify({ path })}\n`);
  return path;
}

/** Finds or installs a Firefox, for a test that has to be asked for. Returns its path. */
export function ensureFirefox() {
  return ensureCommand(['firefox', 'firefox-esr'], ['firefox-esr'], 'Firefox');
}

/** Finds or installs Python 3, which asks the Linux kernel what is right. Returns its path. */
export function ensurePython() {
  return ensureCommand(['python3'], ['python3'], 'Python 3');
}

/** Finds or installs a native C compiler. Returns its path. */
export function ensureCompiler() {
  return ensureCommand(['cc', 'gcc', 'clang'], ['gcc', 'libc6-dev'], 'a C compiler');
}

function ensureCommand(names, packages, description) {
  const found = findCommand(...names);
  if (found !== undefined) return found;
  const why = installDebian(packages);
  const installed = findCommand(...names);
  if (installed !== undefined) return installed;
  throw new SetupError(
    `The tests need ${description} (${names.join(' or ')} on the path), and it could not be ` +
      `installed (${why ?? 'the package lacks it'}). Install it and try again.`,
  );
}
