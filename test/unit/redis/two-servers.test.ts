// Two servers of one folder, with a real Redis between them: processes of the real command, and
// clients of the real client.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, F_UNLCK, F_WRLCK, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { INVALIDATE_DATA, INVALIDATE_ENTRY, RECORD_LOCK } from '../../../src/lisafs/extensions.ts';
import { FRAME_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import { MESSAGES, type RequestOf } from '../../../src/lisafs/messages.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import { bootKernel } from '../../support/kernels.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';
import { useRedis } from '../../support/redis.ts';
import { type Command, useCommand } from '../cli/support.ts';

const redis = useRedis();
const closers: (() => Promise<unknown>)[] = [];

/** Returns once it has been. */
async function toldOf(
  client: LisafsClient,
  { fd, flag, name }: { readonly fd: number; readonly flag: number; readonly name: string },
): Promise<void> {
  for (;;) {
    const { mid, payload } = await client.nextPushed();
    expect(mid).toBe(MESSAGES.Invalidate.mid);
    const { files } = MESSAGES.Invalidate.request.decode(payload);
    const isTold = files.some(
      (file) => file.fd === fd && (file.flags & flag) !== 0 && file.name === name,
    );
    if (isTold) return;
  }
}

describe('two servers of one folder', () => {
  const { folder, run, serve } = useCommand();

  // Before the servers are ended.
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  function serveTwo(): [Command, Command] {
    const args = ['--no-auth', '--redis', redis().url, '--redis-prefix', redis().newPrefix()];
    return [serve(...args), serve(...args)];
  }

  async function connect(command: Command): Promise<{ client: LisafsClient; root: number }> {
    const { url } = await command.address();
    const client = await LisafsClient.connect(url);
    await client.startSession();
    return { client, root: (await client.mount()).controlFD };
  }

  /** Control and open FD. */
  async function openAt(client: LisafsClient, dirFD: number, name: string) {
    const { inodes } = await client.call('Walk', { dirFD, path: [name] });
    const fd = inodes[0]!.controlFD;
    const { openFD } = await client.call('OpenAt', { fd, flags: O_RDWR });
    return { fd, openFD };
  }

  async function create(client: LisafsClient, dirFD: number, name: string): Promise<number> {
    const ids = { uid: 0xffff_ffff, gid: 0xffff_ffff };
    const flags = { mode: 0o644, flags: O_RDWR };
    const { newFD } = await client.call('OpenCreateAt', { dirFD, ...ids, ...flags, name });
    return newFD;
  }

  function lockOf(fd: number, type: number, wait = false): RequestOf<'SetLock'> {
    return { fd, type, start: 0, length: 0, owner: 1, pid: 10, wait, kind: RECORD_LOCK };
  }

  test('a lock that is taken at one is in the way at the other', async () => {
    const [first, second] = serveTwo();
    const one = await connect(first);
    const other = await connect(second);
    const openFD = await create(one.client, one.root, 'file');
    const { openFD: otherFD } = await openAt(other.client, other.root, 'file');
    await one.client.call('SetLock', lockOf(openFD, F_WRLCK));
    const taken = other.client.call('SetLock', lockOf(otherFD, F_WRLCK));
    await expect(taken).rejects.toBe(linuxerr.EAGAIN);
    const waiting = other.client.call('SetLock', lockOf(otherFD, F_WRLCK, true));
    await one.client.call('SetLock', lockOf(openFD, F_UNLCK));
    await waiting;
    const again = one.client.call('SetLock', lockOf(openFD, F_WRLCK));
    await expect(again).rejects.toBe(linuxerr.EAGAIN);
    // Who says good-bye has nothing any more.
    await other.client.leave();
    await one.client.call('SetLock', lockOf(openFD, F_WRLCK, true));
    await one.client.leave();
  });

  test('what is changed at one is told to clients of the other', async () => {
    const [first, second] = serveTwo();
    const one = await connect(first);
    const other = await connect(second);
    const openFD = await create(one.client, one.root, 'file');
    const { fd } = await openAt(other.client, other.root, 'file');
    await one.client.call('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('new') });
    await toldOf(other.client, { fd, flag: INVALIDATE_DATA, name: '' });
    await create(one.client, one.root, 'another');
    await toldOf(other.client, { fd: other.root, flag: INVALIDATE_ENTRY, name: 'another' });
    await one.client.leave();
    await other.client.leave();
  });

  test('who may have missed changes while Redis was away is told to look again', async () => {
    const [first, second] = serveTwo();
    const one = await connect(first);
    const other = await connect(second);
    const openFD = await create(one.client, one.root, 'file');
    const { fd } = await openAt(other.client, other.root, 'file');
    await redis().kill();
    for (const server of [first, second]) {
      await server.logged('redis is unreachable: no locks are given, and caches may be stale');
    }
    await one.client.call('PWrite', { fd: openFD, offset: 0, data: encodeUtf8('new') });
    await redis().start();
    await toldOf(other.client, { fd, flag: INVALIDATE_DATA, name: '' });
    await one.client.leave();
    await other.client.leave();
  });

  test('a client whose server is killed goes on at the other, with what was synced', async () => {
    const [first, second] = serveTwo();
    const urls = [(await first.address()).url, (await second.address()).url];
    const options = { clock: new RealClock(), messageSizeMax: FRAME_SIZE_MAX, WebSocket };
    // As a load balancer does: to whoever is there.
    const connectAny = async () => {
      const url = first.child.exitCode === null && first.child.signalCode === null ? 0 : 1;
      const protocols = { protocols: ['lisafs'], extraProtocols: protocolsFor(undefined) };
      return connectWebSocket(urls[url]!, { ...options, ...protocols, timeoutMs: 10_000 });
    };
    const spec = { type: 'gofer', source: urls[0]!, options: { cache: 'writethrough' } } as const;
    const kernel = await bootKernel(spec, { connectGofer: connectAny });
    closers.push(() => runAsync(kernel.shutdown()));
    const { sys: task } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
    const sys = asyncSyscallsOf(task);
    const fd = await sys.openat(AT_FDCWD, '/file', O_CREAT | O_RDWR, 0o644);
    let text = '';
    for (let count = 0; count < 20; count++) {
      const line = `line ${count}\n`;
      await sys.write(fd, encodeUtf8(line));
      await sys.fsync(fd);
      text += line;
      if (count === 10) {
        first.child.kill('SIGKILL');
        await first.ended;
      }
    }
    await sys.close(fd);
    expect(readFileSync(join(folder(), 'served', 'file'), 'utf8')).toBe(text);
    await second.logged('connection opened');
  });

  test('a Redis that isn’t there is said, and nothing is served', async () => {
    const args = ['gofer', 'served', '--redis', 'redis://:pw@127.0.0.1:1'];
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('--redis: the server at 127.0.0.1:1 can not be used (');
    expect(stderr).toContain('ECONNREFUSED');
    expect(stderr).not.toContain('pw');
  });
});
