// The gofer of npm start: the command `burrowfs gofer` out of the sources, as a process beside the
// page's server.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { buildCommand } from './gofer-command.mjs';
import { ROOT } from './setup.mjs';

const TOKEN_SIZE = 16;
/** Addresses that stand for all of this machine's. */
const ANY_ADDRESSES = ['0.0.0.0', '::'];

/** It could not be started; the message says why, in the command's own words. */
export class GoferStartError extends Error {}

/**
 * Serves `folder`. The token stays in `tokenFile`, so that pages that are open go on after a
 * restart. Resolves with its address, token included, and what stops it. Errors: GoferStartError.
 */
export async function startGofer({ folder, tokenFile, host, port, pagePort, onEnd }) {
  ensureToken(tokenFile);
  const command = await buildCommand();
  const origins = originsOf(host, pagePort).flatMap((origin) => ['--origin', origin]);
  const where = ['--host', host, '--port', String(port), '--token-file', tokenFile];
  const child = spawn(process.execPath, [command.script, 'gofer', folder, ...where, ...origins], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C is for the whole group of processes, and a second signal would end it at once,
    // before pages have written back what they hold.
    detached: true,
  });
  const exited = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  const url = await addressOf(child, exited);
  let isStopping = false;
  void exited.then((code) => {
    if (!isStopping) onEnd(code);
  });
  const stop = async () => {
    isStopping = true;
    child.kill('SIGTERM');
    await exited;
    command.remove();
  };
  return { url, stop };
}

/** What it prints behind "address". Errors: GoferStartError if it ends before. */
async function addressOf(child, exited) {
  const printed = new Promise((resolve) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
      const found = /^address +(\S+)\n/m.exec(text);
      if (found !== null) resolve(found[1]);
    });
  });
  const url = await Promise.race([printed, exited.then(() => undefined)]);
  if (url === undefined) throw new GoferStartError('the gofer did not start');
  return url;
}

function ensureToken(path) {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${randomBytes(TOKEN_SIZE).toString('base64url')}\n`, { mode: 0o600 });
}

/** Where the page may be open: a gofer lets in pages of this machine, and those it is told. */
function originsOf(host, pagePort) {
  const hosts = ANY_ADDRESSES.includes(host)
    ? Object.values(networkInterfaces()).flatMap((all) => all.map(({ address }) => address))
    : [host];
  const named = hosts.filter((each) => !each.includes('%'));
  return named.map((each) => `http://${each.includes(':') ? `[${each}]` : each}:${pagePort}`);
}
