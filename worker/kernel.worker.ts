// The kernel worker: owns all filesystem state. The page reaches it through comlink.

import { expose } from 'comlink';
import { KernelHost } from './kernel-host.ts';

/** The name of the message that says the kernel has stopped because of a bug. */
const PANIC = 'burrow-panic';

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
