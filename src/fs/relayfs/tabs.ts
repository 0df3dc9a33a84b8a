// Tabs: what the tabs of a site have in common: locks that go with a tab, and channels that every
// tab hears. The platform's are Web Locks and BroadcastChannel (worker/tabs.ts).

/** A lock this tab holds until it releases it or dies. */
export interface TabLock {
  /** Resolved when others can have it. */
  release(): Promise<void>;
  /** Called when it was taken away. */
  onLost: () => void;
}

export interface TabChannel {
  /** Every other channel of this name gets the message, in any tab. */
  post(message: unknown): void;
  /** Called with each message, never from inside post(). */
  onMessage: (message: unknown) => void;
  close(): void;
}

export interface Tabs {
  /** Of this kernel; no other has it. */
  readonly id: string;
  /** Waits for a lock. Errors: the signal's reason; StoreError where there are no locks. */
  lock(name: string, signal: AbortSignal): Promise<TabLock>;
  /** The lock if it is free. */
  tryLock(name: string): Promise<TabLock | undefined>;
  /** Names of locks that begin with `prefix` and that some tab holds. */
  heldLocks(prefix: string): Promise<string[]>;
  openChannel(name: string): TabChannel;
  /** At least 0 and below 1. */
  random(): number;
}
