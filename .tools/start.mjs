// npm start: sets the machine up, fetches the default programs and serves the playground, with a
// gofer beside it: a folder of this machine, which the page has at /remote.
//
// Uses nothing but Node until ensureDependencies() has run.

import { spawn } from 'node:child_process';
import { createServer as createTcpServer } from 'node:net';
import { join, resolve as resolvePath } from 'node:path';
import { parseArgs } from 'node:util';
import { GoferStartError, startGofer } from './gofer.mjs';
import { ensureSampleFolder } from './sample-folder.mjs';
import { ROOT, SetupError, ensureDependencies } from './setup.mjs';

/** Within the project, and ignored by git: it is the user's. */
const PLACE = '.playground';
const SAMPLE_FOLDER = `${PLACE}/remote`;

const HELP = `Usage: npm start -- [options]

Serves the playground and keeps serving until it is interrupted.

  --remote DIR     the folder that the page has at /remote (default: ${SAMPLE_FOLDER}, made with
                   a few files)
  --no-isolation   serve without COOP and COEP headers: programs run inline
  --no-programs    don't fetch the programs before: each is fetched when it is first used
  --page-only      only the page, on exactly that port: no programs, no gofer (for tests)
  --help           this text

Environment:
  PORT             the playground's port (default 5173; the next free one if it is taken)
  GOFER_PORT       the gofer's port (default 5640; likewise)
  HOST             the address to listen at (default 127.0.0.1)
`;

const OPTIONS = {
  remote: { type: 'string' },
  'no-programs': { type: 'boolean', default: false },
  'no-isolation': { type: 'boolean', default: false },
  'page-only': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

/** How many ports above the one asked for are tried. */
const PORTS_TRIED = 20;

/** Something the user can mend: shown without a stack. */
class UsageError extends Error {}

const host = process.env.HOST || '127.0.0.1';

/** What to undo before the end, last first. */
const closers = [];

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const pagePort = readPort('PORT', 5173);
  const goferPort = readPort('GOFER_PORT', 5640);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);
  if (process.env.npm_lifecycle_event) stopWithParent();

  ensureDependencies();
  const isWhole = !options['page-only'];
  if (isWhole && !options['no-programs']) await fetchPrograms();
  const isIsolated = !options['no-isolation'];
  const page = await servePage(pagePort, { isIsolated, isExact: !isWhole });
  const note = isIsolated ? '' : '   (not cross-origin isolated)';
  const gofer = isWhole ? await serveFolder(goferPort, page.port, options.remote) : undefined;
  const lines =
    gofer === undefined
      ? [`  Playground  ${page.url}${note}`]
      : [
          `  Playground  ${linkTo(page.url, gofer.url)}${note}`,
          `  Gofer       ${gofer.url}`,
          `  /remote is  ${gofer.folder}`,
        ];
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
}

/**
 * The page with a gofer mounted. The token is behind #: no browser sends that, and so it gets into
 * no log; only whoever sees this terminal has it.
 */
function linkTo(page, gofer) {
  const [address, fragment = ''] = gofer.split('#');
  return `${page}?gofer=${address}#${fragment}`;
}

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(`${error.message}\n\n${HELP}`);
  }
}

function readPort(name, fallback) {
  const text = process.env[name] || String(fallback);
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new UsageError(`${name} is '${text}', which is not a port number.`);
}

/** A missing program is a pity, not a reason to serve nothing. */
async function fetchPrograms() {
  const script = join(ROOT, '.tools', 'programs.mjs');
  const child = spawn(process.execPath, [script], { cwd: ROOT, stdio: 'inherit' });
  closers.push(() => child.kill());
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', resolve);
  });
  closers.pop();
  if (code === 0) return;
  process.stderr.write(
    'start: the default programs could not all be fetched (see above). The playground starts ' +
      'with those that are there; `npm run programs` tries again.\n',
  );
}

/** Serves the playground with Vite. Returns its address. */
async function servePage(wanted, { isIsolated, isExact }) {
  // vite.config.ts reads it.
  if (!isIsolated) process.env.BURROW_NO_ISOLATION = '1';
  const port = isExact ? wanted : await freePort(wanted, 'PORT');
  const { createServer } = await import('vite');
  const listeners = process.listeners('SIGTERM');
  const server = await createServer({
    configFile: join(ROOT, 'vite.config.ts'),
    // Two servers at once must not write one cache.
    cacheDir: join(ROOT, '.cache', `vite-${port}`),
    clearScreen: false,
    logLevel: 'warn',
    server: { port, host, strictPort: true },
  });
  closers.push(() => server.close());
  // Vite's own would end the process before the gofer's clients have written back what they hold.
  for (const listener of process.listeners('SIGTERM')) {
    if (!listeners.includes(listener)) process.off('SIGTERM', listener);
  }
  await server.listen();
  return { url: addressOf(port), port };
}

/** The gofer's address and its folder; undefined if there can be none, which is said. */
async function serveFolder(wanted, pagePort, chosen) {
  const folder =
    chosen === undefined
      ? join(ROOT, SAMPLE_FOLDER)
      : resolvePath(process.env.INIT_CWD ?? '.', chosen);
  if (chosen === undefined) ensureSampleFolder(folder);
  const port = await freePort(wanted, 'GOFER_PORT');
  try {
    const { url, stop } = await startGofer({
      folder,
      tokenFile: join(ROOT, PLACE, 'gofer-token'),
      host,
      port,
      pagePort,
      onEnd: (code) => {
        process.stderr.write(`start: the gofer has ended (${code}): /remote is gone\n`);
      },
    });
    closers.push(stop);
    return { url, folder };
  } catch (error) {
    if (!(error instanceof GoferStartError)) throw error;
    // A pity, and the page works without: its Connect dialog takes any gofer.
    process.stderr.write(`start: ${error.message} (see above); the page is without /remote\n`);
    return undefined;
  }
}

function addressOf(port) {
  return `http://${host === '127.0.0.1' ? 'localhost' : host}:${port}/`;
}

/** The first free port from `wanted` on; says so if it is another one. */
async function freePort(wanted, name) {
  const last = Math.min(wanted + PORTS_TRIED, 65_535);
  for (let port = wanted; port <= last; port++) {
    if (!(await isFree(port))) continue;
    if (port !== wanted) process.stderr.write(`start: port ${wanted} is taken, using ${port}\n`);
    return port;
  }
  throw new UsageError(`No port from ${wanted} to ${last} is free: set ${name} to one that is.`);
}

/** Free at our address and, as `localhost` may mean either, at the other loopback address. */
async function isFree(port) {
  for (const address of new Set([host, '127.0.0.1', '::1'])) {
    const error = await new Promise((resolve) => {
      const probe = createTcpServer();
      probe.once('error', resolve);
      probe.listen(port, address, () => probe.close(() => resolve(undefined)));
    });
    if (error?.code === 'EADDRINUSE') return false;
    // EADDRNOTAVAIL: a machine without IPv6.
    if (error !== undefined && address === host) throw error;
  }
  return true;
}

/** npm hands a SIGTERM on to the shell between us and it, and that hands on nothing. */
function stopWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    void stop();
  }, 500);
  timer.unref();
}

async function stop() {
  await closeAll();
  process.exit(0);
}

async function closeAll() {
  for (let close; (close = closers.pop());) await close();
}

main().catch(async (error) => {
  const isExpected = error instanceof UsageError || error instanceof SetupError || error.syscall;
  process.stderr.write(`start: ${isExpected ? error.message : error.stack}\n`);
  await closeAll();
  process.exit(error instanceof UsageError ? 2 : 1);
});
