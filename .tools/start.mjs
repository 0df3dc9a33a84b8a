// npm start: sets the machine up, fetches the default programs and serves the playground, with the
// place where the gofer will live beside it.
//
// Uses nothing but Node until ensureDependencies() has run.

import { spawn } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, SetupError, ensureDependencies } from './setup.mjs';

const HELP = `Usage: npm start -- [options]

Serves the playground and keeps serving until it is interrupted.

  --no-isolation   serve without COOP and COEP headers: programs run inline
  --page-only      only the page, on exactly that port: no programs, no gofer (for tests)
  --help           this text

Environment:
  PORT             the playground's port (default 5173; the next free one if it is taken)
  GOFER_PORT       the gofer's port (default 5640; likewise)
  HOST             the address to listen at (default 127.0.0.1)
`;

const OPTIONS = {
  'no-isolation': { type: 'boolean', default: false },
  'page-only': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

/** How many ports above the one asked for are tried. */
const PORTS_TRIED = 20;

const GOFER_TEXT =
  'The gofer is not here yet: this port is kept for it, and a later version of Burrow brings it.\n';

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
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
  if (process.env.npm_lifecycle_event) stopWithParent();

  ensureDependencies();
  if (!options['page-only']) await fetchPrograms();
  const isIsolated = !options['no-isolation'];
  const page = await servePage(pagePort, { isIsolated, isExact: options['page-only'] });
  const lines = [`  Playground  ${page}${isIsolated ? '' : '   (not cross-origin isolated)'}`];
  if (!options['page-only']) {
    const gofer = await holdGoferPlace(goferPort);
    lines.push(`  Gofer       ${gofer}   (not here yet: it answers 501 and says so)`);
  }
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
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
  const server = await createServer({
    configFile: join(ROOT, 'vite.config.ts'),
    // Two servers at once must not write one cache.
    cacheDir: join(ROOT, '.cache', `vite-${port}`),
    clearScreen: false,
    logLevel: 'warn',
    server: { port, host, strictPort: true },
  });
  closers.push(() => server.close());
  await server.listen();
  return addressOf(port);
}

/** Until the gofer exists, its port says so. Returns its address. */
async function holdGoferPlace(wanted) {
  const port = await freePort(wanted, 'GOFER_PORT');
  const server = createHttpServer((_request, response) => {
    response.writeHead(501, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(GOFER_TEXT);
  });
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return addressOf(port);
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
  // Vite listens for SIGTERM as well, and would end the process as one that was killed.
  process.exitCode = 0;
  await closeAll();
  process.exit();
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
