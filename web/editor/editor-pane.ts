// The pane that shows one file: its name, whether it is saved, the text or why there is none.

import type { FileSystem, Stats } from '../../src/index.ts';
import { describeError, nullIfFsError } from '../shell/errors.ts';
import { baseName, isWithin } from '../shell/paths.ts';
import { ask } from '../ui/dialogs.ts';
import { make, makeButton } from '../ui/dom.ts';
import { formatBytes } from '../ui/format.ts';
import { makeIcon } from '../ui/icons.ts';
import { TextEditor } from './text-editor.ts';
import type { LanguageName, LineSeparator } from './text-file.ts';
import { EDITABLE_MAX, decodeText, languageOf } from './text-file.ts';

export type EditorFileSystem = Pick<FileSystem, 'readFile' | 'stat' | 'writeFile'>;

export interface EditorPaneEvents {
  /** The pane appeared or went away. */
  onVisibility(isVisible: boolean): void;
  onDownload(path: string): void;
  /** A file was written. */
  onSaved(): void;
  /** Something the user should know. */
  onMessage(text: string): void;
}

/** The file being edited. */
interface OpenFile {
  path: string;
  /** The file's time when it was read or saved: another means that somebody else wrote it. */
  mtimeNs: bigint;
}

export class EditorPane {
  readonly #fs: EditorFileSystem;
  readonly #events: EditorPaneEvents;
  readonly #name = make('span', { class: 'file-name' });
  readonly #dirty = make('span', {
    class: 'dirty',
    text: '●',
    attributes: { role: 'img', 'aria-label': 'not saved', title: 'not saved' },
  });
  readonly #gone = make('span', { class: 'gone', text: '(deleted)' });
  readonly #saveButton: HTMLButtonElement;
  readonly #message = make('div', { class: 'message' });
  readonly #body = make('div', { class: 'text' });
  readonly #editor: TextEditor;
  /** What is shown: a file in the editor, or a path with a message. */
  #file: OpenFile | null = null;
  #path: string | null = null;
  #isDirty = false;
  #isSaving = false;
  /** Somebody removed the file; saving makes it anew. */
  #isGone = false;

  constructor(element: HTMLElement, fs: EditorFileSystem, events: EditorPaneEvents) {
    this.#fs = fs;
    this.#events = events;
    this.#saveButton = makeButton(
      { label: 'Save (Ctrl-S)', children: [makeIcon('save')] },
      () => void this.save(),
    );
    const download = makeButton({ label: 'Download', children: [makeIcon('download')] }, () => {
      if (this.#path !== null) this.#events.onDownload(this.#path);
    });
    const close = makeButton(
      { label: 'Close', children: [makeIcon('close')] },
      () => void this.close(),
    );
    const title = make('h2', { children: [this.#name, this.#gone, this.#dirty] });
    const buttons = make('div', { children: [this.#saveButton, download, close] });
    const header = make('header', { children: [title, buttons] });
    element.append(header, this.#message, this.#body);
    this.#editor = new TextEditor(this.#body, {
      onChange: () => {
        this.#updateDirty();
      },
      onSave: () => void this.save(),
    });
  }

  get isDirty(): boolean {
    return this.#isDirty;
  }

  get canSave(): boolean {
    return !this.#saveButton.disabled;
  }

  /** Goes to the text; false if none is shown. */
  focus(): boolean {
    if (this.#file === null) return false;
    this.#editor.focus();
    return true;
  }

  /** Opens a file, after asking what to do with changes to the one before. */
  async open(path: string): Promise<void> {
    if (this.#path === path && this.#isDirty) {
      this.#editor.focus();
      return;
    }
    if (!(await this.#mayLeave())) return;
    await this.#load(path);
  }

  /** Resolves to true once the file is saved. */
  async save(): Promise<boolean> {
    const file = this.#file;
    if (file === null || this.#isSaving) return false;
    this.#isSaving = true;
    try {
      if (!(await this.#mayOverwrite(file))) return false;
      const snapshot = this.#editor.takeSnapshot();
      await this.#fs.writeFile(file.path, snapshot.text);
      snapshot.markSaved();
      file.mtimeNs = (await this.#fs.stat(file.path)).mtimeNs;
      this.#isGone = false;
      this.#updateDirty();
      this.#events.onSaved();
      return true;
    } catch (error) {
      this.#events.onMessage(`${baseName(file.path)} was not saved: ${describeError(error)}`);
      return false;
    } finally {
      this.#isSaving = false;
    }
  }

  async close(): Promise<void> {
    if (!(await this.#mayLeave())) return;
    this.#file = null;
    this.#path = null;
    this.#updateDirty();
    this.#events.onVisibility(false);
  }

  /** Follows a file that got another name, also by one of the directories above it. */
  onRenamed(from: string, to: string): void {
    if (this.#path === null || !isWithin(this.#path, from)) return;
    this.#path = to + this.#path.slice(from.length);
    this.#showName(this.#path);
    if (this.#file === null) return;
    this.#file.path = this.#path;
    this.#editor.rename(nameFor(this.#path));
  }

  /** Shows what another program wrote, unless that would lose changes made here. */
  async refresh(): Promise<void> {
    const file = this.#file;
    if (file === null || this.#isDirty || this.#isSaving) return;
    const { path } = file;
    const stats = await this.#fs.stat(path).catch(nullIfFsError);
    // Typing may have begun while the question was under way, or the file got another name.
    if (this.#file !== file || file.path !== path || this.#isDirty) return;
    this.#isGone = stats === null;
    this.#updateDirty();
    if (stats !== null && stats.mtimeNs !== file.mtimeNs) await this.#load(path);
  }

  async #load(path: string): Promise<void> {
    this.#path = path;
    this.#file = null;
    this.#isGone = false;
    this.#showName(path);
    this.#events.onVisibility(true);
    try {
      const stats = await this.#fs.stat(path);
      const refusal = refusalFor(stats);
      const bytes = refusal === null ? await this.#fs.readFile(path) : null;
      // Another file may have been opened meanwhile.
      if (this.#path !== path) return;
      if (bytes === null) {
        this.#refuse(refusal ?? '');
        return;
      }
      const decoded = decodeText(bytes);
      if (decoded.kind === 'refused') this.#refuse(decoded.reason);
      else this.#edit(path, decoded.text, decoded.separator, stats.mtimeNs);
    } catch (error) {
      if (this.#path === path) this.#refuse(describeError(error));
    }
  }

  #edit(path: string, text: string, separator: LineSeparator, mtimeNs: bigint): void {
    this.#message.replaceChildren();
    this.#body.hidden = false;
    this.#file = { path, mtimeNs };
    this.#editor.load({ text, separator, ...nameFor(path) });
    this.#updateDirty();
    this.#editor.focus();
  }

  #refuse(reason: string): void {
    this.#file = null;
    this.#body.hidden = true;
    const path = this.#path ?? '';
    const download = makeButton({ text: 'Download it', class: 'primary' }, () => {
      this.#events.onDownload(path);
    });
    this.#message.replaceChildren(make('p', { text: reason }), download);
    this.#updateDirty();
  }

  #showName(path: string): void {
    this.#name.textContent = baseName(path);
    this.#name.title = path;
  }

  #updateDirty(): void {
    const isDirty = this.#file !== null && this.#editor.isChanged;
    this.#isDirty = isDirty;
    this.#dirty.hidden = !isDirty;
    this.#gone.hidden = !this.#isGone;
    this.#saveButton.disabled = !isDirty && !this.#isGone;
  }

  /** Resolves to true if what is shown may go away. */
  async #mayLeave(): Promise<boolean> {
    if (!this.#isDirty || this.#path === null) return true;
    const answer = await ask(
      `Save the changes to ${baseName(this.#path)}?`,
      'They are lost otherwise.',
      [
        { label: 'Save', value: 'save', tone: 'primary' },
        { label: 'Cancel', value: 'cancel' },
        { label: 'Discard', value: 'discard', tone: 'danger' },
      ],
    );
    if (answer === 'save') return this.save();
    return answer === 'discard';
  }

  async #mayOverwrite(file: OpenFile): Promise<boolean> {
    const stats = await this.#fs.stat(file.path).catch(nullIfFsError);
    if (stats === null || stats.mtimeNs === file.mtimeNs) return true;
    const answer = await ask(
      `${baseName(file.path)} was changed by another program`,
      'Saving replaces what it wrote.',
      [
        { label: 'Cancel', value: 'cancel' },
        { label: 'Replace it', value: 'replace', tone: 'danger' },
      ],
    );
    return answer === 'replace';
  }
}

function nameFor(path: string): { readonly language: LanguageName | undefined; label: string } {
  return { language: languageOf(path), label: `Text of ${baseName(path)}` };
}

/** Why a file can't be edited, as far as its attributes tell. */
function refusalFor(stats: Stats): string | null {
  if (stats.isDirectory()) return 'This is a directory.';
  if (!stats.isFile()) return 'This is not a regular file.';
  if (stats.size <= EDITABLE_MAX) return null;
  const limit = formatBytes(EDITABLE_MAX);
  return `This file has ${formatBytes(stats.size)}; the editor takes up to ${limit}.`;
}
