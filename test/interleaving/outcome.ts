// What came of a scenario: the results of all calls, what is open at the end, what is mounted, and
// what the store holds. Stores are compared by digest; only new ones are looked into.

import { S_IFDIR, S_IFMT } from '../../src/abi/stat.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runSync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import type { Task } from '../../src/kernel/task.ts';
import { InotifyInstance } from '../../src/vfs/inotify.ts';
import type { VirtualFilesystem } from '../../src/vfs/virtual-filesystem.ts';
import { digest } from '../support/history/action.ts';
import { openIdbfs } from '../support/history/session.ts';
import { storeProblems } from '../support/history/store-check.ts';
import { readTree } from '../support/history/tree.ts';
import { observe } from './instruments.ts';

// Values are never changed in place, so that each is digested once.
const digests = new WeakMap<Uint8Array, string>();

function digestOf(value: Uint8Array): string {
  let known = digests.get(value);
  if (known === undefined) digests.set(value, (known = `${value.length}:${digest(value)}`));
  return known;
}

function fingerprintOf({ keys, items, objects }: MemoryStoreSnapshot): string {
  let text = '';
  for (const key of keys) text += key + digestOf(items.get(key)!);
  for (const [object, blocks] of objects) {
    for (const [index, bytes] of blocks) text += `|${object}.${index}${digestOf(bytes)}`;
  }
  return text;
}

/** What a mount of a store shows. Throws if the store is damaged. */
export class StoreReader {
  readonly #trees = new Map<string, string>();

  treeOf(snapshot: MemoryStoreSnapshot, orphans: 'listed' | 'none'): string {
    const fingerprint = orphans + fingerprintOf(snapshot);
    let tree = this.#trees.get(fingerprint);
    if (tree === undefined) {
      checkSound(snapshot, orphans);
      this.#trees.set(fingerprint, (tree = remount(snapshot).join('\n')));
    }
    return tree;
  }
}

function checkSound(snapshot: MemoryStoreSnapshot, orphans: 'listed' | 'none'): void {
  const problems = storeProblems(snapshot, { orphans });
  if (problems.length > 0) throw new Error(`the store: ${problems.join(', ')}`);
}

function remount(snapshot: MemoryStoreSnapshot): string[] {
  const before = observe(undefined);
  try {
    const store = new MemoryStore();
    store.restore(snapshot);
    const { sys } = runSync(openIdbfs({ store, clock: new FakeClock() }));
    return runSync(readTree(sys));
  } finally {
    observe(before);
  }
}

/** What the descriptors of a task stand for. */
export function* describeFiles({ fds }: Task): Op<string> {
  const found: string[] = [];
  for (const fd of fds.open) {
    const file = fds.get(fd);
    if (file instanceof InotifyInstance) {
      found.push(`${fd} has ${describeEvents(file)}`);
      continue;
    }
    const { ino, mode, nlink, size } = yield* file.stat();
    const length = (mode & S_IFMT) === S_IFDIR ? '' : `, ${size} bytes`;
    found.push(`${fd} is inode ${ino} of ${nlink} names${length}`);
  }
  return found.join(', ');
}

/** Takes them. Cookies are left out: they are numbered through all executions. */
function describeEvents(instance: InotifyInstance): string {
  const events: string[] = [];
  for (let event = instance.next(); event !== undefined; event = instance.next()) {
    events.push(`${event.wd}:${event.mask.toString(16)}:${event.name}`);
  }
  return events.join(' ');
}

export function describeMounts(vfs: VirtualFilesystem): string {
  const { namespace } = vfs;
  const paths = namespace.mounts.map(({ point }) =>
    point === undefined ? '/' : namespace.pathOf(point, namespace.root),
  );
  return paths.join(', ');
}
