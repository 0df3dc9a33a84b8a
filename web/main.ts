// The playground: boots a kernel and shows it.
//
// Switches in the address: ?isolation=inline runs programs in the kernel's worker; ?source=name
// chooses the store; ?gofer=ws://…#token=… mounts a remote directory (remote/gofer-link.ts).

import type { BootOptions, Kernel } from '../src/index.ts';
import { KernelError, boot } from '../src/index.ts';
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

/** Told of links, once there is something to show them. */
let onLinkChange: () => void = () => undefined;

function bootOptions(switches: Switches, onDataLoss: 'fail' | 'format'): BootOptions {
  const { source, isolation } = switches;
  return {
    onLinkChange: () => {
      onLinkChange();
    },
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
      if (hasReason(error, 'locked') || hasReason(error, 'damaged')) {
        const choice = await showBootFailure(message, [
          { label: 'Retry' },
          { label: 'Open another filesystem' },
        ]);
        if (choice === 1) goToOther(switches.source);
        continue;
      }
      if (!hasReason(error, 'data-loss')) {
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

/**
 * 'locked': another tab has the filesystem. 'damaged': it can't be read. 'data-loss': the browser
 * lost it, it can only go.
 */
function hasReason(error: unknown, reason: 'locked' | 'damaged' | 'data-loss'): boolean {
  return error instanceof KernelError && error.reason === reason;
}

/** Goes on with a filesystem that is named after `source`, and counted up. */
function goToOther(source: string): void {
  const [, name = source, number = '1'] = /^(.*)-(\d+)$/.exec(source) ?? [];
  const address = new URL(location.href);
  address.searchParams.set('source', `${name}-${String(Number(number) + 1)}`);
  location.assign(address);
}

async function main(): Promise<void> {
  const kernel = await bootKernel(readSwitches(location.href));
  globalThis.burrow = kernel;
  const playground = await startPlayground(kernel);
  onLinkChange = () => {
    playground.onLinkChange();
  };
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
