// The dialog of remote directories: those that are connected, and a form to connect another one.

import { describeError } from '../shell/errors.ts';
import { make, makeButton } from '../ui/dom.ts';
import type { Gofers } from './gofers.ts';
import {
  CACHE_MODES,
  type CacheMode,
  DEFAULT_CACHE,
  type GoferRequest,
  splitSource,
} from './gofer-link.ts';
import { LinkList } from './link-list.ts';
import { adviseOn, CACHE_TEXTS, sentence, withoutSource } from './link-text.ts';

const PLACEHOLDER = 'ws://127.0.0.1:5640/#token=…';
const INTRO =
  'A folder of another machine, or of this one, in the page’s tree. There: ' +
  'npx burrowfs gofer FOLDER. It prints the address to paste here.';

export interface ConnectDialogEvents {
  /** Something was connected or disconnected. */
  onChanged(): void;
}

/** What the dialog opens with, where somebody has asked for a gofer already. */
export interface Refused {
  readonly request: GoferRequest;
  readonly error: unknown;
}

export class ConnectDialog {
  readonly #gofers: Gofers;
  readonly #events: ConnectDialogEvents;
  readonly #list: LinkList;
  readonly #dialog: HTMLDialogElement;
  readonly #source = makeInput('text', { placeholder: PLACEHOLDER });
  readonly #token = makeInput('password', { placeholder: 'if it isn’t in the address' });
  readonly #path = makeInput('text', {});
  readonly #cache = make('select', {
    children: CACHE_MODES.map((mode) =>
      make('option', { text: mode, attributes: { value: mode } }),
    ),
  });
  readonly #cacheText = make('p', { class: 'hint' });
  readonly #problem = make('p', { class: 'problem', attributes: { role: 'alert' } });
  readonly #advice = make('p', { class: 'hint advice' });
  readonly #submit = make('button', {
    class: 'primary',
    text: 'Connect',
    attributes: { type: 'submit' },
  });
  #focused: Element | null = null;

  constructor(gofers: Gofers, events: ConnectDialogEvents) {
    this.#gofers = gofers;
    this.#events = events;
    this.#list = new LinkList(gofers, {
      onChanged: () => {
        events.onChanged();
      },
      onFailure: (error) => {
        this.#show(error, '');
      },
    });
    const heading = make('h2', { text: 'Remote directories', attributes: { id: 'remote-title' } });
    this.#dialog = make('dialog', {
      class: 'remote',
      attributes: { 'aria-labelledby': 'remote-title' },
      children: [heading, this.#list.element, this.#makeForm()],
    });
    this.#dialog.addEventListener('close', () => {
      this.#dialog.remove();
      if (this.#focused instanceof HTMLElement) this.#focused.focus();
    });
    this.#cache.addEventListener('change', () => {
      this.#explainCache();
    });
    this.#source.addEventListener('change', () => {
      this.#takeToken();
    });
  }

  get isOpen(): boolean {
    return this.#dialog.open;
  }

  /** `refused`: fills the form in, and says why that gofer could not be had. */
  async open(refused?: Refused): Promise<void> {
    if (this.isOpen) return;
    const {
      source = '',
      token = '',
      path = await this.#gofers.freePlace(),
      cache = DEFAULT_CACHE,
    } = refused?.request ?? {};
    this.#source.value = source;
    this.#token.value = token;
    this.#path.value = path;
    this.#cache.value = cache;
    this.#explainCache();
    this.#clear();
    await this.refresh();
    this.#focused = document.activeElement;
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#source.focus();
    if (refused !== undefined) this.#show(refused.error, source);
  }

  /** Brings the list of links up to date. Rejects if the kernel has died. */
  async refresh(): Promise<void> {
    this.#list.show(await this.#gofers.mounts());
  }

  #makeForm(): HTMLFormElement {
    const place = make('div', {
      class: 'fields',
      children: [labelled('Mount point', this.#path), labelled('Cache', this.#cache)],
    });
    const close = makeButton({ text: 'Close' }, () => {
      this.#dialog.close();
    });
    const form = make('form', {
      attributes: { 'aria-label': 'Connect a remote directory', novalidate: '' },
      children: [
        make('h3', { text: 'Connect a directory' }),
        make('p', { class: 'hint', text: INTRO }),
        labelled('Address', this.#source),
        labelled('Token', this.#token),
        place,
        this.#cacheText,
        this.#problem,
        this.#advice,
        make('div', { class: 'buttons', children: [this.#submit, close] }),
      ],
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#connect();
    });
    return form;
  }

  #explainCache(): void {
    this.#cacheText.textContent = CACHE_TEXTS[this.#cache.value as CacheMode];
  }

  /** A whole address was pasted: its token goes where nobody reads it over a shoulder. */
  #takeToken(): void {
    const { source, token } = splitSource(this.#source.value);
    this.#source.value = source;
    if (token !== '') this.#token.value = token;
  }

  async #connect(): Promise<void> {
    if (this.#submit.disabled) return;
    this.#takeToken();
    const request: GoferRequest = {
      source: this.#source.value,
      token: this.#token.value,
      path: this.#path.value.trim(),
      cache: this.#cache.value,
    };
    this.#clear();
    this.#submit.disabled = true;
    this.#submit.textContent = 'Connecting…';
    try {
      await this.#gofers.connect(request);
      this.#source.value = this.#token.value = '';
      this.#path.value = await this.#gofers.freePlace();
      await this.refresh();
      this.#events.onChanged();
    } catch (error) {
      this.#show(error, request.source);
    } finally {
      this.#submit.disabled = false;
      this.#submit.textContent = 'Connect';
      // A button that is disabled loses the focus.
      if (!this.#dialog.contains(document.activeElement)) this.#source.focus();
    }
  }

  #clear(): void {
    this.#problem.textContent = '';
    this.#advice.textContent = '';
  }

  #show(error: unknown, source: string): void {
    const message = withoutSource(describeError(error), source);
    this.#problem.textContent = sentence(message);
    this.#advice.textContent = adviseOn(message, source, location.origin);
    if (this.isOpen) this.#problem.scrollIntoView({ block: 'nearest' });
  }
}

function makeInput(type: string, attributes: Readonly<Record<string, string>>): HTMLInputElement {
  const common = { type, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off' };
  return make('input', { attributes: { ...common, ...attributes } });
}

function labelled(text: string, control: HTMLElement): HTMLLabelElement {
  return make('label', { text, children: [control] });
}
