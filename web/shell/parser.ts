// Parses a command line: lists of pipelines of simple commands.
// POSIX: Shell Command Language, 2.9 Shell Commands, without compound commands.

import type { Token } from './lexer.ts';
import { leadingName, tokenize } from './lexer.ts';
import type {
  Assignment,
  Command,
  Pipeline,
  Redirection,
  Script,
  ShellFd,
  Word,
  WordPart,
} from './syntax.ts';
import { ShellSyntaxError } from './syntax.ts';

/** Words that begin what this shell does not have. */
const RESERVED = new Set(
  'if then else elif fi for while until do done case esac select function { } [[ !'.split(' '),
);

/**
 * Parses `source`, which may hold several lines.
 *
 * Errors: ShellSyntaxError, `incomplete` if more lines could complete the command.
 */
export function parse(source: string): Script {
  return new Parser(tokenize(source)).script();
}

class Parser {
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  script(): Script {
    const pipelines: Pipeline[] = [];
    let condition: Pipeline['condition'] = 'always';
    this.#skipNewlines();
    while (this.#index < this.#tokens.length) {
      pipelines.push({ commands: this.#pipeline(), condition });
      const next = this.#tokens[this.#index];
      if (next === undefined) break;
      this.#index += 1;
      const operator = next.kind === 'operator' ? next.operator : '';
      if (operator === '&&' || operator === '||') {
        condition = operator === '&&' ? 'on-success' : 'on-failure';
        this.#skipNewlines();
        this.#expectCommand(operator);
      } else {
        condition = 'always';
        this.#skipNewlines();
      }
    }
    return { pipelines };
  }

  #pipeline(): Command[] {
    const commands: Command[] = [];
    for (;;) {
      const command = this.#command();
      const next = this.#tokens[this.#index];
      const operator = next?.kind === 'operator' ? next.operator : '';
      if (operator !== '|' && operator !== '|&') {
        commands.push(command);
        return commands;
      }
      this.#index += 1;
      commands.push(operator === '|' ? command : withErrorOutput(command));
      this.#skipNewlines();
      this.#expectCommand(operator);
    }
  }

  #command(): Command {
    const assignments: Assignment[] = [];
    const words: Word[] = [];
    const redirections: Redirection[] = [];
    for (;;) {
      const token = this.#tokens[this.#index];
      if (token === undefined || token.kind === 'operator') break;
      this.#index += 1;
      if (token.kind === 'redirection') {
        redirections.push(this.#redirection(token));
        continue;
      }
      const assignment = words.length === 0 ? asAssignment(token.word) : undefined;
      if (assignment !== undefined) assignments.push(assignment);
      else words.push(token.word);
    }
    if (assignments.length + words.length + redirections.length === 0) throw this.#unexpected();
    const [first] = words;
    if (first !== undefined && RESERVED.has(first.source)) {
      throw new ShellSyntaxError(`“${first.source}” is not supported by this shell`);
    }
    return { assignments, words, redirections };
  }

  #redirection(token: Token & { readonly kind: 'redirection' }): Redirection {
    const { operator, fd } = token;
    const target = this.#tokens[this.#index];
    if (target?.kind !== 'word') {
      throw new ShellSyntaxError(`a file name is missing after “${operator}”`);
    }
    this.#index += 1;
    const path = target.word;
    if (operator === '<') {
      if (fd !== undefined && fd !== 0) {
        throw new ShellSyntaxError(`descriptor ${String(fd)} can’t be read into, only 0 can`);
      }
      return { kind: 'read', path };
    }
    if (fd === 0) throw new ShellSyntaxError('descriptor 0 is the input: use < to redirect it');
    if (operator === '>&') return duplicate(fd ?? 1, path);
    const fds: readonly ShellFd[] = operator.startsWith('&') ? [1, 2] : [fd ?? 1];
    return { kind: 'write', fds, path, append: operator.endsWith('>>') };
  }

  #expectCommand(after: string): void {
    if (this.#index < this.#tokens.length) return;
    throw new ShellSyntaxError(`a command is missing after “${after}”`, { incomplete: true });
  }

  #unexpected(): ShellSyntaxError {
    const token = this.#tokens[this.#index];
    const text = token?.kind === 'operator' ? token.operator : '';
    return new ShellSyntaxError(
      `a command is missing before ${text === '\n' ? 'the end of the line' : `“${text}”`}`,
    );
  }

  #skipNewlines(): void {
    for (;;) {
      const token = this.#tokens[this.#index];
      if (token?.kind !== 'operator' || token.operator !== '\n') return;
      this.#index += 1;
    }
  }
}

/** `a |& b` is `a 2>&1 | b`. */
function withErrorOutput(command: Command): Command {
  const redirection: Redirection = { kind: 'duplicate', fd: 2, source: 1 };
  return { ...command, redirections: [...command.redirections, redirection] };
}

function duplicate(fd: 1 | 2, target: Word): Redirection {
  if (target.source !== '1' && target.source !== '2') {
    // `>&file` is an older spelling of `&>file`; with a descriptor before it, it means nothing.
    throw new ShellSyntaxError(`“>&” takes 1 or 2, not “${target.source}”`);
  }
  return { kind: 'duplicate', fd, source: target.source === '1' ? 1 : 2 };
}

/** `NAME=value` with an unquoted name, or undefined. */
function asAssignment(word: Word): Assignment | undefined {
  const [first, ...rest] = word.parts;
  if (first?.kind !== 'literal' || first.quoted) return undefined;
  const name = leadingName(first.text);
  if (name === '' || first.text.charAt(name.length) !== '=') return undefined;
  const head: WordPart = {
    kind: 'literal',
    text: first.text.slice(name.length + 1),
    quoted: false,
  };
  return {
    name,
    value: { parts: [head, ...rest], source: word.source.slice(name.length + 1) },
  };
}
