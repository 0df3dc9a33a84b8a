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
}

export class FileTree {
  readonly #element: HTMLElement;
  readonly #model: TreeModel;
  readonly #events: FileTreeEvents;
  #rows: readonly TreeRow[] = [];
  #selected = '/';
  /** Marked as the shell's working directory. */
  #cwd = '/';

  constructor(element: HTMLElement, fs: TreeFileSystem, events: FileTreeEvents) {
    this.#element = element;
    this.#model = new TreeModel(fs);
    this.#events = events;
    element.addEventListener('keydown', (event) => {
      this.#onKey(event);
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

  #render(): void {
    this.#rows = this.#model.rows();
    const hadFocus = this.#element.contains(document.activeElement);
    if (!this.#rows.some(({ node }) => node.path === this.#selected)) {
      this.#selected = this.#closestShown(this.#selected);
    }
    const { scrollTop } = this.#element;
    this.#element.replaceChildren(...this.#rows.flatMap((row) => this.#renderRow(row)));
    this.#element.scrollTop = scrollTop;
    if (hadFocus) this.#elementOf(this.#selected)?.focus();
  }

  #closestShown(path: string): string {
    for (let at = path; at !== '/'; at = parentPath(at)) {
      if (this.#rows.some(({ node }) => node.path === at)) return at;
    }
    return '/';
  }

  #renderRow(row: TreeRow): HTMLElement[] {
    const { node, level } = row;
    const isSelected = node.path === this.#selected;
    const name = make('span', { class: 'name', text: node.name });
    const target = make('span', { class: 'target', text: ` → ${node.target ?? ''}` });
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
        this.#events.onMenu(node, left, bottom);
      },
    );
    const twisty = make('span', { class: 'twisty', children: [makeIcon('chevron')] });
    const element = make('div', {
      class: `row kind-${node.kind}${node.path === this.#cwd ? ' cwd' : ''}`,
      attributes: {
        role: 'treeitem',
        'aria-level': String(level),
        'aria-posinset': String(row.position),
        'aria-setsize': String(row.siblingCount),
        'aria-selected': String(isSelected),
        'aria-label': node.target === null ? node.name : `${node.name}, link to ${node.target}`,
        'data-path': node.path,
        tabindex: isSelected ? '0' : '-1',
        title: node.path,
        ...(node.canExpand ? { 'aria-expanded': String(row.isExpanded) } : {}),
      },
      children: [
        twisty,
        makeIcon(node.kind),
        name,
        ...(node.target === null ? [] : [target]),
        actions,
      ],
    });
    element.style.setProperty('--level', String(level - 1));
    element.addEventListener('click', () => {
      this.#select(node.path);
      this.#activate(row);
    });
    if (row.note === null) return [element];
    const note = make('div', { class: 'note', text: row.note });
    note.style.setProperty('--level', String(level));
    return [element, note];
  }

  #activate(row: TreeRow): void {
    if (row.node.canExpand) this.#toggle(row);
    else this.#events.onOpen(row.node);
  }

  #toggle(row: TreeRow): void {
    const { path } = row.node;
    if (!row.isExpanded) void this.expand(path);
    else {
      this.#model.collapse(path);
      this.#render();
    }
  }

  #select(path: string): void {
    this.#selected = path;
    for (const row of this.#element.querySelectorAll<HTMLElement>('[data-path]')) {
      const isSelected = row.dataset['path'] === path;
      row.setAttribute('aria-selected', String(isSelected));
      row.tabIndex = isSelected ? 0 : -1;
    }
    this.#elementOf(path)?.focus();
  }

  #elementOf(path: string): HTMLElement | null {
    return this.#element.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
  }

  #onKey(event: KeyboardEvent): void {
    const index = this.#rows.findIndex(({ node }) => node.path === this.#selected);
    const row = this.#rows[index];
    if (row === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
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
