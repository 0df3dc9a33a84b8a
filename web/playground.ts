// Puts the parts of the page together around a booted kernel.

import type { Kernel, Process, SpawnOptions } from '../src/index.ts';
import { coalesce } from './coalesce.ts';
import { EditorPane } from './editor/editor-pane.ts';
import { installDropZone } from './files/drop-zone.ts';
import { FileActions } from './files/file-actions.ts';
import { FileTree } from './files/file-tree.ts';
import type { Incoming } from './files/transfer.ts';
import { readChosen } from './files/transfer.ts';
import { spawnClang } from './install/clang-process.ts';
import { Installer } from './install/installer.ts';
import type { ProgramEntry } from './install/manifest.ts';
import { parseManifest } from './install/manifest.ts';
import { INSTALL_DIRECTORY } from './shell/command-lookup.ts';
import { describeError } from './shell/errors.ts';
import type { ShellHost } from './shell/host.ts';
import { baseName, parentPath } from './shell/paths.ts';
import { installHooks } from './install/working-directory.ts';
import { HOME, HistoryFile, runShells } from './shell-loop.ts';
import { RemoteDirectories } from './remote/remote-directories.ts';
import { StatusBar } from './status-bar.ts';
import { installStorageActions } from './storage-actions.ts';
import { isKernelStopped, showStopped } from './stopped-banner.ts';
import { Console } from './terminal/console.ts';
import { Screen } from './terminal/screen.ts';
import { byId, make, makeButton } from './ui/dom.ts';
import { makeIcon } from './ui/icons.ts';
import { showMenu } from './ui/menu.ts';
import { installSplitter } from './ui/splitter.ts';

/** How often changes made by programs are looked for. */
const POLL_INTERVAL_MS = 1000;
const BUSY_AFTER_MS = 3000;
const DIRECTORIES = ['/bin', '/tmp', HOME];

/** Below this width the file tree lies over the terminal instead of beside it. */
const NARROW = '(max-width: 720px)';

const BOLD = '\x1b[1m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

const WELCOME = [
  `${BOLD}Burrow${PLAIN}: a filesystem and a small kernel for WebAssembly programs, in this page.`,
  `${DIM}Programs are fetched when first used. Files stay in this browser. Try:${PLAIN}`,
  '',
  `  python -c 'open("hello.txt", "w").write("hi\\n")'  ${DIM}then reload the page, and${PLAIN}`,
  `  cat hello.txt && ls -l                            ${DIM}what you wrote is there${PLAIN}`,
  `  seq 1 1000 | rg 7 | wc -l > count.txt             ${DIM}click on count.txt to edit it${PLAIN}`,
  `  programs                                          ${DIM}lists what else there is${PLAIN}`,
  '',
  '',
].join('\n');

/** Resolves when the page can be used. */
export async function startPlayground(kernel: Kernel): Promise<Playground> {
  for (const directory of DIRECTORIES) await kernel.fs.mkdir(directory, { recursive: true });
  await installHooks(kernel.fs);
  const programs = await loadManifest();
  const playground = new Playground(kernel, programs);
  await playground.start();
  return playground;
}

/** The programs that can be had; none if the list can't be read, which is said then. */
async function loadManifest(): Promise<readonly ProgramEntry[] | Error> {
  try {
    const response = await fetch(new URL('./programs.json', import.meta.url));
    if (!response.ok) throw new Error(`the server answered ${String(response.status)}`);
    return parseManifest(await response.json());
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

class Playground {
  readonly #kernel: Kernel;
  readonly #status: StatusBar;
  readonly #console: Console;
  readonly #screen: Screen;
  readonly #tree: FileTree;
  readonly #editor: EditorPane;
  readonly #actions: FileActions;
  readonly #installer: Installer;
  readonly #history: HistoryFile;
  readonly #remote: RemoteDirectories;
  readonly #manifestError: Error | null;
  /** Shows what programs have changed. */
  readonly #refresh: () => void;
  /** The same of the text in the editor: its file may be one of a server that doesn't answer. */
  readonly #refreshEditor: () => void;
  /** Has the kernel commit what has changed. */
  readonly #save: () => void;
  #cwd = HOME;
  #poll: ReturnType<typeof setInterval> | undefined;

  constructor(kernel: Kernel, programs: readonly ProgramEntry[] | Error) {
    this.#kernel = kernel;
    this.#refresh = coalesce(() => this.#show());
    this.#refreshEditor = coalesce(() => this.#showText());
    // When a commit fails, the status bar says why.
    this.#save = coalesce(() => kernel.sync().catch(() => undefined));
    this.#manifestError = programs instanceof Error ? programs : null;
    this.#status = new StatusBar(kernel);
    this.#remote = new RemoteDirectories(kernel, {
      onChanged: () => {
        this.#refresh();
      },
      onMessage: (text, tone) => {
        this.#status.say(text, tone);
      },
      onFailure: (error) => {
        this.#onFailure(error);
      },
    });
    this.#screen = new Screen(byId('terminal'));
    this.#console = new Console(this.#screen);
    this.#history = new HistoryFile(kernel.fs);
    const entries = programs instanceof Error ? [] : programs;
    this.#installer = new Installer(entries, kernel.fs, this.#console, document.baseURI);
    this.#editor = new EditorPane(byId('editor'), kernel.fs, {
      onVisibility: (isVisible) => {
        byId('work').classList.toggle('has-editor', isVisible);
        if (!isVisible) this.#screen.focus();
      },
      onDownload: (path) => void this.#actions.download(path),
      onSaved: () => {
        this.#save();
      },
      onMessage: (text) => {
        this.#status.say(text, 'bad');
      },
    });
    this.#actions = new FileActions(kernel.fs, this.#status, {
      onCreated: (path) => {
        this.#tree.reveal(path).catch((error: unknown) => {
          this.#onFailure(error);
        });
      },
      onOpen: (path) => {
        this.#openFile(path);
      },
      onRenamed: (from, to) => {
        this.#editor.onRenamed(from, to);
      },
      onUpload: (directory) => {
        this.#chooseFiles(directory);
      },
    });
    this.#tree = new FileTree(byId('tree'), kernel.fs, {
      onOpen: ({ path }) => {
        this.#openFile(path);
      },
      onMenu: (node, x, y) => {
        showMenu(this.#actions.menuFor(node), x, y);
      },
      onRename: ({ path }) => void this.#actions.rename(path),
      onDelete: (node) => void this.#actions.remove(node),
      onFailure: (error) => {
        this.#onFailure(error);
      },
      isRemote: (path) => this.#remote.isRemote(path),
    });
  }

  async start(): Promise<void> {
    await this.#history.load();
    await this.#tree.expand('/');
    await this.#tree.reveal(HOME);
    await this.#tree.expand(HOME);
    this.#installToolbar();
    this.#installDropZones();
    this.#installSplitters();
    this.#installKeys();
    this.#installLeaving();
    installStorageActions(this.#kernel, this.#status);
    await this.#status.refresh();
    this.#poll = setInterval(() => {
      if (document.visibilityState === 'visible') this.#refresh();
    }, POLL_INTERVAL_MS);
    byId('status-remote').addEventListener('click', () => {
      this.#remote.openDialog();
    });
    await this.#console.write(WELCOME);
    if (this.#manifestError !== null) {
      await this.#console.write(`No programs: ${this.#manifestError.message}\n`);
    }
    this.#runShells();
    // Not waited for: the page works without, and a server may take its time.
    this.#remote.followLink().catch((error: unknown) => {
      this.#onFailure(error);
    });
  }

  /** The link to a gofer is another than before. */
  onLinkChange(): void {
    this.#refresh();
  }

  /** Goes to the terminal. */
  focus(): void {
    this.#screen.focus();
  }

  #runShells(): void {
    const events = {
      onState: (state: 'prompt' | 'running', cwd: string): void => {
        byId('terminal').dataset['state'] = state;
        this.#cwd = cwd;
        this.#tree.showWorkingDirectory(cwd);
        if (state !== 'prompt') return;
        this.#refresh();
        // Whoever sees the prompt takes the command for done, and may leave.
        this.#save();
      },
    };
    runShells(this.#console, this.#makeHost(), this.#history, events).catch((error: unknown) => {
      this.#status.say(`The terminal stopped: ${describeError(error)}`, 'bad');
    });
  }

  #makeHost(): ShellHost {
    return {
      fs: this.#kernel.fs,
      programs: this.#installer,
      spawn: (path, options) => this.#spawn(path, options),
      openTerminal: (options) => this.#console.openTerminal(options),
      write: (text) => this.#console.write(text),
      clear: () => {
        this.#console.clear();
      },
      size: () => this.#console.size(),
      history: () => this.#history.entries,
      clearHistory: () => {
        this.#history.clear();
      },
    };
  }

  #spawn(path: string, options: SpawnOptions): Promise<Process> {
    const name = parentPath(path) === INSTALL_DIRECTORY ? baseName(path) : '';
    if (this.#installer.entry(name)?.driver === 'clang') {
      return spawnClang(this.#kernel, path, options);
    }
    return this.#kernel.spawn(path, options);
  }

  async #show(): Promise<void> {
    const timer = setTimeout(() => {
      this.#status.showTrouble('the kernel is busy');
    }, BUSY_AFTER_MS);
    try {
      await Promise.all([this.#remote.refresh(), this.#status.refresh()]);
      this.#refreshEditor();
      await this.#tree.refresh();
    } catch (error) {
      this.#onFailure(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #showText(): Promise<void> {
    try {
      await this.#editor.refresh();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** The kernel did not answer. */
  #onFailure(error: unknown): void {
    this.#status.showTrouble(describeError(error));
    if (!isKernelStopped(error)) return;
    clearInterval(this.#poll);
    showStopped(error, this.#editor.isDirty);
  }

  #openFile(path: string): void {
    if (window.matchMedia(NARROW).matches) this.#showTree(false);
    void this.#editor.open(path);
  }

  #showTree(isShown: boolean): void {
    document.body.classList.toggle('hides-tree', !isShown);
    byId('toggle-tree').setAttribute('aria-expanded', String(isShown));
  }

  #installToolbar(): void {
    const toggle = byId('toggle-tree');
    toggle.append(makeIcon('panel'));
    toggle.addEventListener('click', () => {
      this.#showTree(document.body.classList.contains('hides-tree'));
    });
    const narrow = window.matchMedia(NARROW);
    narrow.addEventListener('change', () => {
      this.#showTree(!narrow.matches);
    });
    this.#showTree(!narrow.matches);
    // There the tree lies over what was clicked.
    byId('work').addEventListener('pointerdown', () => {
      if (narrow.matches) this.#showTree(false);
    });
    const here = (): string => this.#tree.selectedDirectory;
    byId('tree-tools').append(
      makeButton(
        { label: 'New file', children: [makeIcon('new-file')] },
        () => void this.#actions.newFile(here()),
      ),
      makeButton(
        { label: 'New folder', children: [makeIcon('new-folder')] },
        () => void this.#actions.newFolder(here()),
      ),
      makeButton({ label: 'Upload files', children: [makeIcon('upload')] }, () => {
        this.#chooseFiles(here());
      }),
      makeButton({ label: 'Connect a remote directory', children: [makeIcon('remote')] }, () => {
        this.#remote.openDialog();
      }),
    );
  }

  #installDropZones(): void {
    const onDrop = (incoming: Promise<Incoming[]>, directory: string): void => {
      incoming
        .then((files) => this.#actions.bring(files, directory))
        .catch((error: unknown) => {
          this.#status.say(`What was dropped could not be read: ${describeError(error)}`, 'bad');
        });
    };
    installDropZone(byId('terminal'), { directoryAt: () => this.#cwd, onDrop });
    installDropZone(byId('sidebar'), {
      directoryAt: (target) => {
        const node = this.#tree.nodeAt(target);
        if (node === null) return this.#cwd;
        return node.canExpand ? node.path : parentPath(node.path);
      },
      onDrop,
    });
    // A file dropped beside the zones would replace the page.
    for (const type of ['dragover', 'drop']) {
      window.addEventListener(type, (event) => {
        event.preventDefault();
      });
    }
  }

  /** What to do when the user leaves: perhaps for good, and without the kernel's next commit. */
  #installLeaving(): void {
    const save = (): void => {
      // Not coalesced: there may be no time to wait for a commit that is under way.
      this.#kernel.sync().catch(() => undefined);
    };
    window.addEventListener('beforeunload', (event) => {
      if (this.#editor.isDirty) event.preventDefault();
      // The earliest moment: the browser still asks for the next page, and the worker lives.
      save();
    });
    window.addEventListener('pagehide', save);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') save();
    });
  }

  #installSplitters(): void {
    const sidebar = byId('sidebar');
    installSplitter(byId('split-tree'), {
      axis: 'horizontal',
      property: '--tree-width',
      measure: () => sidebar.getBoundingClientRect().width,
      limit: () => window.innerWidth * 0.6,
    });
    const editor = byId('editor');
    installSplitter(byId('split-editor'), {
      axis: 'vertical',
      property: '--editor-height',
      measure: () => editor.getBoundingClientRect().height,
      limit: () => byId('work').getBoundingClientRect().height - 120,
    });
  }

  /**
   * F6 goes on to the next pane: in the terminal and the editor, Tab has another meaning. Ctrl-S
   * saves what is edited, wherever the focus is; the browser would save the page.
   */
  #installKeys(): void {
    window.addEventListener('keydown', (event) => {
      if (document.querySelector('dialog') !== null) return;
      const isSave = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 's';
      if (isSave && !event.defaultPrevented) {
        event.preventDefault();
        if (this.#editor.canSave) void this.#editor.save();
      }
      if (event.key !== 'F6') return;
      event.preventDefault();
      const { activeElement } = document;
      if (byId('tree').contains(activeElement) && this.#editor.focus()) return;
      if (byId('terminal').contains(activeElement)) {
        this.#showTree(true);
        this.#tree.focus();
      } else this.#screen.focus();
    });
  }

  #chooseFiles(directory: string): void {
    const input = make('input', { attributes: { type: 'file', multiple: '' } });
    input.addEventListener('change', () => {
      void this.#actions.bring(readChosen(input.files ?? []), directory);
    });
    input.click();
  }
}
