// Arena: a folder that is served by the real command, canaries around it, and what must hold after
// whatever was done to the server.

import { spawn } from 'node:child_process';
import { constants, closeSync, openSync, readFileSync } from 'node:fs';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/text.ts';
import { NO_ID } from '../../src/lisafs/records.ts';
import { LisafsClient } from '../support/lisafs-client.ts';
import { Command } from '../unit/cli/support.ts';
import { SECRET } from './answers.ts';
import { Attacker } from './attacker.ts';
import { P9Attacker } from './p9-attacker.ts';
import { type P9Target, type Way, WAYS } from './p9-wire.ts';
import type { Sequence, ServerKind } from './sequence.ts';

export const TOKEN = 'hostile-test-token';
const MIB = 1 << 20;

/** Most that a server's process may have had at any time of a sequence, and have afterwards. */
const PEAK_RSS_MAX = 400 * MIB;
const RSS_MAX = 320 * MIB;
/** Descriptors beyond those of a server that was connected to once. */
const FDS_SLACK = 2;

/** How often a thing that comes about by itself is looked at. */
const LOOKS = 400;
const LOOK_PAUSE_MS = 25;

const SERVERS: Readonly<Record<ServerKind, readonly string[]>> = {
  plain: [],
  readOnly: ['--read-only'],
  mapped: ['--uid-map', '70:0'],
  small: ['--max-connections', '4', '--max-fds', '40'],
  impatient: ['--max-connections', '4', '--handshake-timeout', '2', '--send-timeout', '1'],
};

/** Somebody whose link is let go at the end, and who has looked at what came. */
interface Visitor {
  readonly isOpen: boolean;
  readonly hasSeenSecret: boolean;
  leave(): Promise<void>;
  vanish(): Promise<void>;
}

/** What one looks like; two looks are the same if nothing has happened to it. */
type Look = Readonly<Record<string, string>>;

export class RunningServer implements P9Target {
  readonly token = TOKEN;
  readonly url: string;
  readonly port: number;
  readonly p9Port: number;
  readonly command: Command;
  fdCountAtRest = 0;

  /** `command` has printed its addresses. */
  constructor(command: Command, url: string) {
    this.command = command;
    this.url = url;
    this.port = Number(new URL(url).port);
    this.p9Port = Number(/port (\d+), over TCP$/.exec(command.line('9P') ?? '')?.[1]);
  }

  get #pid(): number {
    return this.command.child.pid!;
  }

  get isAlive(): boolean {
    const { exitCode, signalCode } = this.command.child;
    return exitCode === null && signalCode === null;
  }

  get fdCount(): number {
    return readdirSync(`/proc/${this.#pid}/fd`).length;
  }

  /** Connections that the server has not ended, whether their clients have or not. proc(5). */
  get linkCount(): number {
    const ports = [this.port, this.p9Port].map((port) => port.toString(16).padStart(4, '0'));
    const held = new RegExp(`^ *\\d+: [0-9a-f]{8}:(?:${ports.join('|')}) \\S+ 0[18] `, 'gim');
    return readFileSync(`/proc/${this.#pid}/net/tcp`, 'utf8').match(held)?.length ?? 0;
  }

  /** Bytes of memory: VmRSS, or VmHWM since forgetPeak(). */
  memory(row: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    return Number(new RegExp(`^${row}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  }

  /** Linux: proc(5), clear_refs. */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#pid}/clear_refs`, '5');
  }
}

export class Arena {
  readonly #script: string;
  readonly #folder = realpathSync(mkdtempSync(join(tmpdir(), 'burrow-hostile-')));
  readonly #servers = new Map<ServerKind, RunningServer>();
  readonly #visitors: Visitor[] = [];
  #canaries: Look = {};
  #kind: ServerKind = 'plain';

  /** `script` is the command, as buildCommand() makes it. */
  constructor(script: string) {
    this.#script = script;
    mkdirSync(this.in());
    mkdirSync(this.outside('folder'), { recursive: true });
    // The path of the last one begins with that of the served folder.
    const beside = [join(this.#folder, 'beside'), join(this.#folder, 'served-not')];
    for (const path of [this.outside('secret'), this.outside('folder', 'inner'), ...beside]) {
      writeFileSync(path, SECRET);
      makeReadingShow(path);
    }
    this.#canaries = this.#lookAround();
  }

  /** A path in the folder that is served. */
  in(...names: string[]): string {
    return join(this.#folder, 'served', ...names);
  }

  /** A path in the folder beside it. */
  outside(...names: string[]): string {
    return join(this.#folder, 'outside', ...names);
  }

  get server(): RunningServer {
    return this.#servers.get(this.#kind)!;
  }

  /** Everything as it was in the beginning, and a server of the kind. */
  async begin({ server: kind = 'plain' }: Sequence): Promise<void> {
    this.#kind = kind;
    for (const name of readdirSync(this.in())) {
      await rm(this.in(name), { recursive: true, force: true });
    }
    writeFileSync(this.in('file'), 'mine');
    mkdirSync(this.in('dir', 'deep'), { recursive: true });
    writeFileSync(this.in('dir', 'inner'), 'inner');
    symlinkSync('../outside/secret', this.in('link'));
    symlinkSync('../outside', this.in('away'));
    execFileSync('mkfifo', [this.in('fifo')]);
    if (!this.#servers.has(kind)) await this.#start(kind);
    await until(() => this.server.linkCount === 0, 'those before have given their places back');
    this.server.forgetPeak();
  }

  async #start(kind: ServerKind): Promise<void> {
    const ports = ['--port', '0', '--p9-port', '0'];
    const options = [...ports, '--token', TOKEN, '--log-level', 'error', ...SERVERS[kind]];
    const args = [this.#script, 'gofer', this.in(), ...options];
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    const command = new Command(spawn(process.execPath, args, { cwd: this.#folder, stdio }));
    const { url } = await command.address();
    const server = new RunningServer(command, url);
    this.#servers.set(kind, server);
    await this.#serveAGoodClient();
    server.fdCountAtRest = server.fdCount;
  }

  /** One more connection of the attacker's, which is let go at the end. */
  async attacker(): Promise<Attacker> {
    const attacker = await Attacker.connect(this.server);
    this.#visitors.push(attacker);
    return attacker;
  }

  /** The same by 9P. */
  async p9Attacker(way: Way): Promise<P9Attacker> {
    const attacker = await P9Attacker.connect(way, this.server);
    this.#visitors.push(attacker);
    return attacker;
  }

  /** With a version agreed on, N of gVisor's, and the root attached. */
  async attached(way: Way, version = 0): Promise<{ attacker: P9Attacker; root: number }> {
    const attacker = await this.p9Attacker(way);
    await attacker.version(version);
    return { attacker, root: await attacker.attach() };
  }

  /** With a session and the root mounted. */
  async mounted(): Promise<{ attacker: Attacker; root: number }> {
    const attacker = await this.attacker();
    await attacker.session();
    return { attacker, root: await attacker.mount() };
  }

  /** What the served folder looks like. */
  lookInside(): Look {
    return lookAt(this.in());
  }

  #lookAround(): Look {
    return lookAt(this.#folder, this.in());
  }

  /**
   * What must hold after every sequence: the process is alive and has logged no error, a good
   * client works, what it holds is within its bounds, and nothing outside of the served folder was
   * read or changed.
   */
  async check({ fdsLeft = 0, by = 'lisafs' }: Sequence): Promise<void> {
    const { server } = this;
    for (const visitor of this.#visitors.splice(0)) {
      if (visitor.isOpen) await visitor.leave();
      else await visitor.vanish();
      expect(visitor.hasSeenSecret, 'a frame has what is outside').toBe(false);
    }
    expect(server.isAlive, server.command.stderr).toBe(true);
    await this.#serveAGoodClient();
    if (by === '9P') for (const way of WAYS) await this.#serveAGoodClientOf9P(way);
    expect(server.command.stderr).toBe('');
    expect(server.memory('VmHWM'), 'the most memory it had').toBeLessThan(PEAK_RSS_MAX);
    await until(() => server.memory('VmRSS') < RSS_MAX, 'it gives memory back');
    const fdsMax = server.fdCountAtRest + FDS_SLACK + fdsLeft;
    await until(() => server.fdCount <= fdsMax, `it gives descriptors back, but ${fdsMax}`);
    expect(this.#lookAround(), 'what is outside').toEqual(this.#canaries);
  }

  /** The server has just one that keeps to all rules. It may have to try more than once. */
  async #serveAGoodClient(): Promise<void> {
    const { server } = this;
    let client: LisafsClient | undefined;
    let problem: unknown;
    for (let look = 0; look < LOOKS && client === undefined; look++) {
      client = await LisafsClient.connect(server.url, { token: TOKEN }).catch((error: unknown) => {
        problem = error;
        return undefined;
      });
      if (client === undefined) await pause();
    }
    if (client === undefined) throw problem;
    await client.startSession();
    const { controlFD: dirFD } = await client.mount();
    if (this.#kind === 'readOnly') expect(await read(client, dirFD, 'file')).toBe('mine');
    else {
      const file = { uid: NO_ID, gid: NO_ID, mode: 0o644, flags: O_RDWR };
      const ids = { clientFD: 0, clientOpenFD: 0 };
      const data = encodeUtf8('good');
      await client.call('CreateWrite', { dirFD, ...file, ...ids, name: 'good', data });
      expect(await read(client, dirFD, 'good')).toBe('good');
      await client.call('UnlinkAt', { dirFD, flags: 0, name: 'good' });
    }
    await client.leave();
  }

  async #serveAGoodClientOf9P(way: Way): Promise<void> {
    const client = await P9Attacker.connect(way, this.server);
    await client.version();
    const root = await client.attach();
    if (this.#kind === 'readOnly') {
      const fid = await client.open(root, O_RDONLY, 'file');
      const { data } = await client.must('read', { fid, offset: 0, count: 100 });
      expect(decodeUtf8(data)).toBe('mine');
    } else {
      const made = await client.walk(root);
      const file = { name: 'good', flags: O_RDWR, mode: 0o644, gid: NO_ID };
      await client.must('lcreate', { fid: made, ...file });
      await client.must('write', { fid: made, offset: 0, data: encodeUtf8('good') });
      const { data } = await client.must('read', { fid: made, offset: 0, count: 100 });
      expect(decodeUtf8(data)).toBe('good');
      await client.must('unlinkat', { dfid: root, name: 'good', flags: 0 });
    }
    await client.leave();
  }

  async close(): Promise<void> {
    for (const { command } of this.#servers.values()) {
      command.child.kill('SIGKILL');
      await command.ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function read(client: LisafsClient, dirFD: number, name: string): Promise<string> {
  const wanted = { dirFD, path: [name], flags: O_RDONLY, maxBytes: 100 };
  return decodeUtf8((await client.call('WalkOpenRead', wanted)).data);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_PAUSE_MS));
}

/** Errors: Error if it doesn't come about. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    if (isSo()) return;
    await pause();
  }
  throw new Error(`it doesn't come about: ${what}`);
}

/** Everything at and below `path`, but for `except`, by path. */
function lookAt(path: string, except = ''): Look {
  const looks: Record<string, string> = {};
  const paths = [path];
  for (const each of paths) {
    if (each === except) continue;
    const stats = lstatSync(each, { bigint: true });
    if (stats.isDirectory()) paths.push(...readdirSync(each).map((name) => join(each, name)));
    const { ino, mode, uid, gid, nlink, size, mtimeNs, atimeNs } = stats;
    // Listing a directory, as is done here, changes its atime.
    const atime = stats.isFile() && except !== '' ? [atimeNs] : [];
    const content = stats.isFile() ? readQuietly(each) : '';
    looks[each] = [ino, mode, uid, gid, nlink, size, mtimeNs, ...atime, content].join(' ');
  }
  return looks;
}

/** Without changing its atime. */
function readQuietly(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOATIME);
  try {
    const bytes = new Uint8Array(256);
    return decodeUtf8(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
  } finally {
    closeSync(fd);
  }
}

/** Whoever reads it from now on changes its atime, even where it is told only now and then. */
function makeReadingShow(path: string): void {
  const { mtime } = lstatSync(path);
  utimesSync(path, new Date(0), mtime);
}
