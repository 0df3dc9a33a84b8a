// What the tabs of a site have in common, on the platform: Web Locks and BroadcastChannel.

import { assertDefined } from '../src/lib/assert.ts';
import type { TabChannel, TabLock, Tabs } from '../src/fs/relayfs/tabs.ts';
import { requestLock } from '../src/store/source-lock.ts';

/** Undefined where the browser lacks what it takes: then a store is one tab's at a time. */
export function openTabs(): Tabs | undefined {
  const { locks } = navigator as { readonly locks?: LockManager };
  if (locks === undefined || !('BroadcastChannel' in globalThis)) return undefined;
  return new PlatformTabs(locks);
}

class PlatformTabs implements Tabs {
  readonly id = crypto.randomUUID();
  readonly #locks: LockManager;

  constructor(locks: LockManager) {
    this.#locks = locks;
  }

  async lock(name: string, signal: AbortSignal): Promise<TabLock> {
    return assertDefined(await requestLock(this.#locks, name, { signal }));
  }

  tryLock(name: string): Promise<TabLock | undefined> {
    return requestLock(this.#locks, name, { ifAvailable: true });
  }

  async heldLocks(prefix: string): Promise<string[]> {
    const { held = [] } = await this.#locks.query();
    return held.flatMap(({ name = '' }) => (name.startsWith(prefix) ? [name] : []));
  }

  openChannel(name: string): TabChannel {
    return new PlatformChannel(name);
  }

  random(): number {
    return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
  }
}

class PlatformChannel implements TabChannel {
  onMessage: (message: unknown) => void = () => undefined;
  readonly #channel: BroadcastChannel;
  #isOpen = true;

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#isOpen) this.onMessage(data);
    };
  }

  post(message: unknown): void {
    if (this.#isOpen) this.#channel.postMessage(message);
  }

  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }
}
