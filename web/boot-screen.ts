// What is on the page until the kernel runs, and why it doesn't if it fails.

import { byId, makeButton } from './ui/dom.ts';

export interface BootChoice {
  readonly label: string;
  readonly isDanger?: boolean;
}

/** The parts of the page that the screen covers. */
const COVERED = ['top', 'stopped', 'main', 'status'];

/** Shows the screen, or removes it. What it covers must not be reached with the keyboard either. */
function cover(isCovered: boolean): void {
  byId('boot').hidden = !isCovered;
  for (const id of COVERED) byId(id).inert = isCovered;
}

/** Says what is being waited for. */
export function showBooting(text: string): void {
  cover(true);
  byId('boot').dataset['state'] = 'booting';
  byId('boot-text').textContent = text;
  byId('boot-actions').replaceChildren();
}

/** Shows why the kernel did not start. Resolves to the index of the choice that is made. */
export function showBootFailure(message: string, choices: readonly BootChoice[]): Promise<number> {
  cover(true);
  byId('boot').dataset['state'] = 'failed';
  byId('boot-text').textContent = message;
  return new Promise((resolve) => {
    const buttons = choices.map((choice, index) =>
      makeButton(
        { text: choice.label, class: choice.isDanger === true ? 'danger' : 'primary' },
        () => {
          resolve(index);
        },
      ),
    );
    byId('boot-actions').replaceChildren(...buttons);
    buttons[0]?.focus();
  });
}

export function hideBootScreen(): void {
  cover(false);
}
