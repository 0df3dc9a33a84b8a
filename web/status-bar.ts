// The bar at the bottom: isolation, storage, the last commit, links to gofers, persistence, and
// transfers.

import type { Kernel } from '../src/index.ts';
import { describeLinks, isRemote } from './remote/link-text.ts';
import { byId, make, makeButton } from './ui/dom.ts';
import { fractionOf } from './ui/format.ts';
import type { StatusText } from './ui/status-text.ts';
import {
  describeCommit,
  describeIsolation,
  describePersistence,
  describeStorage,
  joinCommits,
} from './ui/status-text.ts';

export class StatusBar {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    show('status-isolation', describeIsolation(kernel.isolation, globalThis.crossOriginIsolated));
    byId('status-persistence').addEventListener('click', () => {
      void this.#askPersistence();
    });
  }

  /** Asks kernel and browser how things are, and shows it. Rejects if the kernel has died. */
  async refresh(): Promise<void> {
    const [mounts, statfs, storage] = await Promise.all([
      this.#kernel.mounts(),
      this.#kernel.fs.statfs('/'),
      this.#kernel.storage(),
    ]);
    show('status-remote', describeLinks(mounts.filter(isRemote)));
    const commits = mounts.map((mount) => mount.commit).filter((commit) => commit !== null);
    const commit = joinCommits(commits);
    show('status-commit', describeCommit(commit));
    show('status-storage', describeStorage(statfs, storage, commit?.mirror ?? null));
    show('status-persistence', describePersistence(storage.persisted));
  }

  async #askPersistence(): Promise<void> {
    const isPersisted = await navigator.storage.persist();
    show('status-persistence', describePersistence(isPersisted));
    if (!isPersisted) {
      this.say('The browser did not agree to keep the files. Some do once the page is bookmarked.');
    }
  }

  /** Shows that the kernel does not answer, in place of the last commit. */
  showTrouble(text: string): void {
    const title = 'What the page shows may be out of date.';
    const [line = ''] = text.split('\n');
    show('status-commit', { text: line, title, tone: 'bad' });
  }

  /** Says something for as long as the user may need to read it. */
  say(text: string, tone: 'plain' | 'bad' = 'plain'): void {
    const line = make('div', { class: `toast ${tone}`, text, attributes: { role: 'status' } });
    const dismiss = (): void => {
      line.remove();
    };
    line.append(makeButton({ text: '×', label: 'Dismiss' }, dismiss));
    byId('toasts').append(line);
    if (tone === 'plain') setTimeout(dismiss, 6000);
  }

  /** A progress bar with a button to stop what it shows. */
  startProgress(label: string, onCancel: () => void): Progress {
    const bar = make('progress', { attributes: { max: '1', value: '0', 'aria-label': label } });
    const text = make('span', { text: label });
    const cancel = makeButton({ text: 'Cancel' }, onCancel);
    const line = make('div', { class: 'toast', children: [text, bar, cancel] });
    byId('toasts').append(line);
    return {
      update: (name, done, total) => {
        text.textContent = `${label}: ${name}`;
        bar.value = fractionOf(done, total);
      },
      end: () => {
        line.remove();
      },
    };
  }
}

export interface Progress {
  update(name: string, done: number, total: number): void;
  end(): void;
}

function show(id: string, status: StatusText): void {
  const element = byId(id);
  if (element.textContent !== status.text) element.textContent = status.text;
  element.title = status.title;
  element.dataset['tone'] = status.tone;
}
