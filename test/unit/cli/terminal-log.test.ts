// The log on a terminal: what its lines say, and that the command has it on a real one.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ensurePython } from '../../../.tools/setup.mjs';
import { durationOf, TerminalLog } from '../../../src/cli/terminal-log.ts';
import type { LogLevel } from '../../../src/cli/option-table.ts';
import { parseGoferUrl } from '../../../src/transport/gofer-url.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { useCommand } from './support.ts';

const { script, folder } = useCommand();

function makeLog(
  level: LogLevel = 'info',
  hasColours = false,
): { log: TerminalLog; text: string[] } {
  const text: string[] = [];
  const write = (line: string): void => {
    text.push(line);
  };
  return { log: new TerminalLog({ level, write, time: () => '12:00:00', hasColours }), text };
}

const PEER = { origin: 'http://localhost:5173', address: '127.0.0.1' };

test('who comes and goes is told in a line each', () => {
  const { log, text } = makeLog();
  log.info({ directory: '/srv', url: 'ws://127.0.0.1:1/' }, 'serving');
  log.info({ connection: 1, ...PEER }, 'connection opened');
  log.info({ ...PEER, requests: 42, durationMs: 4200 }, 'connection closed');
  log.info({ connection: 2, origin: undefined, address: '::1' }, 'connection opened');
  log.warn(
    { ...PEER, refusal: 'token', detail: 'token refused: it is wrong' },
    'connection refused',
  );
  expect(text).toEqual([
    '12:00:00  connected     http://localhost:5173 (127.0.0.1)\n',
    '12:00:00  disconnected  http://localhost:5173 (127.0.0.1), after 4.2 s and 42 requests\n',
    '12:00:00  connected     ::1\n',
    '12:00:00  refused       http://localhost:5173 (127.0.0.1): token refused: it is wrong\n',
  ]);
});

test('what nobody expected comes with its stack, and a problem with its reason', () => {
  const { log, text } = makeLog();
  const err = new Error('a bug');
  log.error({ err }, 'an error that nobody expects');
  log.error({ problem: 'it is gone' }, 'the token file can not be used');
  expect(text).toEqual([
    `12:00:00  an error that nobody expects\n${err.stack!}\n`,
    '12:00:00  the token file can not be used: it is gone\n',
  ]);
});

test('what a client says of itself gives the terminal no orders', () => {
  const { log, text } = makeLog();
  log.info({ origin: 'http://x\x1b[2J\n', address: '127.0.0.1' }, 'connection opened');
  expect(text).toEqual(['12:00:00  connected     http://x?[2J? (127.0.0.1)\n']);
});

test.each<[LogLevel, number]>([
  ['silent', 0],
  ['error', 1],
  ['warn', 2],
  ['info', 3],
  ['debug', 3],
])('--log-level %s: %d of three lines', (level, count) => {
  const { log, text } = makeLog(level);
  log.info({}, 'stopped');
  log.warn(PEER, 'connection refused');
  log.error({}, 'a handshake failed');
  expect(text).toHaveLength(count);
});

test('colours, where the terminal has them', () => {
  const { log, text } = makeLog('info', true);
  log.info({}, 'stopped');
  log.error({}, 'a handshake failed');
  expect(text).toEqual([
    '\x1b[2m12:00:00\x1b[0m  stopped\n',
    '\x1b[2m12:00:00\x1b[0m  \x1b[31ma handshake failed\x1b[0m\n',
  ]);
});

test.each([
  [40, '0.0 s'],
  [9940, '9.9 s'],
  [61_000, '61 s'],
  [150_000, '3 min'],
  [3 * 3_600_000, '3.0 h'],
])('%d ms are %s', (ms, text) => {
  expect(durationOf(ms)).toBe(text);
});

/** Runs its arguments on a terminal of their own, and repeats what they say there. */
const ON_TERMINAL =
  'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

test('on a terminal the command logs in words', async () => {
  const args = [script(), 'gofer', 'served', '--port', '0'];
  const child = spawn(ensurePython(), ['-c', ON_TERMINAL, process.execPath, ...args], {
    cwd: folder(),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let [output, onOutput] = ['', (): void => undefined];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onOutput();
  });
  const says = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(output);
      if (found !== null) return found[1] ?? '';
      await new Promise<void>((resolve) => {
        onOutput = resolve;
      });
    }
  };
  const closed = once(child, 'close');
  try {
    const address = await says(/^address +(\S+)\r?\n/m);
    const { url, token } = parseGoferUrl(address);
    const client = await LisafsClient.connect(url, { token });
    await client.mount();
    await says(/ connected +127\.0\.0\.1/);
    await client.leave();
    await says(/ disconnected +127\.0\.0\.1, after .* and \d+ requests/);
    // Ctrl-C, as it is typed.
    child.stdin.write('\x03');
    await says(/ stopped/);
    expect(output).not.toContain('"level"');
    expect(await closed).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
});
