// The file tree on the page. WAI-ARIA: Tree View Pattern.

import { make, makeButton } from '../ui/dom.ts';
import { makeIcon } from '../ui/icons.ts';
import { parentPath } from '../shell/paths.ts';
import type { TreeFileSystem, TreeNode, TreeRow } from './tree-model.ts';
import { TreeModel } from './tree-model.ts';

export interface FileTreeEvents {
  /** A file was chosen. */
  onOpen(node: TreeNode): void;
  /** The menu of a node was asked for, at this point in the window. */
  onMenu(node: TreeNode, x: number, y: number): void;
  onRename(node: TreeNode): void;
  onDelete(node: TreeNode): void;
  /** A directory could not be read because there is no kernel any more. */
  onFailure(error: unknown): void;
  /** Has a server what is at this path? */
  isRemote(path: string): boolean;
}

export class FileTree {
  readonly #element: HTMLElement;
  readonly #model: TreeModel;
  readonly #events: FileTreeEvents;
  #rows: readonly TreeRow[] = [];
  /** The elements of the rows, by path. */
  #elements = new Map<string, HTMLElement>();
  #selected = '/';
  /** Marked as the shell's working directory. */
  #cwd = '/';

  constructor(element: HTMLElement, fs: TreeFileSystem, events: FileTreeEvents) {
    this.#element = element;
    this.#model = new TreeModel(fs, (path) => events.isRemote(path));
    this.#events = events;
    element.addEventListener('keydown', (event) => {
      this.#onKey(event);
    });
    // Whatever gives a row the focus, it is the one that keys act on.
    element.addEventListener('focusin', (event) => {
      const node = this.nodeAt(event.target);
      if (node !== null && node.path !== this.#selected) this.#mark(node.path);
    });
    element.addEventListener('contextmenu', (event) => {
      const node = this.nodeAt(event.target);
      if (node === null) return;
      event.preventDefault();
      const { left, bottom } = this.#elementOf(node.path)?.getBoundingClientRect() ?? new DOMRect();
      // From the keyboard, the event has no point.
      const isPointed = event.clientX > 0 || event.clientY > 0;
      this.#select(node.path);
      this.#events.onMenu(
        node,
        isPointed ? event.clientX : left,
        isPointed ? event.clientY : bottom,
      );
    });
  }

  /** The directory that new files belong in: the selected one, or the one of the selected file. */
  get selectedDirectory(): string {
    const row = this.#rows.find(({ node }) => node.path === this.#selected);
    if (row === undefined) return '/';
    return row.node.canExpand ? row.node.path : parentPath(row.node.path);
  }

  /** Selects `path`, which may have been made just now. */
  async reveal(path: string): Promise<void> {
    await this.#model.reveal(path);
    await this.#model.refresh();
    this.#selected = path;
    this.#render();
  }

  async expand(path: string): Promise<void> {
    await this.#model.expand(path);
    this.#render();
  }

  /** Looks for changes in the directories that are open. */
  async refresh(): Promise<void> {
    this.#model.refreshRemote().then(
      (hasChanged) => {
        if (hasChanged) this.#render();
      },
      (error: unknown) => {
        this.#events.onFailure(error);
      },
    );
    if (await this.#model.refresh()) this.#render();
  }

  showWorkingDirectory(path: string): void {
    if (this.#cwd === path) return;
    this.#cwd = path;
    this.#render();
  }

  focus(): void {
    this.#elementOf(this.#selected)?.focus();
  }

  /** The node of the row that an event happened in. */
  nodeAt(target: EventTarget | null): TreeNode | null {
    const row = target instanceof Element ? target.closest<HTMLElement>('[data-path]') : null;
    const path = row?.dataset['path'];
    return this.#rows.find(({ node }) => node.path === path)?.node ?? null;
  }

  /** Brings the page in line with the model. What stays is kept: a click may be under way on it. */
  #render(): void {
    this.#rows = this.#model.rows();
    if (!this.#rows.some(({ node }) => node.path === this.#selected)) {
      this.#selected = this.#closestShown(this.#selected);
    }
    const before = this.#elements;
    this.#elements = new Map();
    for (const row of this.#rows) {
      const { path } = row.node;
      const element = before.get(path) ?? this.#makeRow(path);
      this.#elements.set(path, element);
      this.#showRow(element, row);
    }
    const shown = this.#rows.flatMap((row) => this.#withNote(row));
    const hadFocus = this.#element.contains(document.activeElement);
    this.#place(shown);
    const selected = this.#elementOf(this.#selected);
    if (hadFocus && selected?.contains(document.activeElement) !== true) selected?.focus();
  }

  /** Makes these the children, and touches only those that come, go or move. */
  #place(shown: readonly HTMLElement[]): void {
    const kept = new Set<Element>(shown);
    const { children } = this.#element;
    for (const child of [...children]) if (!kept.has(child)) child.remove();
    for (const [at, each] of shown.entries()) {
      if (children[at] !== each) this.#element.insertBefore(each, children[at] ?? null);
    }
  }

  #closestShown(path: string): string {
    for (let at = path; at !== '/'; at = parentPath(at)) {
      if (this.#rows.some(({ node }) => node.path === at)) return at;
    }
    return '/';
  }

  /** The element of a row, and of what is said below it. */
  #withNote(row: TreeRow): HTMLElement[] {
    const element = this.#elementOf(row.node.path);
    if (element === null) return [];
    if (row.note === null) return [element];
    const note = make('div', { class: 'note', text: row.note });
    note.style.setProperty('--level', String(row.level));
    return [element, note];
  }

  #makeRow(path: string): HTMLElement {
    const element = make('div', { attributes: { role: 'treeitem', 'data-path': path } });
    element.addEventListener('click', () => {
      const row = this.#rows.find(({ node }) => node.path === path);
      if (row === undefined) return;
      this.#select(path);
      this.#activate(row);
    });
    return element;
  }

  /** Gives a row's element what the row says. */
  #showRow(element: HTMLElement, row: TreeRow): void {
    const { node, level } = row;
    const isSelected = node.path === this.#selected;
    const label = node.target === null ? node.name : `${node.name}, link to ${node.target}`;
    element.className = `row kind-${node.kind}${node.path === this.#cwd ? ' cwd' : ''}`;
    element.ariaLevel = String(level);
    element.ariaPosInSet = String(row.position);
    element.ariaSetSize = String(row.siblingCount);
    element.ariaSelected = String(isSelected);
    element.ariaExpanded = node.canExpand ? String(row.isExpanded) : null;
    element.tabIndex = isSelected ? 0 : -1;
    element.style.setProperty('--level', String(level - 1));
    const what = `${node.kind} ${label}`;
    if (element.dataset['what'] === what) return;
    element.dataset['what'] = what;
    element.ariaLabel = label;
    element.title = node.path;
    element.replaceChildren(...this.#contentOf(node));
  }

  #contentOf(node: TreeNode): Node[] {
    const twisty = make('span', { class: 'twisty', children: [makeIcon('chevron')] });
    const name = make('span', { class: 'name', text: onOneLine(node.name) });
    const target = make('span', {
      class: 'target',
      text: ` → ${onOneLine(node.target ?? '')}`,
    });
    const actions = makeButton(
      {
        class: 'actions',
        label: `Actions for ${node.name}`,
        attributes: { tabindex: '-1' },
        children: [makeIcon('more')],
      },
      (event) => {
        event.stopPropagation();
        this.#select(node.path);
        const { left, bottom } = actions.getBoundingClientRect();
        this.#openMenu(node.path, left, bottom);
      },
    );
    const parts = [twisty, makeIcon(node.kind), name];
    return node.target === null ? [...parts, actions] : [...parts, target, actions];
  }

  #openMenu(path: string, x: number, y: number): void {
    const row = this.#rows.find(({ node }) => node.path === path);
    if (row !== undefined) this.#events.onMenu(row.node, x, y);
  }

  #activate(row: TreeRow): void {
    if (row.node.canExpand) this.#toggle(row);
    else this.#events.onOpen(row.node);
  }

  #toggle(row: TreeRow): void {
    const { path } = row.node;
    if (!row.isExpanded) {
      this.expand(path).catch((error: unknown) => {
        this.#events.onFailure(error);
      });
    } else {
      this.#model.collapse(path);
      this.#render();
    }
  }

  #select(path: string): void {
    this.#mark(path);
    this.#elementOf(path)?.focus();
  }

  /** Makes `path` the selected row, wherever the focus is. */
  #mark(path: string): void {
    this.#selected = path;
    for (const [each, row] of this.#elements) {
      const isSelected = each === path;
      row.ariaSelected = String(isSelected);
      row.tabIndex = isSelected ? 0 : -1;
    }
  }

  #elementOf(path: string): HTMLElement | null {
    return this.#elements.get(path) ?? null;
  }

  #onKey(event: KeyboardEvent): void {
    const index = this.#rows.findIndex(({ node }) => node.path === this.#selected);
    const row = this.#rows[index];
    if (row === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    // A button in the row has a use of its own for Enter.
    if (event.target !== this.#elementOf(this.#selected)) return;
    const { node } = row;
    const last = this.#rows.length - 1;
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => {
        this.#selectRow(Math.min(index + 1, last));
      },
      ArrowUp: () => {
        this.#selectRow(Math.max(index - 1, 0));
      },
      Home: () => {
        this.#selectRow(0);
      },
      End: () => {
        this.#selectRow(last);
      },
      ArrowRight: () => {
        if (node.canExpand && !row.isExpanded) this.#toggle(row);
        else if (node.canExpand) this.#selectRow(Math.min(index + 1, last));
      },
      ArrowLeft: () => {
        if (row.isExpanded) this.#toggle(row);
        else this.#select(parentPath(node.path));
      },
      Enter: () => {
        this.#activate(row);
      },
      F2: () => {
        this.#events.onRename(node);
      },
      Delete: () => {
        this.#events.onDelete(node);
      },
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  #selectRow(index: number): void {
    const row = this.#rows[index];
    if (row !== undefined) this.#select(row.node.path);
  }
}

/** A name on one line, as `ls` shows it on a terminal. */
function onOneLine(name: string): string {
  return name.replace(/\p{Cc}/gu, '?');
}
