// PendingItems against a Map: what is read, and what a commit is given, whatever came in which
// order.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { S_IFREG } from '../../../src/abi/stat.ts';
import {
  cookieKey,
  encodeName,
  encodePosition,
  inodeKey,
  nameKey,
} from '../../../src/fs/idbfs/items.ts';
import { PendingItems } from '../../../src/fs/idbfs/pending-items.ts';
import { Inode } from '../../../src/fs/shared/inode.ts';
import { WatchedFiles } from '../../../src/vfs/watches.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { ItemChange } from '../../../src/store/store.ts';

const DIR = 1;
const ALL = { from: '', to: '\uffff', limit: 1000 };
const owner = {
  watched: new WatchedFiles(),
  watchSet: () => undefined,
  unwatched: () => undefined,
  destroyInode: () => undefined,
};

function makeInode(ino: number): Inode {
  const attributes = { ino, mode: S_IFREG | 0o644, uid: 0, gid: 0 };
  return new Inode(owner, attributes, { now: { sec: 0, nsec: 0 } });
}

const step = fc.oneof(
  fc.record({
    what: fc.constantFrom('add', 'remove', 'get'),
    name: fc.integer({ max: 5, min: 0 }),
  }),
  fc.record({ what: fc.constantFrom('scan', 'begin', 'end', 'fail'), name: fc.constant(0) }),
);

test('what is read and what a commit gets is the newest, and each key is there once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const store = new MemoryStore();
      const items = new PendingItems(store);
      const model = new Map<string, string>();
      const cookies = new Map<number, number>();
      let under: ItemChange[] | undefined;
      let next = 2;
      const end = async (succeeded: boolean): Promise<void> => {
        if (under === undefined) return;
        const batch = { items: under, discards: [], writes: [] };
        if (succeeded) await runAsync(store.commit(batch, { durability: 'relaxed' }));
        items.endCommit({ succeeded });
        under = undefined;
      };
      const scanned = async (): Promise<[string, string][]> => {
        const found = await runAsync(items.scan(ALL));
        return found.map(({ key, value }) => [key, String(value)]);
      };
      for (const { what, name } of steps) {
        const key = nameKey(DIR, `n${name}`);
        const cookie = cookies.get(name);
        if (what === 'add' && cookie === undefined) {
          const inode = makeInode(next++);
          const { ino } = inode;
          items.addName({ dir: DIR, name: `n${name}`, cookie: ino, inode });
          cookies.set(name, ino);
          model.set(key, String(encodeName(ino, ino)));
          const position = encodePosition({ ino, type: 8, name: `n${name}` });
          model.set(cookieKey(DIR, ino), String(position));
        } else if (what === 'remove' && cookie !== undefined) {
          items.delete(key);
          items.delete(cookieKey(DIR, cookie));
          cookies.delete(name);
          model.delete(key);
          model.delete(cookieKey(DIR, cookie));
        } else if (what === 'get') {
          const value = await runAsync(items.get(key));
          expect(value === undefined ? undefined : String(value)).toBe(model.get(key));
        } else if (what === 'scan') {
          expect(await scanned()).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
        } else if (what === 'begin' && under === undefined) {
          const last: ItemChange[] = [[inodeKey(DIR), new Uint8Array([next])]];
          model.set(inodeKey(DIR), String(next));
          under = [...items.beginCommit(last)];
          expect(new Set(under.map(([changed]) => changed)).size).toBe(under.length);
          expect(items.size).toBe(0);
        } else if (what === 'end' || what === 'fail') await end(what === 'end');
      }
      await end(true);
      under = [...items.beginCommit([])];
      await end(true);
      expect(await scanned()).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
    }),
    { numRuns: 300 },
  );
});
