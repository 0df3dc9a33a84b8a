// CodeMirror, set up for one text at a time.

import { indentWithTab } from '@codemirror/commands';
import { cpp } from '@codemirror/lang-cpp';
import { javascript } from '@codemirror/lang-javascript';
import { python } from '@codemirror/lang-python';
import { indentUnit } from '@codemirror/language';
import type { Extension, Text } from '@codemirror/state';
import { Compartment, EditorState } from '@codemirror/state';
import { oneDark } from '@codemirror/theme-one-dark';
import { EditorView, keymap } from '@codemirror/view';
import { basicSetup } from 'codemirror';
import type { LanguageName, LineSeparator } from './text-file.ts';

const LANGUAGES: Readonly<Record<LanguageName, () => Extension>> = {
  python: () => [python(), indentUnit.of('    ')],
  javascript: () => javascript({ jsx: true }),
  typescript: () => javascript({ jsx: true, typescript: true }),
  cpp,
};

/** What the name of the file decides. */
interface EditorName {
  readonly language: LanguageName | undefined;
  /** For those who can't see what is edited. */
  readonly label: string;
}

export interface EditorText extends EditorName {
  readonly text: string;
  readonly separator: LineSeparator;
}

export interface TextEditorEvents {
  onChange(): void;
  onSave(): void;
}

export class TextEditor {
  readonly #view: EditorView;
  readonly #events: TextEditorEvents;
  readonly #name = new Compartment();

  /** The document as it is in the file. */
  #saved: Text = EditorState.create().doc;

  constructor(parent: HTMLElement, events: TextEditorEvents) {
    this.#events = events;
    this.#view = new EditorView({ parent });
  }

  /** Replaces what is edited; undoing begins anew. */
  load(source: EditorText): void {
    this.#view.setState(
      EditorState.create({
        doc: source.text,
        extensions: [
          basicSetup,
          oneDark,
          EditorState.lineSeparator.of(source.separator),
          keymap.of([
            {
              key: 'Mod-s',
              preventDefault: true,
              run: () => {
                this.#events.onSave();
                return true;
              },
            },
            indentWithTab,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) this.#events.onChange();
          }),
          this.#name.of(namedBy(source)),
        ],
      }),
    );
    this.#saved = this.#view.state.doc;
  }

  /** The file has another name now; text and undoing stay. */
  rename(name: EditorName): void {
    this.#view.dispatch({ effects: this.#name.reconfigure(namedBy(name)) });
  }

  /** The text with the separators it came with, and a way to say that it has been saved. */
  takeSnapshot(): { readonly text: string; markSaved(): void } {
    const { state } = this.#view;
    return {
      text: state.sliceDoc(),
      markSaved: () => {
        this.#saved = state.doc;
      },
    };
  }

  get isChanged(): boolean {
    return !this.#view.state.doc.eq(this.#saved);
  }

  focus(): void {
    this.#view.focus();
  }
}

function namedBy({ language, label }: EditorName): Extension {
  return [
    EditorView.contentAttributes.of({ 'aria-label': label }),
    language === undefined ? [] : LANGUAGES[language](),
  ];
}
