// npm start as a process: it prints a link to the page with a gofer mounted, whose folder stays,
// and gives the token to nobody who hasn't seen the terminal.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureSampleFolder } from '../../../.tools/sample-folder.mjs';
import { ROOT } from '../../../.tools/setup.mjs';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { readGoferLink } from '../../../web/remote/gofer-link.ts';
import { Command } from '../cli/support.ts';

const STARTING_TIMEOUT_MS = 120_000;

let folder = '';
const closers: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'burrow-start-'));
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

async function freePort(): Promise<number> {
  const { server, port } = await listen();
  server.close();
  await once(server, 'close');
  return port;
}

interface Started {
  readonly command: Command;
  readonly page: string;
  readonly link: NonNullable<ReturnType<typeof readGoferLink>>;
}

async function start(remote: string, goferPort: number): Promise<Started> {
  const args = ['.tools/start.mjs', '--no-programs', '--remote', remote];
  const env = { ...process.env, PORT: String(await freePort()), GOFER_PORT: String(goferPort) };
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  const command = new Command(spawn(process.execPath, args, { cwd: ROOT, env, stdio: [...stdio] }));
  closers.push(async () => {
    command.child.kill('SIGTERM');
    await command.ended;
  });
  await command.until(() => command.stdout.includes('/remote is'));
  const page = command.line(' {2}Playground')!;
  return { command, page, link: readGoferLink(page)! };
}

async function stop({ child, ended }: Command): Promise<number | null> {
  child.kill('SIGTERM');
  return (await ended).code;
}

test(
  'serves the folder to the page it prints, and stops with it',
  async () => {
    writeFileSync(join(folder, 'file'), 'mine');
    const { server, port } = await listen();
    closers.push(() => server.close());
    const { command, page, link } = await start(folder, port);
    // The port asked for was taken.
    expect(command.stderr).toContain(`port ${port} is taken`);
    expect(link).toMatchObject({ path: '/remote' });
    expect(Number(new URL(link.source).port)).toBeGreaterThan(port);
    expect(command.line(' {2}/remote is')).toBe(folder);
    expect(await (await fetch(page)).text()).toContain('<title>Burrow playground</title>');

    const from = (origin: string): Promise<LisafsClient> =>
      LisafsClient.connect(link.source, { token: link.token, socket: { headers: { origin } } });
    const client = await from(new URL(page).origin);
    const { controlFD } = await client.mount();
    const { inodes } = await client.call('Walk', { dirFD: controlFD, path: ['file'] });
    expect(inodes).toHaveLength(1);
    await client.leave();
    await expect(from('https://evil.example')).rejects.toThrow(/403/);

    expect(await stop(command)).toBe(0);
    await expect(LisafsClient.connect(link.source, { token: link.token })).rejects.toThrow();
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('mine');
  },
  STARTING_TIMEOUT_MS,
);

test(
  'the token is the same after a restart, and the page’s server tells it to nobody',
  async () => {
    const port = await freePort();
    const first = await start(folder, port);
    const place = new URL(`/@fs${ROOT}.playground/gofer-token`, first.page);
    expect((await fetch(place)).status).toBe(403);
    // Nothing of the address behind # ever reaches a server.
    expect(new URL(first.page).search).not.toContain(first.link.token);
    await stop(first.command);
    const second = await start(folder, port);
    expect(second.link).toEqual(first.link);
    await stop(second.command);
  },
  STARTING_TIMEOUT_MS,
);

test('the sample folder is made once, and is the user’s from then on', () => {
  const sample = join(folder, 'sample');
  ensureSampleFolder(sample);
  expect(readdirSync(sample).toSorted()).toEqual([
    'README.md',
    'hello.c',
    'planets.csv',
    'planets.py',
  ]);
  expect(readFileSync(join(sample, 'README.md'), 'utf8')).toContain(sample);
  rmSync(join(sample, 'hello.c'));
  writeFileSync(join(sample, 'planets.csv'), 'changed');
  ensureSampleFolder(sample);
  expect(existsSync(join(sample, 'hello.c'))).toBe(false);
  expect(readFileSync(join(sample, 'planets.csv'), 'utf8')).toBe('changed');
});
