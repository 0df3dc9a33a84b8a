// RemoteDirectories: what the page has of gofers: the one that its address asks for, the dialog,
// and what is said when a link is given up.

import type { Kernel } from '../../src/index.ts';
import { ConnectDialog } from './connect-dialog.ts';
import { Gofers } from './gofers.ts';
import { describeTrouble, type RemoteMount } from './link-text.ts';

export interface RemoteDirectoriesEvents {
  /** Something was mounted or unmounted. */
  onChanged(): void;
  onMessage(text: string, tone: 'plain' | 'bad'): void;
  onFailure(error: unknown): void;
}

export class RemoteDirectories {
  readonly #gofers: Gofers;
  readonly #dialog: ConnectDialog;
  readonly #events: RemoteDirectoriesEvents;
  #mounts: readonly RemoteMount[] = [];

  constructor(kernel: Kernel, events: RemoteDirectoriesEvents) {
    this.#events = events;
    this.#gofers = new Gofers(kernel);
    this.#dialog = new ConnectDialog(this.#gofers, events);
  }

  /** Has a server what is at `path`? It may take long to answer, or never do it. */
  isRemote(path: string): boolean {
    return this.#mounts.some((mount) => path === mount.path || path.startsWith(`${mount.path}/`));
  }

  openDialog(): void {
    this.#dialog.open().catch((error: unknown) => {
      this.#events.onFailure(error);
    });
  }

  /** Mounts what the address asks for; if it can't be had, the dialog says why. */
  async followLink(): Promise<void> {
    const request = this.#gofers.takeLink();
    if (request === null) return;
    try {
      await this.#gofers.connect(request);
      const { path, source } = request;
      this.#events.onMessage(`Connected: ${path} is the folder at ${source}`, 'plain');
      this.#events.onChanged();
    } catch (error) {
      await this.#dialog.open({ request, error });
    }
  }

  /** Looks how the links are. Rejects if the kernel has died. */
  async refresh(): Promise<void> {
    const mounts = await this.#gofers.mounts();
    const before = new Map(this.#mounts.map(({ path, link }) => [path, link.state]));
    this.#mounts = mounts;
    if (this.#dialog.isOpen) await this.#dialog.refresh();
    for (const mount of mounts) {
      const hasFailed = mount.link.state === 'failed' && before.get(mount.path) !== 'failed';
      if (hasFailed) this.#events.onMessage(describeTrouble(mount), 'bad');
    }
  }
}
