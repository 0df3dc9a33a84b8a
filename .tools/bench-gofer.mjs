// What the gofer's benchmarks talk to: the real command on a folder with the trees they look at,
// and a server of bare frames, each in a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { buildCommand } from './gofer-command.mjs';

const FILE = new Uint8Array(4096).fill(7);
/** Linux's filesystem in memory: bare frames go to no disk either. */
const MEMORY = '/dev/shm';

/** `origin` is the page's. */
export async function startGofers(origin) {
  const command = await buildCommand();
  const folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'burrow-bench-'));
  const children = [];
  const start = async (script, args, pattern) => {
    const stdio = ['ignore', 'pipe', 'inherit'];
    const child = spawn(process.execPath, [script, ...args], { stdio });
    children.push(child);
    return firstMatch(child, pattern);
  };
  const watched = join(folder, 'watched');
  const changes = await changeOnRequest(watched);
  const close = async () => {
    changes.close();
    for (const child of children) child.kill();
    command.remove();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await makeTrees(folder);
    await mkdir(watched);
    const options = ['--port', '0', '--origin', origin, '--log-level', 'error'];
    const gofer = await start(command.script, ['gofer', folder, ...options], /^address +(\S+)$/m);
    const frames = fileURLToPath(new URL('bench-frames.mjs', import.meta.url));
    const port = await start(frames, [], /^(\d+)$/m);
    const addresses = { gofer, frames: `ws://127.0.0.1:${port}/`, changes: changes.url };
    return { addresses, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Writes a new file of the name that each frame has: a change that no gofer has to do with. */
async function changeOnRequest(folder) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (name) => writeFileSync(join(folder, String(name)), 'from the host'));
  });
  await once(server, 'listening');
  const close = () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  };
  return { url: `ws://127.0.0.1:${server.address().port}/`, close };
}

/** What `pattern` has in its parentheses, as soon as it is printed. */
function firstMatch(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      // Only whole lines.
      const match = pattern.exec(text.slice(0, text.lastIndexOf('\n') + 1));
      if (match !== null) resolve(match[1]);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}: ${text}`)));
  });
}

/** A deep file, a directory of 1,000 files, and 100 of 100. */
async function makeTrees(folder) {
  const deep = join(folder, 'a', 'b', 'c', 'd', 'e', 'f', 'g');
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, 'file'), FILE);
  await makeFiles(join(folder, 'list'), 1000);
  for (let index = 0; index < 100; index++) await makeFiles(join(folder, 'tree', `d${index}`), 100);
}

async function makeFiles(folder, count) {
  await mkdir(folder, { recursive: true });
  const paths = Array.from({ length: count }, (_, index) => join(folder, `f${index}`));
  await Promise.all(paths.map((path) => writeFile(path, FILE)));
}
