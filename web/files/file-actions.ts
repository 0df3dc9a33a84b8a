// What the buttons and menus of the file tree do.

import type { FileSystem } from '../../src/index.ts';
import { describeError } from '../shell/errors.ts';
import { baseName, joinPath, parentPath } from '../shell/paths.ts';
import type { StatusBar } from '../status-bar.ts';
import { confirm, promptFor } from '../ui/dialogs.ts';
import type { MenuItem } from '../ui/menu.ts';
import type { Incoming } from './transfer.ts';
import { downloadFile, findExisting, writeIncoming } from './transfer.ts';
import type { TreeNode } from './tree-model.ts';

const NAME_MAX_BYTES = 255;

export interface FileActionEvents {
  /** A file was made; it may be shown. */
  onCreated(path: string): void;
  onOpen(path: string): void;
  onRenamed(from: string, to: string): void;
  /** Asks the user for files to bring into a directory. */
  onUpload(directory: string): void;
}

export class FileActions {
  readonly #fs: FileSystem;
  readonly #status: StatusBar;
  readonly #events: FileActionEvents;

  constructor(fs: FileSystem, status: StatusBar, events: FileActionEvents) {
    this.#fs = fs;
    this.#status = status;
    this.#events = events;
  }

  menuFor(node: TreeNode): MenuItem[] {
    const { path } = node;
    const copyPath = { label: 'Copy path', run: () => void this.#copyPath(path) };
    const change: MenuItem[] =
      path === '/'
        ? []
        : [
            { label: 'Rename…', run: () => void this.rename(path) },
            { label: 'Delete…', isDanger: true, run: () => void this.remove(node) },
          ];
    if (node.canExpand) {
      return [
        { label: 'New file…', run: () => void this.newFile(path) },
        { label: 'New folder…', run: () => void this.newFolder(path) },
        {
          label: 'Upload files…',
          run: () => {
            this.#events.onUpload(path);
          },
        },
        copyPath,
        ...change,
      ];
    }
    return [
      {
        label: 'Open',
        run: () => {
          this.#events.onOpen(path);
        },
      },
      { label: 'Download', run: () => void this.download(path) },
      copyPath,
      ...change,
    ];
  }

  async #copyPath(path: string): Promise<void> {
    // The browser may not permit it, or have no clipboard for this page.
    await this.#attempt('The path was not copied', () => navigator.clipboard.writeText(path));
  }

  async newFile(directory: string): Promise<void> {
    const name = await this.#askName('New file', `Name, in ${directory}`, 'Create', '');
    if (name === null) return;
    const path = joinPath(directory, name);
    await this.#attempt(`${name} was not made`, async () => {
      await this.#fs.writeFile(path, '', { flag: 'wx' });
      this.#events.onCreated(path);
      this.#events.onOpen(path);
    });
  }

  async newFolder(directory: string): Promise<void> {
    const name = await this.#askName('New folder', `Name, in ${directory}`, 'Create', '');
    if (name === null) return;
    const path = joinPath(directory, name);
    await this.#attempt(`${name} was not made`, async () => {
      await this.#fs.mkdir(path);
      this.#events.onCreated(path);
    });
  }

  async rename(path: string): Promise<void> {
    if (path === '/') return;
    const old = baseName(path);
    const name = await this.#askName(`Rename ${old}`, 'New name', 'Rename', old);
    if (name === null || name === old) return;
    const target = joinPath(parentPath(path), name);
    await this.#attempt(`${old} was not renamed`, async () => {
      const existing = await this.#fs.lstat(target).catch(() => null);
      if (existing !== null) throw new Error(`there is already something named ${name}`);
      await this.#fs.rename(path, target);
      this.#events.onRenamed(path, target);
      this.#events.onCreated(target);
    });
  }

  async remove(node: TreeNode): Promise<void> {
    // The root itself can't go, but all that is in it could.
    if (node.path === '/') return;
    const isDirectory = node.kind === 'directory';
    const what = isDirectory ? 'The directory and everything in it' : 'It';
    const isSure = await confirm(
      `Delete ${node.name}?`,
      `${what} will be gone for good.`,
      'Delete',
    );
    if (!isSure) return;
    await this.#attempt(`${node.name} was not deleted`, async () => {
      if (!isDirectory) {
        await this.#fs.unlink(node.path);
        return;
      }
      await this.#checkNotMounted(node.path);
      await this.#fs.rm(node.path, { recursive: true });
    });
    this.#events.onCreated(parentPath(node.path));
  }

  /** A mount point can't go, but all that is in it could, before that is found out. */
  async #checkNotMounted(path: string): Promise<void> {
    const { dev } = await this.#fs.lstat(path);
    const parent = await this.#fs.lstat(parentPath(path));
    if (dev !== parent.dev) throw new Error('a filesystem is mounted there');
  }

  async download(path: string): Promise<void> {
    await this.#attempt(`${baseName(path)} could not be read`, () => downloadFile(path, this.#fs));
  }

  /** Writes files that come from outside, after asking about those that exist. */
  async bring(incoming: readonly Incoming[], directory: string): Promise<void> {
    if (incoming.length === 0) return;
    const existing = await findExisting(incoming, directory, this.#fs);
    if (existing.length > 0 && !(await this.#mayReplace(existing))) return;
    const abort = new AbortController();
    const progress = this.#status.startProgress('Copying', () => {
      abort.abort(new Error('it was cancelled'));
    });
    await this.#attempt('Not everything was copied', () =>
      writeIncoming(incoming, directory, this.#fs, {
        signal: abort.signal,
        onProgress: ({ name, doneBytes, totalBytes }) => {
          progress.update(name, doneBytes, totalBytes);
        },
      }),
    );
    progress.end();
    const [first] = incoming;
    if (first !== undefined) this.#events.onCreated(joinPath(directory, firstComponent(first)));
  }

  #mayReplace(existing: readonly string[]): Promise<boolean> {
    const [first = ''] = existing;
    const title =
      existing.length === 1 ? `Replace ${first}?` : `Replace ${String(existing.length)} files?`;
    return confirm(title, 'What they hold now is lost.', 'Replace');
  }

  #askName(title: string, label: string, action: string, value: string): Promise<string | null> {
    return promptFor({ title, label, action, value, check: checkName });
  }

  /** Runs `action`; a failure is told to the user. */
  async #attempt(failure: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#status.say(`${failure}: ${describeError(error)}`, 'bad');
    }
  }
}

function firstComponent(incoming: Incoming): string {
  return incoming.path.split('/')[0] ?? '';
}

/** Why `name` can't be a file's name, or null. */
function checkName(name: string): string | null {
  if (name === '') return 'A name is needed.';
  if (name === '.' || name === '..') return `“${name}” has a meaning of its own.`;
  if (name.includes('/')) return 'A name can’t contain a slash.';
  if (new TextEncoder().encode(name).length > NAME_MAX_BYTES) return 'The name is too long.';
  return null;
}
