// Programs that nobody here wrote speak 9P with the real command: diod's tools (Debian: diod).

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { type Command, useCommand } from './support.ts';

const TOOLS = ['/usr/sbin/diodls', '/usr/sbin/diodcat', '/usr/sbin/diodload'] as const;
const [DIODLS, DIODCAT, DIODLOAD] = TOOLS;
/** diodload's, in seconds: less there isn't. */
const LOAD_SECONDS = '1';
const TOOL_TIMEOUT_MS = 30_000;

const { folder, serve } = useCommand();
const served = (...names: string[]): string => join(folder(), 'served', ...names);

function needTools({ skip }: TestContext): void {
  const missing = TOOLS.filter((path) => !existsSync(path));
  skip(missing.length > 0, `not installed: ${missing.join(', ')} (apt-get install diod)`);
}

async function portOf(command: Command): Promise<string> {
  await command.address();
  return /^127\.0\.0\.1, port (\d+), over TCP$/.exec(command.line('9P') ?? '')![1]!;
}

/** Both outputs: the tools end with 0 whatever goes wrong. */
async function run(command: Command, tool: string, ...args: string[]): Promise<string> {
  const server = ['-s', `127.0.0.1:${await portOf(command)}`];
  return new Promise((resolve) => {
    execFile(tool, [...server, ...args], { timeout: TOOL_TIMEOUT_MS }, (_, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

test('diodls lists a directory, and what its files are', async (context) => {
  needTools(context);
  const command = serve('--p9-port', '0');
  mkdirSync(served('sub'));
  writeFileSync(served('sub', 'größer'), 'x'.repeat(12_345), { mode: 0o640 });
  symlinkSync('größer', served('sub', 'link'));
  const names = await run(command, DIODLS, '-a', '/', 'sub');
  expect(names.trim().split('\n').toSorted()).toEqual(['größer', 'link']);
  const lines = (await run(command, DIODLS, '-l', '-a', '/sub')).trim().split('\n');
  expect(lines).toHaveLength(4);
  expect(lines.filter((line) => /^drwx.* \.\.?$/.test(line))).toHaveLength(2);
  expect(lines.find((line) => line.endsWith('größer'))).toMatch(/^-rw-r-----.* 12345 /);
  // It knows a type for directories only: the link's own size and permissions.
  expect(lines.find((line) => line.endsWith('link'))).toMatch(/^.rwxrwxrwx.* 8 /);
});

test('diodls lists more names than a message holds', async (context) => {
  needTools(context);
  const command = serve('--p9-port', '0');
  const names = Array.from({ length: 700 }, (_, index) => `file-${String(index).padStart(4, '0')}`);
  for (const name of names) writeFileSync(served(name), '');
  const listed = await run(command, DIODLS, '-m', '4096', '-a', '/');
  expect(listed.trim().split('\n').toSorted()).toEqual(names);
});

test('diodcat reads files, whatever the size of a message is', async (context) => {
  needTools(context);
  const command = serve('--p9-port', '0', '--read-only');
  const text = Array.from({ length: 40_000 }, (_, index) => `line ${index}\n`).join('');
  mkdirSync(served('a', 'b'), { recursive: true });
  writeFileSync(served('a', 'b', 'text'), text);
  for (const msize of ['1024', '65536', '1048576']) {
    expect(await run(command, DIODCAT, '-m', msize, '-a', '/a', 'b/text')).toBe(text);
  }
});

test('what isn’t there is told as such', async (context) => {
  needTools(context);
  const command = serve('--p9-port', '0');
  expect(await run(command, DIODCAT, '-a', '/', 'none')).toContain('No such file or directory');
  expect(await run(command, DIODLS, '-a', '/none')).toContain('No such file or directory');
});

test('diodload’s threads read and write, and ask for attributes, side by side', async (context) => {
  needTools(context);
  const command = serve('--p9-port', '0');
  mkdirSync(served('ctl'));
  // It copies from the one to the other for as long as it is told to.
  writeFileSync(served('ctl', 'zero'), new Uint8Array(1 << 20));
  writeFileSync(served('ctl', 'null'), '');
  const load = ['-r', LOAD_SECONDS, '-n', '4'];
  expect(await run(command, DIODLOAD, ...load)).toMatch(/\d/);
  expect(await run(command, DIODLOAD, ...load, '-g')).toMatch(/\d/);
  const closed = command.log.filter(({ msg }) => msg === 'connection closed');
  const requests = closed.map((line) => line['requests'] as number);
  expect(Math.max(...requests)).toBeGreaterThan(50);
  expect(command.log.filter(({ level }) => (level as number) > 30)).toEqual([]);
});
