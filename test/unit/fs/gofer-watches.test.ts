// What others do to a gofer's files is told to inotify watches here, and what is done from here is
// told once. The others are this host's: node:fs.

import { appendFile, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { AT_FDCWD, AT_REMOVEDIR, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import * as inotify from '../../../src/abi/inotify.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import {
  atEnd,
  clientOf,
  type ClientOptions,
  endGofers,
  gofer,
  type GoferClient,
} from '../../support/gofer-kernels.ts';
import { startGofer, type TestGofer } from '../../support/gofers.ts';
import { bootKernel } from '../../support/kernels.ts';

afterEach(endGofers);

const MODES = ['exclusive', 'writethrough', 'shared', 'none'] as const;

const {
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_Q_OVERFLOW,
} = inotify;
const CHANGES =
  IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO;
const SELF = IN_DELETE_SELF | IN_MOVE_SELF;

const NAMES: readonly (readonly [mask: number, name: string])[] = [
  [IN_ATTRIB, 'ATTRIB'],
  [IN_CLOSE_WRITE, 'CLOSE_WRITE'],
  [IN_CREATE, 'CREATE'],
  [IN_DELETE, 'DELETE'],
  [IN_DELETE_SELF, 'DELETE_SELF'],
  [IN_IGNORED, 'IGNORED'],
  [IN_MODIFY, 'MODIFY'],
  [IN_MOVED_FROM, 'MOVED_FROM'],
  [IN_MOVED_TO, 'MOVED_TO'],
  [IN_MOVE_SELF, 'MOVE_SELF'],
  [IN_Q_OVERFLOW, 'Q_OVERFLOW'],
];

interface Event {
  readonly text: string;
  readonly cookie: number;
}

function decode(bytes: Uint8Array): Event[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const mask = view.getUint32(at + 4, true);
    const length = view.getUint32(at + 12, true);
    const name = decodeUtf8(bytes.subarray(at + 16, at + 16 + length)).replace(/\0+$/, '');
    const what = NAMES.find(([bits]) => (mask & bits) !== 0)?.[1] ?? `${mask}`;
    events.push({
      text: `${what}${name === '' ? '' : ` ${name}`}`,
      cookie: view.getUint32(at + 8, true),
    });
    at += inotify.INOTIFY_EVENT_SIZE + length;
  }
  return events;
}

class Watcher {
  readonly #sys: AsyncSyscalls;
  readonly #fd: number;
  #events: Event[] = [];

  private constructor(sys: AsyncSyscalls, fd: number) {
    this.#sys = sys;
    this.#fd = fd;
  }

  static async on(sys: AsyncSyscalls, ...paths: string[]): Promise<Watcher> {
    const fd = await sys.inotify_init1(0);
    for (const path of paths) await sys.inotify_add_watch(fd, path, CHANGES | SELF);
    return new Watcher(sys, fd);
  }

  /** All events up to one. */
  async until(last: string): Promise<Event[]> {
    for (;;) {
      const index = this.#events.findIndex(({ text }) => text === last);
      if (index >= 0) return this.#events.splice(0, index + 1);
      const buffer = new Uint8Array(65_536);
      const count = await this.#sys.read(this.#fd, buffer);
      this.#events.push(...decode(buffer.subarray(0, count)));
    }
  }

  async textsUntil(last: string): Promise<string[]> {
    return (await this.until(last)).map(({ text }) => text);
  }
}

interface Started extends GoferClient {
  readonly server: TestGofer;
  readonly sys: AsyncSyscalls;
  /** In the folder on the host. */
  path(...names: string[]): string;
}

async function start(
  cache: (typeof MODES)[number],
  link: Pick<ClientOptions, 'isSlow' | 'arePushesFirst'> = {},
): Promise<Started> {
  const server = await gofer();
  await mkdir(join(server.folder, 'dir'));
  await writeFile(join(server.folder, 'dir', 'file'), 'first');
  await mkdir(join(server.folder, 'dir', 'folder'));
  const client = await clientOf(server, { cache, ...link });
  const { sys } = await client.process();
  return { ...client, server, sys, path: (...names) => join(server.folder, ...names) };
}

/** What comes before it has come: the host tells it last. */
async function mark({ path }: Started): Promise<void> {
  await mkdir(path('dir', 'mark'));
}

async function write(sys: AsyncSyscalls, path: string, text: string): Promise<void> {
  const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
  await sys.write(fd, encodeUtf8(text));
  await sys.close(fd);
}

async function read(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const buffer = new Uint8Array(1000);
  const count = await sys.read(fd, buffer);
  await sys.close(fd);
  return decodeUtf8(buffer.subarray(0, count));
}

describe.each(MODES)('%s: what the host does', (cache) => {
  test('in a directory is told', async () => {
    const started = await start(cache);
    const { sys, path } = started;
    const watcher = await Watcher.on(sys, '/dir');
    await writeFile(path('dir', 'new'), 'text');
    expect(await watcher.textsUntil('CLOSE_WRITE new')).toEqual([
      'CREATE new',
      'MODIFY new',
      'CLOSE_WRITE new',
    ]);
    await chmod(path('dir', 'file'), 0o600);
    await appendFile(path('dir', 'file'), ' and more');
    await rename(path('dir', 'new'), path('dir', 'moved'));
    const events = await watcher.until('MOVED_TO moved');
    expect(events.map(({ text }) => text)).toEqual([
      'ATTRIB file',
      'MODIFY file',
      'CLOSE_WRITE file',
      'MOVED_FROM new',
      'MOVED_TO moved',
    ]);
    const [from, to] = events.slice(-2);
    expect(from?.cookie).toBe(to?.cookie);
    expect(to?.cookie).toBeGreaterThan(0);
    await rm(path('dir', 'moved'));
    expect(await watcher.textsUntil('DELETE moved')).toEqual(['DELETE moved']);
  });

  test('to a file is told, up to its end', async () => {
    const { sys, path } = await start(cache);
    const watcher = await Watcher.on(sys, '/dir/file');
    await appendFile(path('dir', 'file'), 'more');
    expect(await watcher.textsUntil('CLOSE_WRITE')).toEqual(['MODIFY', 'CLOSE_WRITE']);
    await rename(path('dir', 'file'), path('dir', 'other'));
    expect(await watcher.textsUntil('MOVE_SELF')).toEqual(['MOVE_SELF']);
    await rm(path('dir', 'other'));
    const last = await watcher.textsUntil('IGNORED');
    expect(last.filter((text) => text !== 'ATTRIB')).toEqual(['DELETE_SELF', 'IGNORED']);
  });

  test('is seen by who looks afterwards', async () => {
    const { sys, path } = await start(cache);
    expect(await read(sys, '/dir/file')).toBe('first');
    const watcher = await Watcher.on(sys, '/dir');
    await writeFile(path('dir', 'file'), 'second');
    await watcher.until('CLOSE_WRITE file');
    expect(await read(sys, '/dir/file')).toBe('second');
    await rename(path('dir', 'file'), path('dir', 'moved'));
    await watcher.until('MOVED_TO moved');
    expect(await read(sys, '/dir/moved')).toBe('second');
    await writeFile(path('dir', 'file'), 'third');
    await watcher.until('CLOSE_WRITE file');
    expect(await read(sys, '/dir/file')).toBe('third');
  });

  test('is told no more once nobody watches', async () => {
    const { sys, path, link } = await start(cache);
    const fd = await sys.inotify_init1(inotify.IN_NONBLOCK);
    const first = await sys.inotify_add_watch(fd, '/dir', CHANGES);
    const other = await Watcher.on(sys, '/dir');
    link.reset();
    await sys.inotify_rm_watch(fd, first);
    expect(link.requests).toBe(0);
    await mkdir(path('dir', 'a'));
    await other.until('CREATE a');
    const second = await sys.inotify_add_watch(fd, '/dir/file', CHANGES);
    link.reset();
    await sys.inotify_rm_watch(fd, second);
    expect(link.requests).toBe(1);
  });
});

/** Does the same on a filesystem that is told nothing by anybody. */
async function eventsOnTmpfs(doThings: (sys: AsyncSyscalls) => Promise<void>): Promise<string[]> {
  const kernel = await bootKernel({ type: 'tmpfs' });
  const { sys: syscalls } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  const sys = asyncSyscallsOf(syscalls);
  await sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0);
  await write(sys, '/dir/file', 'first');
  await sys.mkdirat(AT_FDCWD, '/dir/folder', 0o755, 0);
  const watcher = await Watcher.on(sys, '/dir', '/dir/file', '/dir/folder');
  await doThings(sys);
  await sys.mkdirat(AT_FDCWD, '/dir/mark', 0o755, 0);
  const texts = await watcher.textsUntil('CREATE mark');
  await runAsync(kernel.shutdown());
  return texts;
}

describe.each(MODES)('%s: what is done from here is told once', (cache) => {
  const cases: Record<string, (sys: AsyncSyscalls) => Promise<void>> = {
    'making, writing and removing': async (sys) => {
      await write(sys, '/dir/new', 'text');
      await sys.mkdirat(AT_FDCWD, '/dir/sub', 0o700, 0);
      await sys.symlinkat('file', AT_FDCWD, '/dir/link', 0);
      await sys.linkat(AT_FDCWD, '/dir/new', AT_FDCWD, '/dir/second', 0);
      await sys.unlinkat(AT_FDCWD, '/dir/new', 0);
      await sys.unlinkat(AT_FDCWD, '/dir/sub', AT_REMOVEDIR);
    },
    'writing to a file, and its attributes': async (sys) => {
      await write(sys, '/dir/file', 'second');
      await sys.fchmodat(AT_FDCWD, '/dir/file', 0o600, 0);
      await sys.truncate('/dir/file', 2);
      const fd = await sys.openat(AT_FDCWD, '/dir/file', O_RDWR, 0);
      for (let count = 0; count < 20; count++) await sys.write(fd, encodeUtf8('more'));
      await sys.fsync(fd);
      await sys.close(fd);
    },
    'moving and replacing': async (sys) => {
      await write(sys, '/dir/a', 'a');
      await write(sys, '/dir/b', 'b');
      await sys.renameat2(AT_FDCWD, '/dir/a', AT_FDCWD, '/dir/b', 0);
      await sys.renameat2(AT_FDCWD, '/dir/b', AT_FDCWD, '/dir/file', 0);
      await sys.renameat2(AT_FDCWD, '/dir/file', AT_FDCWD, '/outside', 0);
    },
    'removing what is watched': async (sys) => {
      await sys.unlinkat(AT_FDCWD, '/dir/file', 0);
      await write(sys, '/dir/file', 'another');
    },
    'replacing a directory that is watched': async (sys) => {
      await sys.mkdirat(AT_FDCWD, '/dir/sub', 0o755, 0);
      await sys.renameat2(AT_FDCWD, '/dir/sub', AT_FDCWD, '/dir/folder', 0);
    },
    'removing a directory that is watched': async (sys) => {
      await sys.unlinkat(AT_FDCWD, '/dir/folder', AT_REMOVEDIR);
    },
  };
  const links = [
    ['', {}],
    [', by a link on which events come before answers', { isSlow: true, arePushesFirst: true }],
  ] as const;
  const runs = Object.entries(cases).flatMap(([name, doThings]) =>
    links.map(([how, link]) => [`${name}${how}`, doThings, link] as const),
  );

  test.each(runs)('%s', async (_name, doThings, link) => {
    const started = await start(cache, link);
    const { sys } = started;
    const watcher = await Watcher.on(sys, '/dir', '/dir/file', '/dir/folder');
    await doThings(sys);
    await sys.sync();
    await mark(started);
    const told = await watcher.textsUntil('CREATE mark');
    expect(told).toEqual(await eventsOnTmpfs(doThings));
  });

  test('of a file with two names, not to the directory of the other', async () => {
    const started = await start(cache);
    const { sys } = started;
    // The server has found it by this name, and the host tells its directory of what is done.
    await write(sys, '/dir/new', 'text');
    await sys.mkdirat(AT_FDCWD, '/other', 0o755, 0);
    await sys.linkat(AT_FDCWD, '/dir/new', AT_FDCWD, '/other/link', 0);
    const watcher = await Watcher.on(sys, '/dir');
    const fd = await sys.openat(AT_FDCWD, '/other/link', O_RDWR, 0);
    await sys.write(fd, encodeUtf8('through the other name'));
    await sys.sync();
    await mark(started);
    expect(await watcher.textsUntil('CREATE mark')).toEqual(['CREATE mark']);
    await sys.close(fd);
  });

  test('nor once its name that became known last has gone', async () => {
    const started = await start(cache);
    const { sys } = started;
    await write(sys, '/dir/new', 'text');
    await sys.mkdirat(AT_FDCWD, '/other', 0o755, 0);
    await sys.linkat(AT_FDCWD, '/dir/new', AT_FDCWD, '/other/link', 0);
    const fd = await sys.openat(AT_FDCWD, '/other/link', O_RDWR, 0);
    await sys.unlinkat(AT_FDCWD, '/other/link', 0);
    const watcher = await Watcher.on(sys, '/dir');
    await sys.write(fd, encodeUtf8('through a name that has gone'));
    await sys.sync();
    await mark(started);
    expect(await watcher.textsUntil('CREATE mark')).toEqual(['CREATE mark']);
    await sys.close(fd);
  });

  test('and what the host does in between is told as well', async () => {
    const started = await start(cache);
    const { sys, path } = started;
    const watcher = await Watcher.on(sys, '/dir');
    for (let round = 0; round < 10; round++) {
      await write(sys, '/dir/file', `${round}`);
      await sys.sync();
      // Until the client has seen what it has done.
      for (let count = 0; count < 3; count++) await sys.statfs('/');
      await writeFile(path('dir', 'file'), `host ${round}`);
      await mkdir(path('dir', `mark-${round}`));
      const texts = await watcher.textsUntil(`CREATE mark-${round}`);
      expect(texts.filter((text) => text === 'MODIFY file').length).toBeGreaterThanOrEqual(2);
      expect(await read(sys, '/dir/file')).toBe(`host ${round}`);
    }
  });
});

test.each(MODES)('%s: when the server is started anew, watches are set again', async (cache) => {
  const first = await startGofer();
  let server = first;
  atEnd(() => server.close());
  await writeFile(join(first.folder, 'file'), 'text');
  const client = await clientOf(first, { cache, connect: (link) => server.connect(link) });
  const { sys } = await client.process();
  const watcher = await Watcher.on(sys, '/');
  await first.stop();
  await mkdir(join(first.folder, 'while-nobody-looked'));
  server = await startGofer({ folder: first.folder, port: first.port });
  await watcher.until('Q_OVERFLOW');
  await mkdir(join(first.folder, 'new'));
  expect(await watcher.textsUntil('CREATE new')).toEqual(['CREATE new']);
  await sys.fstatat(AT_FDCWD, '/while-nobody-looked', 0);
  expect(await readFile(join(first.folder, 'file'), 'utf8')).toBe('text');
});
