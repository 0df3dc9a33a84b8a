// A server that is to stop: whom it tells, what it waits for, and how long; and what it tells its
// observer.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY } from '../../../src/abi/fcntl.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import type { DoneRequest } from '../../../src/served/server-observer.ts';
import { connect, RawClient, serve, type Served, settle } from './raw-client.ts';

const GRACE_MS = 1000;
const QUIET_MS = 100;

/** Begins to drain. */
function drain({ server }: Served): { isDone: () => boolean } {
  let isDone = false;
  void server.drain({ graceMs: GRACE_MS, quietMs: QUIET_MS }).then(() => {
    isDone = true;
  });
  return { isDone: () => isDone };
}

/** In steps in which the server looks once. */
async function pass({ clock }: Served, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    clock.advance(20);
    await settle();
  }
}

describe('drain()', () => {
  test('is done at once without clients', async () => {
    const served = serve();
    const { isDone } = drain(served);
    await settle();
    expect(isDone()).toBe(true);
  });

  test('tells clients with tags, and no others', async () => {
    const served = serve();
    const { client: old } = await connect(served);
    const client = new RawClient(served);
    await client.startSession();
    const [oldCount, count] = [old.replies.length, client.replies.length];
    drain(served);
    await pass(served, 20);
    expect(old.replies).toHaveLength(oldCount);
    const [pushed, ...others] = client.replies.slice(count);
    expect(others).toEqual([]);
    expect(pushed).toMatchObject({ mid: MESSAGES.Drain.mid, tag: 0 });
    expect(MESSAGES.Drain.request.decode(pushed!.payload)).toEqual({ graceMs: GRACE_MS });
  });

  test('waits until all have gone', async () => {
    const served = serve();
    const { client } = await connect(served);
    const { isDone } = drain(served);
    await settle();
    expect(isDone()).toBe(false);
    client.link.client.close(1000, '');
    await pass(served, 40);
    expect(isDone()).toBe(true);
  });

  test('goes on serving, and is done when nobody has asked for a while', async () => {
    const served = serve();
    const { client, root } = await connect(served);
    const { isDone } = drain(served);
    for (let turn = 0; turn < 3; turn++) {
      await pass(served, QUIET_MS - 20);
      await client.call('FStat', { fd: root });
    }
    expect(isDone()).toBe(false);
    await pass(served, QUIET_MS + 40);
    expect(isDone()).toBe(true);
  });

  test('is done when the time is up, whoever still asks', async () => {
    const served = serve();
    const { client, root } = await connect(served);
    const { isDone } = drain(served);
    for (let passed = 0; passed < GRACE_MS - 100; passed += 60) {
      await pass(served, 60);
      await client.call('FStat', { fd: root });
    }
    expect(isDone()).toBe(false);
    for (let turn = 0; turn < 3; turn++) {
      await client.call('FStat', { fd: root });
      await pass(served, 60);
    }
    expect(isDone()).toBe(true);
  });

  test('takes no more clients', async () => {
    const served = serve();
    await connect(served);
    drain(served);
    const late = new RawClient(served);
    await pass(served, 20);
    expect(late.closed?.reason).toBe('the server is stopping');
  });
});

describe('an observer', () => {
  test('is told of each request, its errno and how long it took', async () => {
    const requests: DoneRequest[] = [];
    const served = serve({ observer: { onRequest: (request) => requests.push(request) } });
    const { client, root } = await connect(served);
    await client.call('FStat', { fd: root });
    await expect(client.call('OpenAt', { fd: 1000, flags: O_RDONLY })).rejects.toBe(linuxerr.EBADF);
    expect(requests.map(({ messageName, errno }) => [messageName, errno])).toEqual([
      ['Mount', 0],
      ['FStat', 0],
      ['OpenAt', linuxerr.EBADF.errno],
    ]);
    expect(requests.every(({ durationMs }) => durationMs >= 0)).toBe(true);
  });

  test('is told of a message that there is not', async () => {
    const requests: DoneRequest[] = [];
    const served = serve({ observer: { onRequest: (request) => requests.push(request) } });
    const { client } = await connect(served);
    requests.length = 0;
    const header = new Uint8Array(8);
    new DataView(header.buffer).setUint16(4, 999, true);
    client.sendBytes(header);
    served.clock.advance(1);
    await settle();
    expect(requests).toMatchObject([{ messageName: undefined, errno: linuxerr.EOPNOTSUPP.errno }]);
  });
});
