// What the tests of served files share: a lisafs server of a folder of this host, and a client that
// waits for the host.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect } from 'vitest';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { HostExport, type HostExportOptions } from '../../../src/fsgofer/host-export.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import type { ResponseOf } from '../../../src/lisafs/messages.ts';
import { type Inode, NO_ID } from '../../../src/lisafs/records.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import { Server } from '../../../src/lisafs/server.ts';
import { RawClient } from '../lisafs/raw-client.ts';
import { clock, koffiCalls, useTree } from './support.ts';

export const OWNER = { uid: NO_ID, gid: NO_ID };

/** Longer than a server waits for a client. */
const GRACE_MS = 100_000;
/** Longer than anything takes that comes to an end. */
const PATIENCE_MS = 20_000;

/** A client whose server asks the host, which takes its time. */
export class HostClient extends RawClient {
  rootFD = 0;

  protected override async waitForReply(isAnswered: () => boolean): Promise<void> {
    const start = clock.monotonicMs();
    while (!isAnswered() && clock.monotonicMs() - start < PATIENCE_MS) {
      await this.passTime();
      await sleep(1);
    }
  }

  /** Closes its link, which the server learns of, and doesn't come again. */
  async leave(): Promise<void> {
    this.link.client.close(1000, '');
    await this.passTime();
    if (this.headerVersion === 2) this.clock.advance(GRACE_MS);
  }

  async walk(...path: string[]): Promise<Inode> {
    const { inodes, status } = await this.call('Walk', { dirFD: this.rootFD, path });
    expect(status).toBe(0);
    return inodes.at(-1)!;
  }

  /** Its control FD. */
  async fd(...path: string[]): Promise<number> {
    return (await this.walk(...path)).controlFD;
  }

  async open(flags: number, ...path: string[]): Promise<number> {
    return (await this.call('OpenAt', { fd: await this.fd(...path), flags })).openFD;
  }

  async create(name: string, mode = 0o644, flags = O_RDWR): Promise<ResponseOf<'OpenCreateAt'>> {
    return this.call('OpenCreateAt', { dirFD: this.rootFD, ...OWNER, mode, flags, name });
  }

  async mkdir(name: string, mode = 0o755): Promise<Inode> {
    return (await this.call('MkdirAt', { dirFD: this.rootFD, ...OWNER, mode, name })).childDir;
  }

  async mknod(name: string, mode: number, minor = 0): Promise<Inode> {
    const values = { dirFD: this.rootFD, ...OWNER, mode, minor, major: 0, name };
    return (await this.call('MknodAt', values)).child;
  }

  async symlink(name: string, target: string): Promise<Inode> {
    const values = { dirFD: this.rootFD, ...OWNER, name, target };
    return (await this.call('SymlinkAt', values)).symlink;
  }

  async write(fd: number, text: string, offset = 0): Promise<number> {
    return (await this.call('PWrite', { fd, offset, data: encodeUtf8(text) })).count;
  }

  async read(fd: number, count = 100, offset = 0): Promise<string> {
    return decodeUtf8((await this.call('PRead', { fd, offset, count })).data);
  }
}

export interface ServedTree {
  readonly hostExport: HostExport;
  readonly server: Server;
  /** Another client, which has mounted; with a session it can be told things unasked. */
  connect(options?: { readonly hasSession?: boolean }): Promise<HostClient>;
}

type Rules = Partial<HostExportOptions> & Pick<ServerOptions, 'isReadOnly'>;

/**
 * The tree of each test, and what serves it. Afterwards all is closed, and nothing has happened
 * that nobody expects.
 */
export function useServedTree(): {
  tree: ReturnType<typeof useTree>;
  serve: (
    rules?: Rules,
    server?: (hostExport: HostExport) => Partial<ServerOptions>,
  ) => Promise<ServedTree>;
  start: (rules?: Rules) => Promise<HostClient>;
} {
  const ends: (() => Promise<void>)[] = [];
  const tree = useTree();
  // Before the tree is closed, which was told first: the last one is called first.
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  async function serve(
    rules: Rules = {},
    optionsFor: (hostExport: HostExport) => Partial<ServerOptions> = () => ({}),
  ): Promise<ServedTree> {
    const limits = { fdsMax: 1000, clientFdsMax: 500 };
    const hostExport = await HostExport.open(tree().root, {
      clock,
      calls: koffiCalls,
      ...limits,
      ...rules,
    });
    const rootFdCount = hostExport.fdCount;
    const errors: unknown[] = [];
    let count = 0;
    const fakeClock = new FakeClock();
    const server = new Server({
      root: (client) => hostExport.pin(client),
      clock: fakeClock,
      randomBytes: (size) => new Uint8Array(size).fill(++count),
      onError: (error) => errors.push(error),
      ...optionsFor(hostExport),
    });
    ends.push(async () => {
      server.stop();
      await untilClosed(hostExport, rootFdCount);
      await hostExport.close();
      expect(errors).toEqual([]);
    });
    const connect: ServedTree['connect'] = async ({ hasSession = false } = {}) => {
      const client = new HostClient({ server, clock: fakeClock });
      if (hasSession) await client.startSession();
      client.rootFD = await client.mount();
      return client;
    };
    return { hostExport, server, connect };
  }

  const start = async (rules?: Rules): Promise<HostClient> => (await serve(rules)).connect();
  return { tree, serve, start };
}

/** Until so many descriptors are open, as long as that may take. */
export async function untilClosed(hostExport: HostExport, count: number): Promise<void> {
  const start = clock.monotonicMs();
  while (hostExport.fdCount > count && clock.monotonicMs() - start < PATIENCE_MS) await sleep(1);
  expect(hostExport.fdCount).toBe(count);
}
