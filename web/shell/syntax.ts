// The shell's syntax tree: what the parser makes and the evaluator runs.

/** A piece of a word. Quoted pieces are neither split into fields nor matched as patterns. */
export type WordPart =
  | { readonly kind: 'literal'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean };

export interface Word {
  readonly parts: readonly WordPart[];
  /** The word as it was typed, for messages. */
  readonly source: string;
}

export interface Assignment {
  readonly name: string;
  readonly value: Word;
}

/** A file descriptor a redirection can name. */
export type ShellFd = 0 | 1 | 2;

export type Redirection =
  | { readonly kind: 'read'; readonly path: Word }
  | {
      readonly kind: 'write';
      /** [1, 2] for `&>`. */
      readonly fds: readonly ShellFd[];
      readonly path: Word;
      readonly append: boolean;
    }
  | { readonly kind: 'duplicate'; readonly fd: 1 | 2; readonly source: 1 | 2 };

export interface Command {
  readonly assignments: readonly Assignment[];
  readonly words: readonly Word[];
  readonly redirections: readonly Redirection[];
}

export interface Pipeline {
  readonly commands: readonly Command[];
  /** When it runs, by how the pipeline before it ended. */
  readonly condition: 'always' | 'on-success' | 'on-failure';
}

export interface Script {
  readonly pipelines: readonly Pipeline[];
}

/** A mistake in what was typed, in words. */
export class ShellSyntaxError extends Error {
  override readonly name = 'ShellSyntaxError';
  /** True if more lines could make it right: an open quote, or a command expected after `|`. */
  readonly incomplete: boolean;

  constructor(message: string, options: { readonly incomplete: boolean } = { incomplete: false }) {
    super(message);
    this.incomplete = options.incomplete;
  }
}
