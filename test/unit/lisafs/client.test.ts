// The client with the server: calls, sessions that go on, and sessions that are lost.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { type Interruption, type Op, runAsync, WaitQueue } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { LisafsClient } from '../../../src/lisafs/client.ts';
import type { Recover } from '../../../src/lisafs/client-recovery.ts';
import { CLIENT_FD_MIN, NO_ID } from '../../../src/lisafs/records.ts';
import { Network } from './client-fixture.ts';
import { settle } from './raw-client.ts';

const DIRECTORY = { uid: NO_ID, gid: NO_ID, mode: 0o755 };
const FILE = { ...DIRECTORY, mode: 0o644, flags: O_RDWR };

let network: Network;
let client: LisafsClient | undefined;

afterEach(async () => {
  await network.end(client);
  client = undefined;
});

async function start(
  options: Parameters<Network['client']>[0] = {},
  ...[networkOptions]: ConstructorParameters<typeof Network>
): Promise<LisafsClient> {
  network = new Network(networkOptions);
  client = await network.client(options);
  return client;
}

function mkdir(name: string, dirFD = client!.root.fd) {
  return { dirFD, ...DIRECTORY, name };
}

function create(name: string): Op<{ fd: number; openFD: number }> {
  return (function* () {
    const values = { dirFD: client!.root.fd, ...FILE, name };
    const { child, newFD } = yield* client!.call('OpenCreateAt', values);
    return { fd: child.controlFD, openFD: newFD };
  })();
}

test('a call is answered', async () => {
  await start();
  const { openFD } = await network.run(create('file'));
  const data = encodeUtf8('hello');
  const reply = client!.send('PWrite', { fd: openFD, offset: 0, data });
  // They are the caller's again.
  data.fill(0);
  expect((await network.run(reply.wait())).count).toBe(5);
  const read = await network.run(client!.call('PRead', { fd: openFD, offset: 0, count: 9 }));
  expect(decodeUtf8(read.data)).toBe('hello');
  expect(client!.status).toMatchObject({ state: 'connected', reason: undefined });
  // Session, Mount are the link's; the others are counted.
  expect(client!.status.requestCount).toBe(4);
  expect(client!.status.sentBytes).toBeGreaterThan(100);
  expect(client!.status.receivedBytes).toBeGreaterThan(100);
});

test('what the server answers is thrown', async () => {
  await start();
  const reply = client!.send('MkdirAt', mkdir(''));
  await expect(network.run(reply.wait())).rejects.toBe(linuxerr.EINVAL);
  expect(reply.isSettled).toBe(true);
  const seen: unknown[] = [];
  reply.onSettled((...outcome) => seen.push(outcome));
  expect(seen).toEqual([[linuxerr.EINVAL, undefined]]);
});

test('what the server has not listed fails without being asked', async () => {
  await start();
  expect(client!.supports('Walk')).toBe(true);
  expect(client!.supports('Channel')).toBe(false);
  const count = client!.status.requestCount;
  await expect(network.run(client!.call('Channel', {}))).rejects.toBe(linuxerr.EOPNOTSUPP);
  expect(client!.status.requestCount).toBe(count);
});

test('what is too large or too long fails without being sent', async () => {
  await start();
  const data = new Uint8Array(client!.payloadMax);
  const large = client!.call('PWrite', { fd: 1, offset: 0, data });
  await expect(network.run(large)).rejects.toBe(linuxerr.EIO);
  const long = client!.call('MkdirAt', mkdir('x'.repeat(70_000)));
  await expect(network.run(long)).rejects.toBe(linuxerr.ENAMETOOLONG);
  expect(client!.status.state).toBe('connected');
});

test('requests overlap, and begin in the order of the calls', async () => {
  await start({}, { link: { delayMs: 50 } });
  const fd = client!.nextFd();
  expect(fd).toBe(CLIENT_FD_MIN);
  const dirFD = client!.root.fd;
  const first = client!.send('MkdirAs', { ...mkdir('a', dirFD), clientFD: fd });
  const second = client!.send('MkdirAs', { ...mkdir('b', fd), clientFD: client!.nextFd() });
  await network.pass(100, 10);
  expect([first.isSettled, second.isSettled]).toEqual([true, true]);
  expect(network.tree.changes).toEqual(['make a', 'make b']);
});

test('a part of the tree can be attached', async () => {
  await start();
  const { childDir } = await network.run(client!.call('MkdirAt', mkdir('a')));
  await network.run(client!.call('MkdirAt', mkdir('b', childDir.controlFD)));
  await network.run(create('file'));
  const link = { dirFD: client!.root.fd, uid: NO_ID, gid: NO_ID, name: 'link', target: 'a' };
  await network.run(client!.call('SymlinkAt', link));
  const inner = await network.client({ attach: '/a/./b/' });
  const { stats } = await network.run(
    client!.call('WalkStat', { dirFD: client!.root.fd, path: ['a', 'b'] }),
  );
  expect(inner.root.statx.ino).toBe(stats.at(-1)!.ino);
  await network.run(inner.close());
  const attached = (attach: string) => network.client({ attach });
  await expect(attached('/a/c')).rejects.toBe(linuxerr.ENOENT);
  await expect(attached('/file/c')).rejects.toBe(linuxerr.ENOTDIR);
  await expect(attached('/link/b')).rejects.toBe(linuxerr.ENOTDIR);
  await expect(attached('/link')).rejects.toBe(linuxerr.ENOTDIR);
  expect(network.statuses.at(-1)).toMatchObject({ state: 'closed', reason: 'not a directory' });
});

test('FDs are closed together, after what was sent before', async () => {
  await start();
  const { fd, openFD } = await network.run(create('file'));
  const count = client!.status.requestCount;
  const reply = client!.send('FStat', { fd: openFD });
  client!.closeFd(openFD);
  client!.closeFd(fd);
  await settle();
  expect(client!.status.requestCount).toBe(count + 2);
  expect(reply.isSettled).toBe(true);
  expect(network.tree.pinned).toBe(1);
  for (let fd = 1000; fd < 1300; fd++) client!.closeFd(fd);
  await settle();
  expect(client!.status.requestCount).toBe(count + 5);
});

test('who is interrupted leaves the request alone', async () => {
  await start({}, { link: { delayMs: 10 } });
  let interrupt = (_reason: Error): void => undefined;
  const interruption: Interruption = {
    subscribe: (onInterrupt) => {
      interrupt = onInterrupt;
      return () => undefined;
    },
  };
  const reply = client!.send('MkdirAt', mkdir('a'));
  const settled: unknown[] = [];
  reply.onSettled((error) => settled.push(error));
  const waiting = runAsync(reply.wait(), interruption);
  interrupt(linuxerr.EINTR);
  await expect(waiting).rejects.toBe(linuxerr.EINTR);
  expect(settled).toEqual([]);
  await network.pass(20, 10);
  expect(settled).toEqual([undefined]);
  expect(network.tree.changes).toEqual(['make a']);
});

test('a session goes on by another link, and nothing is done twice', async () => {
  let lostCount = 0;
  const onSessionLost = function* (): Op<void> {
    lostCount++;
  };
  await start({ onSessionLost }, { link: { delayMs: 10 } });
  const { openFD } = await network.run(create('file'));
  const replies = ['a', 'b', 'c'].map((name) => client!.send('MkdirAt', mkdir(name)));
  // They are done, and the answers are lost.
  await network.pass(10);
  expect(network.tree.changes).toContain('make c');
  network.link.notice();
  await settle();
  expect(client!.status).toMatchObject({ state: 'reconnecting', reason: 'the link broke' });
  const late = client!.send('FStat', { fd: openFD });
  for (const reply of replies) await network.run(reply.wait());
  await network.run(late.wait());
  expect(network.tree.changes.filter((change) => change.startsWith('make'))).toHaveLength(4);
  expect(client!.status).toMatchObject({ state: 'connected', reconnectCount: 1 });
  expect(lostCount).toBe(0);
});

test('a session that is lost is recovered before anything is sent again', async () => {
  const order: string[] = [];
  let fd = 0;
  await start({
    *onSessionLost(mounted, calls) {
      order.push('lost');
      const { inodes } = yield* calls.call('Walk', { dirFD: mounted.fd, path: ['file'] });
      const opened = yield* calls.call('OpenAt', { fd: inodes[0]!.controlFD, flags: O_RDWR });
      fd = opened.openFD;
      order.push('recovered');
    },
  });
  ({ openFD: fd } = await network.run(create('file')));
  const release = network.tree.hold();
  const write = (text: string, offset: number) => {
    const data = encodeUtf8(text);
    const reply = client!.send('PWrite', () => ({ fd, offset, data }));
    reply.onSettled((error) => order.push(`${text} ${error?.code ?? 'done'}`));
    return reply;
  };
  // One is under way, as is one that may be done twice; one is never sent.
  const unsure = write('unsure', 0);
  const stat = client!.send('FStat', () => ({ fd }));
  stat.onSettled((error) => order.push(`stat ${error?.code ?? 'done'}`));
  network.link.notice();
  await settle();
  const later = write('later', 8);
  network.replaceServer();
  release();
  await network.pass(200, 10);
  expect([unsure, stat, later].map(({ isSettled }) => isSettled)).toEqual([true, true, true]);
  expect(order).toEqual(['lost', 'recovered', 'unsure EIO', 'stat done', 'later done']);
  expect(client!.status).toMatchObject({ state: 'connected', reconnectCount: 1 });
});

/** A file that is open, in each session there is. */
async function startWithFile(): Promise<{ fd: number }> {
  const file = { fd: 0 };
  const onSessionLost: Recover = function* (mounted, calls) {
    const { inodes } = yield* calls.call('Walk', { dirFD: mounted.fd, path: ['file'] });
    const opened = yield* calls.call('OpenAt', { fd: inodes[0]!.controlFD, flags: O_RDWR });
    file.fd = opened.openFD;
  };
  await start({ onSessionLost }, { link: { delayMs: 10 } });
  file.fd = (await network.run(create('file'))).openFD;
  return file;
}

test('what is repeatable is done in the new session, in order, done before or not', async () => {
  const file = await startWithFile();
  const outcomes: string[] = [];
  const write = (text: string, offset: number, isRepeatable: boolean): void => {
    const data = encodeUtf8(text);
    const reply = client!.send('PWrite', () => ({ fd: file.fd, offset, data }), { isRepeatable });
    reply.onSettled((error) => outcomes.push(`${text} ${error?.code ?? 'done'}`));
  };
  write('first', 0, true);
  write('unsure', 40, false);
  write('rst2', 1, true);
  const sync = client!.send('FSync', () => ({ fds: [file.fd] }), { isRepeatable: true });
  // All are done, and none is answered.
  await network.pass(10);
  network.link.notice();
  await settle();
  expect(outcomes).toEqual([]);
  network.replaceServer();
  await network.pass(1000, 10);
  expect(outcomes).toEqual(['unsure EIO', 'first done', 'rst2 done']);
  expect(sync.isSettled).toBe(true);
  await network.run(sync.wait());
  const { data } = await network.run(client!.call('PRead', { ...file, offset: 0, count: 99 }));
  expect(decodeUtf8(data).replaceAll('\0', '')).toBe('frst2unsure');
});

test('a write that is done again has the bytes it was given, whatever became of them', async () => {
  const file = await startWithFile();
  const data = encodeUtf8('given');
  const asked = () => ({ ...file, offset: 0, data });
  const reply = client!.send('PWrite', asked, { isRepeatable: true });
  data.set(encodeUtf8('later'));
  for (let loss = 0; loss < 2; loss++) {
    network.link.notice();
    await settle();
    network.replaceServer();
    await network.pass(loss === 0 ? 15 : 1000, 5);
  }
  expect(await network.run(reply.wait())).toEqual({ count: 5 });
  const read = await network.run(client!.call('PRead', { ...file, offset: 0, count: 99 }));
  expect(decodeUtf8(read.data)).toBe('given');
});

test('an id of an FD that is no more is found out when a request is encoded anew', async () => {
  await start();
  network.link.notice();
  await settle();
  let isGone = false;
  const reply = client!.send('FStat', () => {
    if (isGone) throw linuxerr.ESTALE;
    return { fd: 7 };
  });
  network.replaceServer();
  isGone = true;
  await expect(network.run(reply.wait())).rejects.toBe(linuxerr.ESTALE);
});

test('FDs of a lost session are not closed in the next one', async () => {
  await start();
  const { fd } = await network.run(create('file'));
  network.link.notice();
  await settle();
  client!.closeFd(fd);
  client!.closeFd(1);
  await settle();
  network.replaceServer();
  await network.pass(200);
  expect(client!.status.state).toBe('connected');
  await network.run(client!.call('FStat', { fd: client!.root.fd }));
});

test('FDs that were closed while there was no link are closed later', async () => {
  await start();
  const { fd, openFD } = await network.run(create('file'));
  network.link.notice();
  await settle();
  client!.closeFd(fd);
  client!.closeFd(openFD);
  await settle();
  await network.pass(200);
  expect(network.tree.pinned).toBe(1);
});

test('a recovery goes on by another link', async () => {
  let calls = 0;
  await start({
    *onSessionLost(mounted, recovery) {
      calls++;
      const replies = ['a', 'b'].map((name) => recovery.send('MkdirAt', mkdir(name, mounted.fd)));
      for (const reply of replies) yield* reply.wait();
    },
  });
  let isHeld = true;
  const held = new WaitQueue();
  const enter = network.tree.enter.bind(network.tree);
  network.tree.enter = function* (change) {
    while (isHeld && change !== undefined) yield held;
    yield* enter(change);
  };
  network.replaceServer();
  await settle();
  await network.pass(200);
  expect(calls).toBe(1);
  network.link.notice();
  await settle();
  isHeld = false;
  held.wakeAll();
  await network.pass(1000, 100);
  expect(calls).toBe(1);
  expect(network.tree.changes).toEqual(['make a', 'make b']);
  expect(client!.status.state).toBe('connected');
});

test('a session that is lost during a recovery is recovered as well', async () => {
  const outcomes: string[] = [];
  let isFirst = true;
  await start({
    *onSessionLost(mounted, recovery) {
      const isThis = isFirst;
      isFirst = false;
      try {
        yield* recovery.call('MkdirAt', mkdir(isThis ? 'a' : 'b', mounted.fd));
        outcomes.push('done');
      } catch (error) {
        outcomes.push((error as Error).message);
        // Nor does another one get through.
        yield* recovery.call('MkdirAt', mkdir('c', mounted.fd));
      }
    },
  });
  network.replaceServer();
  await settle();
  const enter = network.tree.enter.bind(network.tree);
  network.tree.enter = function* (change) {
    if (change === 'make a') {
      network.replaceServer();
      throw linuxerr.EIO;
    }
    yield* enter(change);
  };
  await network.pass(1000, 100);
  expect(outcomes).toEqual([linuxerr.EIO.message, 'done']);
  expect(network.tree.changes).toEqual(['make b']);
  expect(client!.status.state).toBe('connected');
});

test('a recovery that fails is begun again, in another session', async () => {
  let calls = 0;
  await start({
    *onSessionLost() {
      calls++;
      if (calls < 3) throw linuxerr.ENOMEM;
    },
  });
  network.replaceServer();
  await settle();
  const reply = client!.send('FStat', () => ({ fd: client!.root.fd }));
  await network.run(reply.wait());
  expect(calls).toBe(3);
  // Those before were ended.
  expect(network.tree.pinned).toBe(1);
});

test('a client that is closed has sent everything, and leaves no session', async () => {
  await start({}, { link: { delayMs: 20 } });
  await network.run(create('file'));
  const reply = client!.send('MkdirAt', mkdir('a'));
  await network.run(client!.close());
  expect(reply.isSettled).toBe(true);
  await network.pass(20);
  expect(network.tree.pinned).toBe(0);
  expect(client!.status.state).toBe('closed');
  const late = client!.send('FStat', { fd: 1 });
  await expect(network.run(late.wait())).rejects.toBe(linuxerr.EIO);
});

test('a client without a link is closed when time is up', async () => {
  await start({ timeoutMs: 5000 });
  network.refusal = linuxerr.ECONNREFUSED;
  network.link.notice();
  await settle();
  const reply = client!.send('FStat', { fd: 1 });
  const closing = runAsync(client!.close());
  await network.pass(4900, 100);
  expect(reply.isSettled).toBe(false);
  await network.pass(100);
  await closing;
  await expect(network.run(reply.wait())).rejects.toBe(linuxerr.EIO);
  const { attempts } = network;
  await network.pass(100_000, 1000);
  expect(network.attempts).toBe(attempts);
});
