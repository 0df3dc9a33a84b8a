// What is on the page until the kernel runs, and why it doesn't if it fails.

import { byId, makeButton } from './ui/dom.ts';

export interface BootChoice {
  readonly label: string;
  readonly isDanger?: boolean;
}

/** Says what is being waited for. */
export function showBooting(text: string): void {
  const screen = byId('boot');
  screen.hidden = false;
  screen.dataset['state'] = 'booting';
  byId('boot-text').textContent = text;
  byId('boot-actions').replaceChildren();
}

/** Shows why the kernel did not start. Resolves to the index of the choice that is made. */
export function showBootFailure(message: string, choices: readonly BootChoice[]): Promise<number> {
  const screen = byId('boot');
  screen.hidden = false;
  screen.dataset['state'] = 'failed';
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
  byId('boot').hidden = true;
}
