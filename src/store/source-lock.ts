// The lock on a source: a Web Lock held as long as the store is open, so that two tabs never write
// one database. The browser releases it when the tab or worker dies.

import { StoreError } from './store-error.ts';

/** The part of navigator.locks that is used. */
export interface LockManagerLike {
  request(
    name: string,
    options: LockOptions,
    callback: (lock: Lock | null) => Promise<void>,
  ): Promise<unknown>;
}

export interface SourceLock {
  /** Resolved when others can have it. */
  release(): Promise<void>;
}

/** One that was acquired before the store is opened. */
export interface HeldSourceLock extends SourceLock {
  /** Called when it was taken away while held. */
  onLost: () => void;
}

export interface SourceLockOptions {
  readonly locks: LockManagerLike;
  readonly source: string;
  /** 0: don't wait. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** The lock was taken away while held. */
  readonly onLost: () => void;
}

/** Errors: StoreError 'locked' after the timeout; the signal's reason; StoreError 'unavailable'. */
export async function acquireSourceLock(options: SourceLockOptions): Promise<SourceLock> {
  const { locks, source, timeoutMs, signal, onLost } = options;
  signal?.throwIfAborted();
  const waiting = new AbortController();
  const onAbort = (): void => {
    waiting.abort();
  };
  signal?.addEventListener('abort', onAbort);
  const timer = timeoutMs > 0 ? setTimeout(onAbort, timeoutMs) : undefined;
  const lockOptions: LockOptions =
    timeoutMs > 0 ? { mode: 'exclusive', signal: waiting.signal } : { ifAvailable: true };
  let lock: HeldSourceLock | undefined;
  try {
    lock = await requestLock(locks, `burrow:${source}`, lockOptions);
  } catch (error) {
    throw whyNot(options, { error, hasTimedOut: waiting.signal.aborted });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  if (lock === undefined) throw locked(options);
  lock.onLost = onLost;
  return lock;
}

/**
 * A Web Lock as something to hold; undefined if the options say not to wait, and somebody has it.
 * Errors: those of LockManager.request().
 */
export function requestLock(
  locks: LockManagerLike,
  name: string,
  options: LockOptions,
): Promise<HeldSourceLock | undefined> {
  return new Promise((resolve, reject) => {
    let held: HeldSourceLock | undefined;
    const hold = (lock: Lock | null): Promise<void> => {
      if (lock === null) {
        resolve(undefined);
        return Promise.resolve();
      }
      return new Promise((endHolding) => {
        const release = async (): Promise<void> => {
          endHolding();
          await request;
        };
        held = { release, onLost: () => undefined };
        resolve(held);
      });
    };
    const request = locks.request(name, options, hold).catch((error: unknown) => {
      if (held === undefined) reject(error);
      else held.onLost();
    });
  });
}

/** Why a lock was not given. */
function whyNot(
  options: SourceLockOptions,
  { error, hasTimedOut }: { error: unknown; hasTimedOut: boolean },
): unknown {
  if (options.signal?.aborted === true) return options.signal.reason;
  if (hasTimedOut) return locked(options);
  return new StoreError('unavailable', NO_LOCKS, { cause: error });
}

/** Said also where there are no locks at all. */
export const NO_LOCKS =
  'This browser refuses Web Locks, without which two tabs could write one filesystem and ruin ' +
  'it. Use a secure page (https or localhost) in a current browser.';

function locked({ source, timeoutMs }: SourceLockOptions): StoreError {
  return new StoreError(
    'locked',
    `Another tab or worker of this site has the filesystem "${source}" open ` +
      `(waited ${timeoutMs / 1000} s for it). Close it, or choose another source.`,
  );
}
