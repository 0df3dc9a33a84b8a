// What the tests of the server share: one that serves a tree in memory, and a client of it.

import { expect } from 'vitest';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';
import type { ServerOptions } from '../../../src/lisafs/server-options.ts';
import type { LoopbackOptions } from '../../../src/transport/loopback.ts';
import { connect, RawClient, serve, type Served, settle } from './raw-client.ts';

export const OWNER = { uid: NO_ID, gid: NO_ID };
export const FILE = { ...OWNER, mode: 0o644 };

export let served: Served;
export let client: RawClient;
export let root: number;

export async function start(options: Partial<ServerOptions> = {}): Promise<void> {
  served = serve(options);
  ({ client, root } = await connect(served));
}

/** The same with a session, and so with tags. */
export async function startSession(
  options: Partial<ServerOptions> = {},
  link: Partial<LoopbackOptions> = {},
): Promise<void> {
  served = serve(options);
  client = new RawClient(served, link);
  await client.startSession();
  root = await client.mount();
}

/** Nothing is pinned once all have gone, and nothing unexpected has happened. */
export async function end(): Promise<void> {
  served.server.stop();
  await settle();
  expect(served.errors).toEqual([]);
  expect(served.tree.pinned).toBe(0);
  expect(served.tree.watches).toEqual([]);
}

export async function mkdir(name: string, dirFD = root): Promise<number> {
  const { childDir } = await client.call('MkdirAt', { dirFD, ...OWNER, mode: 0o755, name });
  return childDir.controlFD;
}

/** Control and open FD of a new file. */
export async function create(name: string, dirFD = root): Promise<{ fd: number; openFD: number }> {
  const values = { dirFD, ...FILE, flags: O_RDWR, name };
  const { child, newFD } = await client.call('OpenCreateAt', values);
  return { fd: child.controlFD, openFD: newFD };
}

export async function write(fd: number, text: string, offset = 0): Promise<number> {
  return (await client.call('PWrite', { fd, offset, data: encodeUtf8(text) })).count;
}

export async function read(fd: number, count = 100, offset = 0): Promise<string> {
  return decodeUtf8((await client.call('PRead', { fd, offset, count })).data);
}

/** Of a request that failed; its first byte, which is all there is to small numbers. */
export function errnoOf(tag: number): number | undefined {
  const { mid, payload } = client.replies.find((reply) => reply.tag === tag)!;
  return mid === MESSAGES.Error.mid ? payload[0] : undefined;
}
