// What the tests of the 9P server share: one that serves a tree in memory, and clients of it.

import { afterEach, expect } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { LocalLockTable } from '../../../src/locks/lock-table.ts';
import { MSIZE_MAX } from '../../../src/p9/frame.ts';
import { Server, type ServerOptions } from '../../../src/p9/server.ts';
import { ServedTree } from '../../../src/served/served-tree.ts';
import { LoopbackLink, type LoopbackOptions } from '../../../src/transport/loopback.ts';
import { P9Client } from '../../support/p9-client.ts';
import { MemoryTree } from '../lisafs/memory-tree.ts';
import { settle } from '../lisafs/raw-client.ts';

export interface Served {
  readonly memory: MemoryTree;
  readonly tree: ServedTree;
  readonly locks: LocalLockTable;
  readonly server: Server;
  readonly clock: FakeClock;
  readonly errors: unknown[];
  connect(options?: Partial<LoopbackOptions>): P9Client;
}

/** Afterwards nothing is pinned or locked, and nothing has happened that nobody expects. */
export function useServer(): (options?: Partial<ServerOptions>) => Served {
  const all: Served[] = [];
  afterEach(async () => {
    for (const { server, memory, tree, locks, errors } of all.splice(0)) {
      server.stop();
      await settle();
      expect(errors).toEqual([]);
      expect(memory.pinned).toBe(0);
      expect([tree.files.size, tree.root.holders.size, locks.size]).toEqual([0, 0, 0]);
      expect(server.connectionCount).toBe(0);
    }
  });
  return (options = {}) => {
    const served = serve(options);
    all.push(served);
    return served;
  };
}

function serve(options: Partial<ServerOptions>): Served {
  const memory = new MemoryTree();
  const clock = new FakeClock();
  const tree = new ServedTree();
  const locks = new LocalLockTable({ locksMax: 100 });
  const errors: unknown[] = [];
  let count = 0;
  const server = new Server({
    root: () => memory.root(),
    tree,
    locks,
    clock,
    randomBytes: (size) => new Uint8Array(size).fill(++count),
    onError: (error) => errors.push(error),
    ...options,
  });
  const connect: Served['connect'] = (link = {}) => {
    const { client, server: end } = new LoopbackLink({
      clock,
      messageSizeMax: MSIZE_MAX,
      protocol: '9p2000.L',
      ...link,
    });
    server.accept(end);
    return new P9Client(client);
  };
  return { memory, tree, locks, server, clock, errors, connect };
}

export interface Attached extends Served {
  readonly client: P9Client;
  readonly root: number;
}

/** A client that has attached. */
export async function attach(served: Served, version?: string): Promise<Attached> {
  const client = served.connect();
  await client.version(version);
  return { ...served, client, root: await client.attach() };
}

export async function write(client: P9Client, fid: number, text: string, offset = 0) {
  return (await client.call('write', { fid, offset, data: encodeUtf8(text) })).count;
}

export async function read(client: P9Client, fid: number, count = 100, offset = 0) {
  return decodeUtf8((await client.call('read', { fid, offset, count })).data);
}
