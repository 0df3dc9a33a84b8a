// A gofer's client that lists a directory which another client changes at the same time.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { settle } from '../lisafs/raw-client.ts';
import { MemoryGofer, type MemoryInode, type Program, until } from './memory-gofer.ts';

let gofer: MemoryGofer;
let directory: MemoryInode;
let first: Kernel | undefined;

beforeEach(() => {
  gofer = new MemoryGofer();
  directory = gofer.directory('dir');
  gofer.file('old', '', directory);
});

afterEach(async () => {
  if (first !== undefined) await runAsync(first.shutdown());
  await gofer.close();
});

/** Who keeps what it knows, and who changes what the other knows. */
async function two(): Promise<[Program, Program]> {
  await gofer.mount({ cache: 'exclusive' });
  const keeping = await gofer.program();
  first = gofer.kernel;
  await gofer.mount({ cache: 'shared' });
  return [keeping, await gofer.program()];
}

// From the fourth time on it isn't asked for again, and not kept.
test.each([1, 2, 3, 4])(
  'names made while a listing came are in the next, if that was %d times',
  async (times) => {
    const [keeping, changing] = await two();
    gofer.gate.hold('ListDir');
    const listing = keeping.list('/dir');
    const made: string[] = [];
    for (let time = 1; time <= times; time++) {
      await until(() => gofer.gate.heldCount('ListDir') > 0);
      await changing.write(`/dir/new-${time}`, '');
      made.push(`new-${time}`);
      await settle();
      gofer.gate.release('ListDir');
    }
    gofer.gate.open('ListDir');
    expect(await listing).toContain('old');
    expect(await keeping.list('/dir')).toEqual([...made, 'old']);
    await changing.unlink('/dir/new-1');
    await settle();
    expect(await keeping.list('/dir')).toEqual([...made.slice(1), 'old']);
  },
);
