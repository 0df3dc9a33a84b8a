// The links to gofers as a list: how each is, and what can be done about it. What is on the page
// stays when it is brought up to date: the focus may be on a button.

import { make, makeButton } from '../ui/dom.ts';
import type { Gofers } from './gofers.ts';
import { describeLink, describeTraffic, type RemoteMount, sentence } from './link-text.ts';

export interface LinkListEvents {
  onChanged(): void;
  onFailure(error: unknown): void;
}

export class LinkList {
  readonly element = make('ul', {
    class: 'links',
    attributes: { 'aria-label': 'Connected remote directories' },
  });
  readonly #gofers: Gofers;
  readonly #events: LinkListEvents;
  readonly #items = new Map<string, LinkItem>();

  constructor(gofers: Gofers, events: LinkListEvents) {
    this.#gofers = gofers;
    this.#events = events;
  }

  show(mounts: readonly RemoteMount[]): void {
    const paths = new Set(mounts.map(({ path }) => path));
    for (const [path, item] of this.#items) {
      if (paths.has(path)) continue;
      item.element.remove();
      this.#items.delete(path);
    }
    for (const mount of mounts) this.#itemOf(mount).show(mount);
    this.element.hidden = mounts.length === 0;
  }

  #itemOf({ path }: RemoteMount): LinkItem {
    const known = this.#items.get(path);
    if (known !== undefined) return known;
    const item = new LinkItem(path, {
      onDisconnect: (mount) => this.#do(() => this.#gofers.disconnect(mount)),
      onReconnect: (mount) => this.#do(() => this.#gofers.reconnect(mount)),
    });
    this.#items.set(path, item);
    this.element.append(item.element);
    return item;
  }

  async #do(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#events.onFailure(error);
    }
    this.show(await this.#gofers.mounts());
    this.#events.onChanged();
  }
}

interface LinkItemEvents {
  readonly onDisconnect: (mount: RemoteMount) => Promise<void>;
  readonly onReconnect: (mount: RemoteMount) => Promise<void>;
}

class LinkItem {
  readonly element: HTMLLIElement;
  readonly #state = make('span', { class: 'state' });
  readonly #source = make('p', { class: 'source' });
  readonly #traffic = make('p', { class: 'hint' });
  readonly #reason = make('p', { class: 'reason' });
  readonly #reconnect: HTMLButtonElement;
  #mount: RemoteMount | undefined;

  constructor(path: string, { onDisconnect, onReconnect }: LinkItemEvents) {
    const button = (
      text: string,
      label: string,
      action: (mount: RemoteMount) => Promise<void>,
    ): HTMLButtonElement => {
      const made = makeButton({ text, attributes: { 'aria-label': label } }, () => {
        if (this.#mount === undefined) return;
        made.disabled = true;
        void action(this.#mount).finally(() => {
          made.disabled = false;
        });
      });
      return made;
    };
    this.#reconnect = button('Reconnect now', `Reconnect ${path} now`, onReconnect);
    const disconnect = button('Disconnect', `Disconnect ${path}`, onDisconnect);
    const name = make('strong', { text: path });
    this.element = make('li', {
      children: [
        make('p', { class: 'name', children: [name, this.#state] }),
        this.#source,
        this.#reason,
        this.#traffic,
        make('div', { class: 'buttons', children: [this.#reconnect, disconnect] }),
      ],
    });
  }

  show(mount: RemoteMount): void {
    this.#mount = mount;
    const { source, link } = mount;
    const { text, tone } = describeLink(link);
    setText(this.#state, text);
    this.#state.dataset['tone'] = tone;
    setText(this.#source, source);
    setText(this.#traffic, describeTraffic(link));
    setText(this.#reason, link.reason === null ? '' : sentence(link.reason));
    this.#reason.hidden = link.reason === null;
    this.#reconnect.hidden = link.state === 'connected';
  }
}

/** Touches the page only where something is new: a text may be marked to be copied. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
