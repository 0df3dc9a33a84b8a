// What kernel.fs has beyond node:fs/promises: watches, locks, extended attributes, sockets.

import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';

test('watch tells of changes from the moment it is called', async ({ kernelPage }) => {
  const events = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/dir');
    const watcher = fs.watch('/dir');
    await fs.writeFile('/dir/file', 'text');
    await fs.chmod('/dir/file', 0o600);
    await fs.rename('/dir/file', '/dir/moved');
    await fs.unlink('/dir/moved');
    const seen: (string | boolean)[][] = [];
    const cookies = new Set<number>();
    for await (const { type, path, cookie, isDirectory } of watcher) {
      seen.push([type, path, isDirectory]);
      cookies.add(cookie);
      if (type === 'delete') break;
    }
    return { seen, cookies: cookies.size };
  });
  expect(events).toEqual({
    seen: [
      ['create', '/dir/file', false],
      ['modify', '/dir/file', false],
      ['attrib', '/dir/file', false],
      ['moved-from', '/dir/file', false],
      ['moved-to', '/dir/moved', false],
      ['delete', '/dir/moved', false],
    ],
    // 0, and one for both ends of the move.
    cookies: 2,
  });
});

test('a recursive watch follows directories that come, move and go', async ({ kernelPage }) => {
  const seen = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/tree/old/deep', { recursive: true });
    await fs.mkdir('/elsewhere');
    const watcher = fs.watch('/tree', { recursive: true });
    await fs.writeFile('/tree/old/deep/one', '');
    // Made before anybody can have looked at the new directories.
    await fs.mkdir('/tree/new/a/b', { recursive: true });
    await fs.writeFile('/tree/new/a/b/two', '');
    await fs.rename('/tree/old', '/tree/new/a/moved');
    await fs.writeFile('/tree/new/a/moved/deep/three', '');
    await fs.rename('/tree/new/a/moved', '/elsewhere/gone');
    await fs.writeFile('/elsewhere/gone/deep/silent', '');
    await fs.writeFile('/tree/end', '');
    const all: string[] = [];
    for await (const { type, path } of watcher) {
      all.push(`${type} ${path}`);
      if (path === '/tree/end') break;
    }
    return all;
  });
  expect(seen.filter((line) => !line.startsWith('modify'))).toEqual([
    'create /tree/old/deep/one',
    'create /tree/new',
    'create /tree/new/a',
    'create /tree/new/a/b',
    'create /tree/new/a/b/two',
    'moved-from /tree/old',
    'moved-to /tree/new/a/moved',
    'create /tree/new/a/moved/deep/three',
    'moved-from /tree/new/a/moved',
    'create /tree/end',
  ]);
});

test('a watch ends with its signal, and one that can not be set says why', async ({
  kernelPage,
}) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const abort = new AbortController();
    const seen: string[] = [];
    const watcher = fs.watch('/', { signal: abort.signal });
    const ended = (async () => {
      for await (const { type } of watcher) seen.push(type);
      return 'ended';
    })();
    await watcher.ready;
    abort.abort();
    const missing = fs.watch('/missing');
    const failed = (async () => {
      for await (const { type } of missing) seen.push(type);
    })();
    return [
      seen.length,
      await ended,
      await inPage.failureOf(failed),
      await inPage.failureOf(missing.ready),
    ];
  });
  const failure = { name: 'FsError', code: 'ENOENT', syscall: 'watch', path: '/missing' };
  expect(found).toEqual([
    0,
    'ended',
    expect.objectContaining(failure),
    expect.objectContaining(failure),
  ]);
});

test('locks are granted in turn, and a signal ends the wait', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const [a, b] = [await fs.open('/file', 'w+'), await fs.open('/file', 'r+')];
    const order: string[] = [];
    await a.flock('exclusive');
    const refused = await inPage.failureOf(b.flock('shared', { wait: false }));
    const waits = b.flock('shared').then(() => order.push('b has it'));
    order.push('a lets go');
    await a.flock('unlock');
    await waits;
    await a.lock('write', { start: 10, length: 5 });
    const inTheWay = await b.findLock('read', { start: 0, length: 100 });
    const free = await b.findLock('read', { start: 15 });
    const abort = new AbortController();
    const interrupted = inPage.failureOf(b.lock('read', { signal: abort.signal }));
    abort.abort();
    const reason = await interrupted;
    const again = inPage.failureOf(b.lock('read', { start: 12, length: 1, wait: false }));
    const busy = await again;
    await a.close();
    await b.lock('read');
    await b.close();
    return { order, refused, inTheWay, free, reason, busy };
  });
  expect(found).toEqual({
    order: ['a lets go', 'b has it'],
    refused: expect.objectContaining({ code: 'EAGAIN', syscall: 'flock' }),
    inTheWay: { type: 'write', start: 10, length: 5, pid: -1 },
    free: null,
    reason: expect.objectContaining({ name: 'AbortError' }),
    busy: expect.objectContaining({ code: 'EAGAIN', syscall: 'fcntl' }),
  });
});

test('extended attributes stay when the page is loaded again', async ({ kernelPage }) => {
  await kernelPage.evaluate(async () => {
    await kernel.shutdown();
    const { fs } = await inPage.start('attributes');
    await fs.writeFile('/file', 'text');
    await fs.symlink('file', '/link');
    await fs.setxattr('/link', 'user.colour', 'blue', { flag: 'create' });
    await fs.setxattr('/file', 'user.large', new Uint8Array(60_000).fill(7));
    const handle = await fs.open('/file');
    await handle.setxattr('user.gone', 'x');
    await handle.removexattr('user.gone');
    await handle.close();
    await kernel.shutdown();
  });
  const found = await kernelPage.evaluate(async () => {
    const { fs } = await inPage.start('attributes');
    const large = await fs.getxattr('/file', 'user.large');
    return {
      names: (await fs.listxattr('/file')).sort(),
      colour: new TextDecoder().decode(await fs.getxattr('/file', 'user.colour')),
      large: [large.length, large.at(0), large.at(-1)],
      missing: await inPage.failureOf(fs.getxattr('/file', 'user.gone')),
      wrong: await inPage.failureOf(fs.setxattr('/file', 'nonsense', 'x')),
      again: await inPage.failureOf(fs.setxattr('/file', 'user.colour', 'x', { flag: 'create' })),
    };
  });
  expect(found).toEqual({
    names: ['user.colour', 'user.large'],
    colour: 'blue',
    large: [60_000, 7, 7],
    missing: expect.objectContaining({ code: 'ENODATA', path: '/file' }),
    wrong: expect.objectContaining({ code: 'EOPNOTSUPP' }),
    again: expect.objectContaining({ code: 'EEXIST' }),
  });
});

test('a file without a name gets one, holes are punched, ranges copied', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const { O_TMPFILE = 0, O_RDWR = 0, SEEK_HOLE = 0, FALLOC_FL_PUNCH_HOLE = 0 } = fs.constants;
    const handle = await fs.open('/', O_TMPFILE | O_RDWR);
    await handle.write(new Uint8Array(20_000).fill(1));
    await handle.allocate(
      4096,
      8192,
      FALLOC_FL_PUNCH_HOLE | (fs.constants['FALLOC_FL_KEEP_SIZE'] ?? 0),
    );
    const before = [(await handle.stat()).nlink, await handle.seek(0, SEEK_HOLE)];
    await handle.link('/named');
    const copy = await fs.open('/copy', 'w+');
    const copied = await handle.copyRange(copy, 10_000, { offset: 0 });
    const bytes = await fs.readFile('/copy');
    await fs.rename('/named', '/copy', { flag: 'exchange' });
    const sizes = [(await fs.stat('/named')).size, (await fs.stat('/copy')).size];
    const refused = await inPage.failureOf(fs.rename('/named', '/copy', { flag: 'noreplace' }));
    await fs.mkfifo('/fifo');
    await handle.close();
    await copy.close();
    return {
      before,
      copied,
      bytes: [bytes.length, bytes[4095], bytes[4096]],
      sizes,
      refused,
      isFifo: (await fs.stat('/fifo')).isFIFO(),
    };
  });
  expect(found).toEqual({
    before: [0, 4096],
    copied: 10_000,
    bytes: [10_000, 1, 0],
    sizes: [10_000, 20_000],
    refused: expect.objectContaining({ code: 'EEXIST', dest: '/copy' }),
    isFifo: true,
  });
});

test('the page listens at a socket, and a program that opens it is connected', async ({
  kernelPage,
}) => {
  const found = await kernelPage.evaluate(async () => {
    const server = await kernel.listen('/service');
    const replies = (async () => {
      for await (const { readable, writable } of server) {
        const writer = writable.getWriter();
        await writer.write(new TextEncoder().encode('hello from the page\n'));
        await writer.close();
        await new Response(readable).text();
        break;
      }
    })();
    const stdin = { file: '/service' };
    const outcome = await inPage.run(inPage.program('wc'), { stdin, args: ['-c'] });
    await replies;
    return {
      stdout: outcome.stdout.trim(),
      isSocket: (await kernel.fs.stat('/service')).isSocket(),
      taken: await inPage.failureOf(kernel.listen('/service')),
      closed: await inPage.failureOf(kernel.fs.open('/service')),
    };
  });
  expect(found).toEqual({
    stdout: '20',
    isSocket: true,
    taken: expect.objectContaining({ code: 'EADDRINUSE', path: '/service' }),
    closed: expect.objectContaining({ code: 'ENXIO' }),
  });
});
