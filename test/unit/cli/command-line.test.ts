// The command line of burrowfs: what is allowed, and what is said of what isn't.

import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkDirectory } from '../../../src/cli/gofer-files.ts';
import { hostsOpenToAll, parseCommandLine } from '../../../src/cli/gofer-options.ts';
import type { GoferOptions } from '../../../src/cli/gofer-options.ts';
import { printHelp } from '../../../src/cli/help.ts';
import { OPTION_ROWS } from '../../../src/cli/option-table.ts';
import { UsageError } from '../../../src/cli/usage-error.ts';
import { makeSelfSigned } from '../../support/self-signed.ts';
import { useCommand } from './support.ts';

const NOBODY = 65_534;

const { folder, write, run } = useCommand();

function parse(...args: string[]): GoferOptions {
  const command = parseCommandLine(['gofer', 'dir', ...args]);
  if (command.kind !== 'gofer') throw new Error(command.kind);
  return command.options;
}

describe('options', () => {
  test('what holds without any', () => {
    expect(parse()).toEqual({
      directory: 'dir',
      host: '127.0.0.1',
      port: 5640,
      isReadOnly: false,
      auth: undefined,
      origins: [],
      tlsPaths: undefined,
      idRanges: [],
      connectionsMax: undefined,
      fdsMax: undefined,
      handshakeTimeoutMs: undefined,
      sendTimeoutMs: undefined,
      logLevel: 'info',
      metricsPort: undefined,
      p9Address: undefined,
      redis: undefined,
    });
  });

  test.each<[args: string[], options: Partial<GoferOptions>]>([
    [['--host', '::1', '--port=0'], { host: '::1', port: 0 }],
    [['--host', 'files.example'], { host: 'files.example' }],
    [['--read-only'], { isReadOnly: true }],
    [['--token', 'abc'], { auth: { kind: 'token', token: 'abc' } }],
    [['--token-file', 'f'], { auth: { kind: 'file', path: 'f' } }],
    [['--no-auth'], { auth: { kind: 'none' } }],
    [
      ['--origin', 'https://a.example', '--origin', 'http://b.example:80/'],
      { origins: ['https://a.example', 'http://b.example'] },
    ],
    [['--tls-cert', 'c', '--tls-key', 'k'], { tlsPaths: { cert: 'c', key: 'k' } }],
    [
      ['--uid-map', '0:1000', '--uid-map', '100:5000:50'],
      {
        idRanges: [
          { clientId: 0, serverId: 1000, count: 1 },
          { clientId: 100, serverId: 5000, count: 50 },
        ],
      },
    ],
    [['--max-connections', '1', '--max-fds', '8'], { connectionsMax: 1, fdsMax: 8 }],
    [
      ['--handshake-timeout', '1', '--send-timeout', '3600'],
      { handshakeTimeoutMs: 1000, sendTimeoutMs: 3_600_000 },
    ],
    [
      ['--log-level', 'silent', '--metrics-port', '65535'],
      { logLevel: 'silent', metricsPort: 65_535 },
    ],
    [['--p9-port', '0'], { p9Address: { host: '127.0.0.1', port: 0 } }],
    [['--p9-port', '564', '--p9-host', '::1'], { p9Address: { host: '::1', port: 564 } }],
    [
      ['--p9-port', '564', '--p9-host', '0.0.0.0', '--no-auth'],
      { p9Address: { host: '0.0.0.0', port: 564 } },
    ],
    [
      ['--redis', 'rediss://me:pw@cache.example:6380/2'],
      { redis: { url: 'rediss://me:pw@cache.example:6380/2', prefix: 'burrowfs' } },
    ],
    [
      ['--redis', 'redis://localhost', '--redis-prefix', 'files-1:a'],
      { redis: { url: 'redis://localhost', prefix: 'files-1:a' } },
    ],
  ])('%j', (args, options) => {
    expect(parse(...args)).toMatchObject(options);
  });

  const ports = 'it is a number from 0 to 65535';
  test.each<[args: string[], message: string]>([
    [[], 'no command: it is gofer DIR'],
    [['serve'], 'the command "serve": there is only gofer'],
    [['gofer'], 'DIR is missing: the folder to serve'],
    [['gofer', ''], 'DIR is missing: the folder to serve'],
    [['gofer', 'a', 'b', 'c'], 'after DIR "b c": there is only one DIR, and options'],
    [
      ['gofer', 'a', '--redis', 'http://:pw@host'],
      '--redis: it is redis://host:port, or rediss: for TLS',
    ],
    [['gofer', 'a', '--redis', 'redis://'], '--redis: it is redis://host:port, or rediss: for TLS'],
    [['gofer', 'a', '--redis-prefix', 'p'], '--redis-prefix needs --redis'],
    [
      ['gofer', 'a', '--redis', 'redis://h', '--redis-prefix', 'a b'],
      '--redis-prefix "a b": it is of letters, digits, and . _ : -',
    ],
    [['gofer', 'a', '--nope=secret'], "Unknown option '--nope'"],
    [['gofer', 'a', '--port'], "Option '--port <value>' argument missing"],
    [['gofer', 'a', '--port', '1', '--port', '2'], '--port is given more than once'],
    [['gofer', 'a', '--port', 'x'], `--port "x": ${ports}`],
    [['gofer', 'a', '--port', '65536'], `--port "65536": ${ports}`],
    [['gofer', 'a', '--port=-1'], `--port "-1": ${ports}`],
    [['gofer', 'a', '--port', '1e3'], `--port "1e3": ${ports}`],
    [['gofer', 'a', '--metrics-port', ''], `--metrics-port "": ${ports}`],
    [
      ['gofer', 'a', '--host', '[::1]'],
      '--host "[::1]": it is an IP address, without brackets, or a name',
    ],
    [
      ['gofer', 'a', '--host', 'http://a'],
      '--host "http://a": it is an IP address, without brackets, or a name',
    ],
    [['gofer', 'a', '--p9-port', 'x'], `--p9-port "x": ${ports}`],
    [['gofer', 'a', '--p9-host', '::1'], '--p9-host needs --p9-port'],
    [
      ['gofer', 'a', '--p9-port', '1', '--p9-host', '[::]'],
      '--p9-host "[::]": it is an IP address, without brackets, or a name',
    ],
    ...['0.0.0.0', '::', 'files.example', '192.0.2.1'].map((host): [string[], string] => [
      ['gofer', 'a', '--p9-port', '1', '--p9-host', host],
      `--p9-host "${host}": others reach it, and 9P over TCP asks for no token: it needs --no-auth`,
    ]),
    [['gofer', 'a', '--token', ''], '--token: the token is empty'],
    [
      ['gofer', 'a', '--token', 'a\nb'],
      '--token: the token has a control character or half a surrogate pair',
    ],
    [['gofer', 'a', '--token-file', ''], '--token-file "": it is the path of a file'],
    [['gofer', 'a', '--token', 't', '--no-auth'], '--token and --no-auth: only one of them'],
    [
      ['gofer', 'a', '--token', 't', '--token-file', 'f'],
      '--token and --token-file: only one of them',
    ],
    [
      ['gofer', 'a', '--origin', '*'],
      '--origin "*": it is a scheme, a host and perhaps a port, such as https://example.org:8443',
    ],
    [['gofer', 'a', '--tls-cert', 'c'], '--tls-cert needs --tls-key'],
    [['gofer', 'a', '--tls-key', 'k'], '--tls-key needs --tls-cert'],
    ...['1', '1:2:3:4', '1:x', '1:2:0', '4294967295:0', '0:4294967294:2', ':', '-1:0'].map(
      (map): [string[], string] => [
        ['gofer', 'a', `--uid-map=${map}`],
        `--uid-map "${map}": it is C:S or C:S:N: N ids, at least one, up to 4294967294`,
      ],
    ),
    [
      ['gofer', 'a', '--uid-map', '0:0:10', '--uid-map', '9:50'],
      '--uid-map 0:0:10 and 9:50:1 overlap: each id means one',
    ],
    [
      ['gofer', 'a', '--max-connections', '0'],
      '--max-connections "0": it is a number from 1 to 10000',
    ],
    [['gofer', 'a', '--max-fds', '7'], '--max-fds "7": it is a number from 8 to 1048576'],
    [['gofer', 'a', '--send-timeout', '0'], '--send-timeout "0": it is a number from 1 to 3600'],
    [
      ['gofer', 'a', '--log-level', 'loud'],
      '--log-level "loud": it is one of silent, error, warn, info, debug',
    ],
  ])('%j is refused', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(new UsageError(message));
  });

  test('whoever reaches it gets in: without a token on a host that others reach', () => {
    expect(hostsOpenToAll(parse('--no-auth'))).toEqual([]);
    expect(hostsOpenToAll(parse('--host', '0.0.0.0'))).toEqual([]);
    expect(hostsOpenToAll(parse('--host', '0.0.0.0', '--no-auth'))).toEqual(['0.0.0.0']);
    const p9 = ['--no-auth', '--p9-port', '564', '--p9-host'];
    expect(hostsOpenToAll(parse(...p9, '127.0.0.1'))).toEqual([]);
    expect(hostsOpenToAll(parse(...p9, '::'))).toEqual(['::']);
    expect(hostsOpenToAll(parse('--host', '::', ...p9, '::'))).toEqual(['::']);
  });
});

describe('--help', () => {
  test('has every option, in two columns, and fits a terminal', () => {
    const lines = printHelp().split('\n');
    for (const [name] of OPTION_ROWS) {
      expect(lines.filter((line) => line.trimStart().startsWith(`--${name} `))).toHaveLength(1);
    }
    const [from, to] = [lines.indexOf('Options:'), lines.indexOf('Examples:')];
    const columns = lines
      .slice(from + 1, to - 1)
      .map((line) => /^ +(--\S+( \S+)? {2,})?/.exec(line));
    expect(new Set(columns.map((match) => match![0].length)).size).toBe(1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  test('and the README has every option', () => {
    const readme = readFileSync('README.md', 'utf8');
    const [, section = ''] = /\n### Remote directories\n([^]*?)\n### /.exec(readme) ?? [];
    const listed = Array.from(section.matchAll(/`--([a-z0-9-]+)/g), ([, name]) => name);
    const names = OPTION_ROWS.map(([name]) => name);
    expect(names.filter((name) => !listed.includes(name))).toEqual(['help', 'version']);
    expect(listed.filter((name) => !names.some((known) => known === name))).toEqual([]);
  });

  test('has examples that are command lines', () => {
    const [, examples = ''] = /Examples:\n([^]*?)\n\n/.exec(printHelp())!;
    const commands = examples.split('\n').map((line) => line.trim().split(/ {2,}/)[0]!.split(' '));
    expect(commands.length).toBeGreaterThan(3);
    for (const [name, ...args] of commands) {
      expect(name).toBe('burrowfs');
      expect(parseCommandLine(args).kind).toBe('gofer');
    }
  });
});

describe('the command', () => {
  test('--help and --version are printed, whatever else is there', async () => {
    expect(await run('gofer', '--help')).toEqual({ code: 0, stdout: printHelp(), stderr: '' });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  async function refusalOf(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run('gofer', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^burrowfs: .*\(burrowfs --help says more\)\n$/);
    return stderr.replace(/^burrowfs: (.*) \(.*\n$/, '$1');
  }

  test('a wrong option is one line, and code 2', async () => {
    expect(await refusalOf('served', '--port', 'x')).toContain('--port "x": it is a number');
  });

  test('DIR that is not there, is no folder, or is no way', async () => {
    const at = (name: string): string => JSON.stringify(join(folder(), name));
    write('file', '');
    expect(await refusalOf('none')).toBe(`DIR ${at('none')}: there is no such file or folder`);
    expect(await refusalOf('file')).toBe(`DIR ${at('file')}: it is no folder`);
    expect(await refusalOf('a\nb\\c')).toContain('/a\\nb\\c": there is no such');
    const onTheWay = 'what is on the way to it is no folder';
    expect(await refusalOf('file/x')).toBe(`DIR ${at('file/x')}: ${onTheWay}`);
  });

  test('DIR that this user may not read', async () => {
    const path = join(folder(), 'closed');
    mkdirSync(path);
    chmodSync(path, 0);
    // Root may read everything.
    const isRoot = process.geteuid!() === 0;
    if (isRoot) process.seteuid!(NOBODY);
    try {
      const message = `DIR ${JSON.stringify(path)}: this user may not read it (EACCES)`;
      await expect(checkDirectory(path)).rejects.toThrow(new UsageError(message));
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  });

  test('a token file that is not there, or is open to others', async () => {
    const path = write('token', 'abc', 0o644);
    expect(await refusalOf('served', '--token-file', 'none')).toBe(
      '--token-file: none is not there',
    );
    const open = 'has mode 0644, and others must have no access to it: chmod 600';
    expect(await refusalOf('served', '--token-file', path)).toBe(`--token-file: ${path} ${open}`);
  });

  test('a port, or a port of metrics, that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const port = String((other.address() as { port: number }).port);
    const message = 'another program listens there; give another, or 0 for any';
    try {
      expect(await refusalOf('served', '--port', port)).toBe(`--port "${port}": ${message}`);
      const args = ['served', '--port', '0', '--metrics-port', port];
      expect(await refusalOf(...args)).toBe(`--metrics-port "${port}": ${message}`);
    } finally {
      other.close();
    }
  });

  test('a host that is not this machine', async () => {
    // RFC 5737: nobody has it.
    const refusal = await refusalOf('served', '--host', '192.0.2.1');
    expect(refusal).toBe('--host "192.0.2.1": this machine can not listen there (EADDRNOTAVAIL)');
  });

  test('certificates and keys that are not there, are none, or are not each other’s', async () => {
    const [first, second] = [makeSelfSigned(), makeSelfSigned()];
    const [cert, key] = [write('cert', first.cert), write('key', first.key)];
    const [junk, other] = [write('junk', 'junk'), write('other', second.key)];
    const tls = (certPath: string, keyPath: string): Promise<string> =>
      refusalOf('served', '--port', '0', '--tls-cert', certPath, '--tls-key', keyPath);
    expect(await tls('none', key)).toBe('--tls-cert "none": there is no such file or folder');
    expect(await tls(cert, 'none')).toBe('--tls-key "none": there is no such file or folder');
    expect(await tls(junk, key)).toMatch(/^--tls-cert ".*junk": it can not be used \(ERR_/);
    expect(await tls(cert, junk)).toMatch(/^--tls-key ".*junk": it can not be used \(ERR_/);
    expect(await tls(cert, other)).toMatch(/^--tls-key ".*other" is not that of --tls-cert: /);
  });
});
