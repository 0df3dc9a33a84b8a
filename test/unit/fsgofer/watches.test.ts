// Watches of real files, changed by this process and by another one: what a lisafs client is told,
// by inotify and by comparing.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from '../../../src/abi/inotify.ts';
import { decodeUtf8 } from '../../../src/lib/text.ts';
import type { HostExportOptions } from '../../../src/fsgofer/host-export.ts';
import { eventsOf, overflowsOf, type WatchEvent } from '../lisafs/pushed.ts';
import { type HostClient, type ServedTree, useServedTree } from './served-support.ts';
import { bytePath, clock, koffiCalls, NOT_UTF8 } from './support.ts';

const CHANGES = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO;
/** Longer than anything takes. */
const PATIENCE_MS = 5000;

/** The kernel has no watch of this process's but those Node made itself. */
function inotifyFds(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    const info = `/proc/self/fdinfo/${fd}`;
    // Node has one of its own, which it never closes.
    return existsSync(info) && readFileSync(info, 'utf8').includes('inotify wd');
  }).length;
}

async function waitUntil(isSo: () => boolean): Promise<void> {
  const start = clock.monotonicMs();
  while (!isSo() && clock.monotonicMs() - start < PATIENCE_MS) await sleep(2);
  expect(isSo()).toBe(true);
}

interface Ways {
  readonly name: string;
  readonly rules: Partial<HostExportOptions>;
}

const { inotify: _, ...withoutInotify } = koffiCalls;
const WAYS: readonly Ways[] = [
  { name: 'inotify', rules: {} },
  { name: 'comparing', rules: { calls: withoutInotify } },
  { name: 'comparing, by paths', rules: { calls: {}, access: 'paths' } },
];

const { tree, serve } = useServedTree();

async function begin(rules: Ways['rules'] = {}): Promise<HostClient> {
  return withSession(await serve(rules));
}

/** A client with tags. */
async function withSession(served: ServedTree): Promise<HostClient> {
  const client = await served.connect({ hasSession: true });
  return client;
}

async function watch(
  client: HostClient,
  fd: number,
  { mask = CHANGES, isRecursive = false } = {},
): Promise<void> {
  await client.call('Watch', { fd, mask, isRecursive });
}

type Told = [mask: number, name: string];

function told(client: HostClient): Told[] {
  return eventsOf(client).map(({ mask, name }: WatchEvent) => [
    mask,
    typeof name === 'string' ? name : decodeUtf8(name),
  ]);
}

function hasTold(client: HostClient, mask: number, name: string): boolean {
  return told(client).some((each) => each[0] === mask && each[1] === name);
}

describe.each(WAYS)('by $name', ({ rules }) => {
  test('what happens in a directory is told soon, whoever does it', async () => {
    writeFileSync(tree().in('file'), 'x');
    const client = await begin(rules);
    await watch(client, client.rootFD);
    const start = clock.monotonicMs();
    writeFileSync(tree().in('new'), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'new'));
    expect(clock.monotonicMs() - start).toBeLessThan(150);
    execFileSync('sh', ['-c', 'echo more >> file; mkdir dir; rm new'], { cwd: tree().root });
    await waitUntil(() => hasTold(client, IN_MODIFY, 'file'));
    await waitUntil(() => hasTold(client, IN_CREATE | IN_ISDIR, 'dir'));
    await waitUntil(() => hasTold(client, IN_DELETE, 'new'));
    chmodSync(tree().in('file'), 0o600);
    await waitUntil(() => hasTold(client, IN_ATTRIB, 'file'));
    rmSync(tree().in('dir'), { recursive: true });
    await waitUntil(() => hasTold(client, IN_DELETE | IN_ISDIR, 'dir'));
    // What the client does itself is told, too.
    await client.create('own');
    await waitUntil(() => hasTold(client, IN_CREATE, 'own'));
  });

  test('a file is told of by itself, and that it has gone', async () => {
    writeFileSync(tree().in('file'), 'x');
    const client = await begin(rules);
    await watch(client, await client.fd('file'), { mask: CHANGES | IN_DELETE_SELF });
    appendFileSync(tree().in('file'), 'y');
    await waitUntil(() => hasTold(client, IN_MODIFY, ''));
    unlinkSync(tree().in('file'));
    await waitUntil(() => hasTold(client, IN_DELETE_SELF, ''));
  });

  test('everything below is told, also in directories that appear', async () => {
    mkdirSync(tree().in('a', 'b'), { recursive: true });
    const client = await begin(rules);
    await watch(client, client.rootFD, { isRecursive: true });
    writeFileSync(tree().in('a', 'b', 'deep'), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'a/b/deep'));
    // All of it may be there before anybody can watch it.
    mkdirSync(tree().in('new', 'x', 'y'), { recursive: true });
    writeFileSync(tree().in('new', 'x', 'y', 'file'), 'text');
    for (const name of ['new', 'new/x', 'new/x/y']) {
      await waitUntil(() => hasTold(client, IN_CREATE | IN_ISDIR, name));
    }
    await waitUntil(() => hasTold(client, IN_CREATE, 'new/x/y/file'));
    await sleep(60);
    unlinkSync(tree().in('new', 'x', 'y', 'file'));
    await waitUntil(() => hasTold(client, IN_DELETE, 'new/x/y/file'));
    // Each has been told once.
    const created = told(client).flatMap(([mask, name]) =>
      (mask & IN_CREATE) !== 0 ? [name] : [],
    );
    expect(created).toEqual([...new Set(created)]);
  });

  test('a directory that leaves the tree is none of its business', async () => {
    mkdirSync(tree().in('dir', 'sub'), { recursive: true });
    const client = await begin(rules);
    await watch(client, client.rootFD, { isRecursive: true });
    renameSync(tree().in('dir'), tree().at('outside', 'dir'));
    await waitUntil(() => told(client).some(([, name]) => name === 'dir'));
    await sleep(150);
    writeFileSync(tree().at('outside', 'dir', 'sub', 'secret'), '');
    writeFileSync(tree().in('sign'), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'sign'));
    expect(told(client).filter(([, name]) => name.includes('secret'))).toEqual([]);
  });

  test('nothing stays when a watch ends, an FD is closed, or the client goes', async () => {
    mkdirSync(tree().in('a', 'b'), { recursive: true });
    const client = await begin(rules);
    const [before, dir] = [inotifyFds(), await client.fd('a')];
    await watch(client, dir, { isRecursive: true });
    await watch(client, client.rootFD);
    const mask = CHANGES;
    const { watchId } = await client.call('Watch', { fd: client.rootFD, mask, isRecursive: true });
    await client.call('Unwatch', { watchId });
    await client.call('Close', { fds: [dir] });
    writeFileSync(tree().in('a', 'b', 'file'), '');
    writeFileSync(tree().in('sign'), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'sign'));
    expect(told(client).filter(([, name]) => name.includes('file'))).toEqual([]);
    await client.leave();
    await waitUntil(() => inotifyFds() <= before);
  });

  test('ENOSPC for too many, and Overflow if there come to be too many', async () => {
    mkdirSync(tree().in('a'));
    const client = await begin({ ...rules, clientWatchesMax: 3 });
    await watch(client, client.rootFD, { isRecursive: true });
    await watch(client, client.rootFD);
    await expect(watch(client, client.rootFD)).rejects.toBe(linuxerr.ENOSPC);
    mkdirSync(tree().in('b'));
    await waitUntil(() => overflowsOf(client) > 0);
  });

  test('a name that isn’t UTF-8 is told as it is listed', async () => {
    const client = await begin(rules);
    await watch(client, client.rootFD);
    writeFileSync(bytePath(tree().root, NOT_UTF8), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'f\uefff\ueffe.'));
  });
});

describe('by inotify', () => {
  test('a rename has a cookie, and a directory that moves in the tree is watched on', async () => {
    mkdirSync(tree().in('from', 'dir', 'sub'), { recursive: true });
    mkdirSync(tree().in('to'));
    const client = await begin();
    await watch(client, client.rootFD, { isRecursive: true });
    renameSync(tree().in('from', 'dir'), tree().in('to', 'moved'));
    await waitUntil(() => hasTold(client, IN_MOVED_TO | IN_ISDIR, 'to/moved'));
    const [left, came] = eventsOf(client).filter(({ cookie }) => cookie !== 0);
    expect([left!.mask, left!.name]).toEqual([IN_MOVED_FROM | IN_ISDIR, 'from/dir']);
    expect(came!.cookie).toBe(left!.cookie);
    await sleep(100);
    writeFileSync(tree().in('to', 'moved', 'sub', 'file'), '');
    await waitUntil(() => hasTold(client, IN_CREATE, 'to/moved/sub/file'));
  });

  test('who writes is told, and several clients share what the kernel has', async () => {
    writeFileSync(tree().in('file'), '');
    const served = await serve();
    const [first, second] = [await withSession(served), await withSession(served)];
    await watch(first, await first.fd('file'), { mask: IN_CLOSE_WRITE });
    await watch(second, await second.fd('file'), { mask: IN_MODIFY });
    appendFileSync(tree().in('file'), 'x');
    await waitUntil(() => hasTold(first, IN_CLOSE_WRITE, ''));
    await waitUntil(() => hasTold(second, IN_MODIFY, ''));
    expect(told(first)).toEqual([[IN_CLOSE_WRITE, '']]);
    await first.leave();
    appendFileSync(tree().in('file'), 'y');
    await waitUntil(() => told(second).length >= 2);
    expect(told(second).every(([mask]) => mask === IN_MODIFY)).toBe(true);
  });

  test('nothing is left out of very many', async () => {
    const client = await begin();
    await watch(client, client.rootFD, { mask: IN_CREATE & IN_ALL_EVENTS });
    execFileSync('sh', ['-c', 'for i in $(seq 500); do : > f$i; done'], { cwd: tree().root });
    await waitUntil(() => told(client).length === 500);
    expect(told(client).map(([, name]) => name)).toEqual(
      Array.from({ length: 500 }, (_, index) => `f${index + 1}`),
    );
  });
});
