// What the browser says of the storage of this origin, on the page's side: Chromium's workers can't
// ask it to keep it.

import type { MountSpec } from '../src/api.ts';
import type { StorageInfo } from '../src/api-storage.ts';

/** Old browsers, and pages that are not secure, lack some of it or all. */
function storageManager(): Partial<StorageManager> {
  return (navigator as { readonly storage?: StorageManager }).storage ?? {};
}

/** The answer, once the browser was asked. */
let asked: Promise<unknown> | undefined;

/**
 * Asks the browser to keep what is stored, if there is something to be stored and it wasn't asked
 * before. Some browsers decide by themselves, some ask the user: nobody waits for it.
 */
export function askToPersist(mounts: Iterable<MountSpec>): void {
  if (asked !== undefined || ![...mounts].some(({ type }) => type === 'idbfs')) return;
  const storage = storageManager();
  asked = Promise.resolve(storage.persist?.()).catch(() => false);
}

export async function storageInfo(): Promise<StorageInfo> {
  const storage = storageManager();
  // A browser that refuses to tell doesn't tell.
  const [persisted, estimate] = await Promise.all([
    Promise.resolve(storage.persisted?.()).catch(() => undefined),
    Promise.resolve(storage.estimate?.()).catch(() => undefined),
  ]);
  return {
    persisted: persisted ?? null,
    usedBytes: estimate?.usage ?? null,
    quotaBytes: estimate?.quota ?? null,
  };
}
