// Reserve: room for the FDs of requests whose answers nobody waits for.

import { afterEach, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { CLIENT_FD_MIN } from '../../../src/lisafs/records.ts';
import type { FdReserve } from '../../../src/lisafs/server-fds.ts';
import { client, create, end, FILE, root, served, startSession } from './fixture.ts';
import { settle } from './raw-client.ts';

const X = CLIENT_FD_MIN;

afterEach(end);

/** What FDs cost, of which there are so many. */
class Coins implements FdReserve {
  left: number;

  constructor(left: number) {
    this.left = left;
  }

  take(_client: object, count: number): number {
    const taken = Math.min(count, this.left);
    this.left -= taken;
    return taken;
  }

  give(_client: object, count: number): void {
    this.left += count;
  }
}

async function reserve(total: number): Promise<number> {
  return (await client.call('Reserve', { total })).total;
}

/** Makes a file under two ids from `id` on. */
async function createAs(id: number, name: string): Promise<void> {
  const ids = { clientFD: id, clientOpenFD: id + 1 };
  const file = { ...FILE, flags: O_RDWR, data: new Uint8Array(0) };
  await client.call('CreateWrite', { dirFD: root, ...file, ...ids, name });
}

test('what it has promised nobody else takes', async () => {
  await startSession({ fdsMax: 7 });
  expect(await reserve(4)).toBe(4);
  await create('ordinary');
  await expect(create('more')).rejects.toBe(linuxerr.EMFILE);
  await createAs(X, 'a');
  await createAs(X + 2, 'b');
  expect([...served.tree.top.names.keys()]).toEqual(['ordinary', 'a', 'b']);
  await expect(createAs(X + 4, 'c')).rejects.toBe(linuxerr.EMFILE);
});

test('it is counted from the beginning, whatever came of the ids, and lowered', async () => {
  const coins = new Coins(10);
  await startSession({ reserve: coins });
  expect(await reserve(6)).toBe(6);
  expect(coins.left).toBe(4);
  await createAs(X, 'a');
  await expect(createAs(X + 2, 'a')).rejects.toBe(linuxerr.EEXIST);
  // Whoever makes the file pays for it: this tree doesn't.
  expect(coins.left).toBe(8);
  expect(await reserve(4)).toBe(4);
  expect(coins.left).toBe(10);
  expect(await reserve(0)).toBe(4);
});

test('there is only as much as there is', async () => {
  const coins = new Coins(3);
  await startSession({ reserve: coins });
  expect(await reserve(100)).toBe(3);
  await createAs(X, 'a');
  expect(await reserve(100)).toBe(5);
  expect(coins.left).toBe(0);
});

test('it goes with its client', async () => {
  const coins = new Coins(3);
  await startSession({ reserve: coins });
  await reserve(2);
  client.link.client.close(1000, '');
  await settle();
  expect(coins.left).toBe(3);
});
