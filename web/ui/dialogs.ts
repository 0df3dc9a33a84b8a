// Questions to the user, as modal dialogs. They resolve to null when they are dismissed.

import { make, makeButton } from './dom.ts';

export interface Choice {
  readonly label: string;
  readonly value: string;
  readonly tone?: 'primary' | 'danger';
}

/** Asks for one of `choices`; the first one has the focus. */
export function ask(
  title: string,
  text: string,
  choices: readonly Choice[],
): Promise<string | null> {
  return open(title, [make('p', { text })], choices, () => null).result;
}

/** Asks whether to do something that can't be undone. */
export async function confirm(title: string, text: string, action: string): Promise<boolean> {
  const answer = await ask(title, text, [
    { label: 'Cancel', value: 'cancel' },
    { label: action, value: 'do', tone: 'danger' },
  ]);
  return answer === 'do';
}

export interface PromptOptions {
  readonly title: string;
  readonly label: string;
  readonly action: string;
  readonly value?: string;
  /** Why the text can't be taken, or null. */
  check(text: string): string | null;
}

/** Asks for a line of text. */
export async function promptFor(options: PromptOptions): Promise<string | null> {
  const input = make('input', { attributes: { type: 'text', spellcheck: 'false' } });
  input.value = options.value ?? '';
  const problem = make('p', { class: 'problem', attributes: { role: 'alert' } });
  const label = make('label', { text: options.label, children: [input] });
  const { result, dialog } = open(
    options.title,
    [label, problem],
    [
      { label: options.action, value: 'do', tone: 'primary' },
      { label: 'Cancel', value: 'cancel' },
    ],
    (value) => {
      problem.textContent = value === 'do' ? options.check(input.value) : null;
      return problem.textContent === '' ? null : input;
    },
  );
  input.focus();
  // The name without its extension is what one usually changes.
  const dot = input.value.lastIndexOf('.');
  input.setSelectionRange(0, dot > 0 ? dot : input.value.length);
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    dialog.querySelector<HTMLButtonElement>('button.primary')?.click();
  });
  return (await result) === 'do' ? input.value : null;
}

interface OpenDialog {
  readonly dialog: HTMLDialogElement;
  readonly result: Promise<string | null>;
}

/** `check` gives the element to go back to if a choice can't be made, or null if it can. */
function open(
  title: string,
  body: readonly HTMLElement[],
  choices: readonly Choice[],
  check: (value: string) => HTMLElement | null,
): OpenDialog {
  const buttons = choices.map(({ label, value, tone }) =>
    makeButton({ text: label, class: tone ?? '' }, () => {
      const wrong = check(value);
      if (wrong === null) dialog.close(value);
      else wrong.focus();
    }),
  );
  const heading = make('h2', { text: title, attributes: { id: 'dialog-title' } });
  const dialog = make('dialog', {
    attributes: { 'aria-labelledby': 'dialog-title' },
    children: [heading, ...body, make('div', { class: 'buttons', children: buttons })],
  });
  const focused = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  buttons[0]?.focus();
  const result = new Promise<string | null>((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (focused instanceof HTMLElement) focused.focus();
      resolve(dialog.returnValue === '' ? null : dialog.returnValue);
    });
  });
  return { dialog, result };
}
