// A kernel whose root is an idbfs, as the benchmarks' workers have it.

import { promisifyRequest } from 'idb-keyval';
import { Kernel } from '../../src/kernel/kernel.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { runAsync } from '../../src/lib/op.ts';
import { openIdbStore } from '../../src/store/idb-store.ts';
import type { Media } from '../../src/store/media.ts';

const clock = new RealClock();

export function bootStored(source: string, media: Media = 'mirrored'): Promise<Kernel> {
  const platform = {
    clock,
    fillRandom: (bytes: Uint8Array) => {
      crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    },
    openStore: () => openIdbStore({ source, session: 1, clock, media }),
  };
  return runAsync(Kernel.boot(platform, { type: 'idbfs', source }));
}

/** Removes what was kept of a source. Nobody has it open. */
export async function removeStored(source: string): Promise<void> {
  await promisifyRequest(indexedDB.deleteDatabase(`burrow:${source}`));
  const root = await navigator.storage.getDirectory();
  await root.removeEntry('burrow-stores', { recursive: true }).catch(() => undefined);
}
