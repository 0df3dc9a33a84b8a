// The playground: boots a kernel and shows it.
//
// Switches in the address: ?isolation=inline runs programs in the kernel's worker; ?source=name
// chooses the store.

import type { BootOptions, Kernel } from '../src/index.ts';
import { boot } from '../src/index.ts';
import { hideBootScreen, showBootFailure, showBooting } from './boot-screen.ts';
import { startPlayground } from './playground.ts';

declare global {
  // Lets a user, or a test, work with the kernel from the browser's console.
  var burrow: Kernel | undefined;
}

const DEFAULT_SOURCE = 'playground';

interface Switches {
  readonly source: string;
  readonly isolation: BootOptions['isolation'];
}

function readSwitches(address: string): Switches {
  const { searchParams } = new URL(address);
  const isolation = searchParams.get('isolation');
  return {
    source: searchParams.get('source') ?? DEFAULT_SOURCE,
    isolation: isolation === 'inline' || isolation === 'worker' ? isolation : undefined,
  };
}

function bootOptions(switches: Switches, onDataLoss: 'fail' | 'format'): BootOptions {
  const { source, isolation } = switches;
  return {
    mounts: { '/': { type: 'idbfs', source, options: { onDataLoss } } },
    ...(isolation === undefined ? {} : { isolation }),
  };
}

/** Boots until it works; each failure is shown, and the user decides how to go on. */
async function bootKernel(switches: Switches): Promise<Kernel> {
  let onDataLoss: 'fail' | 'format' = 'fail';
  for (;;) {
    showBooting(`Opening the filesystem “${switches.source}”…`);
    try {
      return await boot(bootOptions(switches, onDataLoss));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      onDataLoss = 'fail';
      if (!isDataLoss(error)) {
        await showBootFailure(message, [{ label: 'Retry' }]);
        continue;
      }
      const choice = await showBootFailure(message, [
        { label: 'Retry' },
        { label: 'Start with an empty filesystem', isDanger: true },
      ]);
      if (choice === 1) onDataLoss = 'format';
    }
  }
}

/** True if the browser lost the database: starting afresh is then all that can be done. */
function isDataLoss(error: unknown): boolean {
  return error instanceof Error && 'reason' in error && error.reason === 'data-loss';
}

async function main(): Promise<void> {
  const kernel = await bootKernel(readSwitches(location.href));
  globalThis.burrow = kernel;
  const playground = await startPlayground(kernel);
  hideBootScreen();
  playground.focus();
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  void showBootFailure(`The playground stopped: ${message}`, [{ label: 'Reload' }]).then(() => {
    location.reload();
  });
  throw error;
});
