// The kernel worker: owns all filesystem state. The page reaches it through comlink.

import { expose } from 'comlink';
import { KernelHost } from './kernel-host.ts';

/** The name of the message that says the kernel has stopped because of a bug. */
const PANIC = 'burrow-panic';
/** The name of the message that says which lock this worker holds while it lives. */
const ALIVE = 'burrow-alive';

function panic(error: unknown): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error('burrow: the kernel has stopped', error);
  postMessage({ type: PANIC, message });
  close();
}

addEventListener('unhandledrejection', (event) => {
  panic(event.reason);
});

expose(new KernelHost(panic));

// Where there are no locks, a page learns of the worker's death only by its errors.
if ('locks' in navigator) {
  const lock = `burrow-kernel:${crypto.randomUUID()}`;
  void navigator.locks.request(lock, () => {
    postMessage({ type: ALIVE, lock });
    return new Promise<never>(() => undefined);
  });
}
