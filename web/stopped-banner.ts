// What the page says when its kernel has stopped. It lies above the rest and covers nothing: a text
// in the editor that isn't saved can still be copied.

import { KernelError } from '../src/index.ts';
import { byId, make, makeButton } from './ui/dom.ts';

/** True if there is no kernel any more: what failed will fail again. */
export function isKernelStopped(error: unknown): error is KernelError {
  return error instanceof KernelError && error.reason === 'stopped';
}

/** Says why the kernel has stopped, and what to do. `hasUnsavedText`: in the editor. */
export function showStopped(error: KernelError, hasUnsavedText: boolean): void {
  const reason = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  const advice =
    'Nothing can be run, read or saved until the page is reloaded. What was saved is kept.';
  const warning = ' The text in the editor is not saved: copy it first.';
  const banner = byId('stopped');
  // It has been said; saying it again would only disturb.
  if (!banner.hidden) return;
  banner.replaceChildren(
    make('p', { class: 'reason', text: reason }),
    make('p', { text: hasUnsavedText ? advice + warning : advice }),
    makeButton({ text: 'Reload', class: 'primary' }, () => {
      location.reload();
    }),
  );
  banner.hidden = false;
}
